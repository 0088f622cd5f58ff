// SPDX-License-Identifier: Apache-2.0
// What keys and values are: bytes, text, or JSON of a declared type.

import { BeamBridgeError } from '../../base/index.ts';
import { type Coder, describeValue, transcode } from '../../coders/index.ts';
import {
  bytes,
  coderOf,
  isSchemaType,
  type SchemaType,
  string,
  typeName,
} from '../../schema/index.ts';

/** How a key or a value is written in bytes; made by {@link kafkaJson} or `kafkaAvro`. */
export interface KafkaFormat<T> {
  /** The type of what comes out. */
  readonly type: SchemaType<T>;
  /** @internal */
  decode(content: Uint8Array): T;
  /** @internal */
  encode(value: T): Uint8Array;
  /** Whether `decode` has all that it needs. @internal */
  canDecode?(content: Uint8Array): boolean;
  /** Gets what `decode` needs for these bytes. @internal */
  prepareDecode?(content: Uint8Array): Promise<void>;
  /** Gets what `encode` needs. @internal */
  prepareEncode?(): Promise<void>;
}

/** What `keySchema` and `valueSchema` take: the types `bytes` and `string`, or a format. */
export type KafkaSchema<T> = SchemaType<T> | KafkaFormat<T>;

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Bytes as they are, but of one's own: a record's are part of all that was fetched with it. */
export const bytesFormat: KafkaFormat<Uint8Array> = {
  type: bytes,
  decode: (content) => new Uint8Array(content),
  encode(value) {
    if (value instanceof Uint8Array) return value;
    throw new BeamBridgeError('CODER_MISMATCH', `bytes are wanted, not ${describeValue(value)}`, {
      hint: 'Give a Uint8Array, or say what it is: valueSchema: string, or kafkaJson(type).',
    });
  },
};

const textFormat: KafkaFormat<string> = {
  type: string,
  decode: textOf,
  encode(value) {
    if (typeof value === 'string' && !/\p{Surrogate}/u.test(value)) return encoder.encode(value);
    const what = typeof value === 'string' ? 'half a surrogate pair' : describeValue(value);
    throw new BeamBridgeError('CODER_MISMATCH', `text is wanted, not ${what}`);
  },
};

function textOf(content: Uint8Array): string {
  try {
    return strict.decode(content);
  } catch (cause) {
    throw new BeamBridgeError('MALFORMED_DATA', 'the bytes are not UTF-8', { cause });
  }
}

/**
 * JSON of a declared type: for `keySchema` and `valueSchema`. What does not fit the type is
 * `ROW_MISMATCH`, what is no JSON `MALFORMED_DATA`, both ways.
 *
 * @param type - of `beambridge/schema`; one that JSON has no values for, such as `bytes`, fits nothing
 *
 * @example
 * ```ts
 * readFromKafka({ …, valueSchema: kafkaJson(row({ id: int64, text: string })) })
 * ```
 */
export function kafkaJson<T>(type: SchemaType<T>): KafkaFormat<T> {
  if (!isSchemaType(type)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `kafkaJson was given ${describeValue(type)}`, {
      hint: 'Give a type of beambridge/schema: kafkaJson(row({ id: int64 })).',
    });
  }
  const coder: Coder<T> = coderOf(type);
  return {
    type,
    decode(content) {
      const text = textOf(content);
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        const { message } = cause as Error;
        throw new BeamBridgeError('MALFORMED_DATA', `no JSON: ${message}`, { cause });
      }
      return transcode(coder, value as T);
    },
    encode: (value) => encoder.encode(JSON.stringify(transcode(coder, value))),
  };
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what is no format, nor a type that is one */
export function formatOf<T>(
  of: string,
  option: string,
  schema: KafkaSchema<T> | undefined,
): KafkaFormat<T> {
  const as = (format: unknown) => format as KafkaFormat<T>;
  if (schema === undefined) return as(bytesFormat);
  if (isFormat(schema)) return schema;
  const hint = 'Give bytes, string, kafkaJson(type) or kafkaAvro(type, …).';
  if (!isSchemaType(schema)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: ${option} is ${describeValue(schema)}`, {
      hint,
    });
  }
  if (schema.kind === 'bytes') return as(bytesFormat);
  if (schema.kind === 'string') return as(textFormat);
  throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: ${option} is ${typeName(schema)}`, {
    hint: `A type says what a value is, not how it is written. ${hint}`,
  });
}

function isFormat<T>(schema: KafkaSchema<T>): schema is KafkaFormat<T> {
  const { decode, encode } = schema as Partial<KafkaFormat<T>>;
  return typeof decode === 'function' && typeof encode === 'function';
}
