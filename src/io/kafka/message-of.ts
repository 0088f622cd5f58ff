// SPDX-License-Identifier: Apache-2.0
// The message that an element becomes, by the options of a sink.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue, type Instant, instantOf } from '../../coders/index.ts';
import type { WriteSpec } from '../write-to-kafka.ts';
import type { KafkaFormat } from './formats.ts';
import type { KafkaHeader } from './messages.ts';
import type { Outgoing } from './writer.ts';

/** Makes messages of elements. */
export class MessageOf<T, K, V> {
  constructor(private readonly spec: WriteSpec<T, K, V>) {}

  /** Gets what the formats need first, such as a schema of a registry. */
  async prepare(): Promise<void> {
    await this.spec.key.prepareEncode?.();
    await this.spec.value.prepareEncode?.();
  }

  of(element: T): Outgoing {
    const { options, key: keyFormat, value: valueFormat } = this.spec;
    const { topic, key, value, headers, timestamp, partition } = options;
    const to = typeof topic === 'function' ? topic(element) : topic;
    if (typeof to !== 'string' || to === '') {
      throw new BeamBridgeError(
        'USER_CODE_FAILED',
        `topic gave ${describeValue(to)} for an element, which is no topic's name`,
      );
    }
    const pair = key || value ? undefined : pairOf(element);
    const k = pair ? pair.key : key?.(element);
    const v = pair ? pair.value : value ? value(element) : element;
    return {
      topic: to,
      key: k === null || k === undefined ? undefined : encoded(keyFormat, k as K, 'key', to),
      value: v === null ? undefined : encoded(valueFormat, valued(v, to) as V, 'value', to),
      headers: headers && headersOf(headers(element)),
      timestamp: timestamp && timeOf(timestamp(element)),
      partition: partition?.(element),
    };
  }
}

/** Kafka takes a time before 1970 for none. */
function timeOf(given: Instant): bigint {
  const at = instantOf(given, 'the timestamp of a message');
  if (at >= 0) return BigInt(at);
  const message = `the timestamp of a message is ${at}, which is before 1970`;
  throw new BeamBridgeError('INVALID_ARGUMENT', message, {
    hint: 'Kafka has no such times. Leave timestamp out for the time of writing; an element without a time of its own has the earliest there is.',
  });
}

function pairOf(element: unknown): { key: unknown; value: unknown } {
  if (typeof element === 'object' && element !== null && 'value' in element) {
    return { key: (element as { key?: unknown }).key, value: element.value };
  }
  throw new BeamBridgeError(
    'CODER_MISMATCH',
    `an element is ${describeValue(element)}, not { key, value }`,
    {
      hint: `Say what its message is: writeToKafka({ …, key: (element) => …, value: (element) => … }).`,
    },
  );
}

/** Whoever forgets a value does not mean that the key's is gone. */
function valued(value: unknown, topic: string): unknown {
  if (value !== undefined) return value;
  throw new BeamBridgeError('CODER_MISMATCH', `the value of a message for ${topic} is undefined`, {
    hint: "Give null for a message that says that the key's value is gone.",
  });
}

function encoded<T>(format: KafkaFormat<T>, value: T, part: string, topic: string): Uint8Array {
  try {
    return format.encode(value);
  } catch (error) {
    const { code, shortMessage, hint, cause } = BeamBridgeError.from(error, 'CODER_MISMATCH');
    const message = `the ${part} of a message for ${topic} cannot be written: ${shortMessage}`;
    throw new BeamBridgeError(code, message, { hint, cause });
  }
}

function headersOf(headers: Iterable<KafkaHeader>): Map<Buffer, Buffer | null> {
  const found = new Map<Buffer, Buffer | null>();
  for (const { key, value } of headers) {
    const isRight = typeof key === 'string' && (value === null || value instanceof Uint8Array);
    if (!isRight) {
      throw new BeamBridgeError(
        'CODER_MISMATCH',
        `a header is ${describeValue(key)}, ${describeValue(value)}`,
        { hint: 'Headers are { key: text, value: bytes or null }.' },
      );
    }
    found.set(Buffer.from(key), value && Buffer.from(value));
  }
  return found;
}
