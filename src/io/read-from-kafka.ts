// SPDX-License-Identifier: Apache-2.0
// Messages of Kafka.

import type { Coder } from '../coders/index.ts';
import {
  bundleFinalizerParam,
  gauge,
  MultiParDo,
  ParDo,
  type PCollection,
  PTransformClass,
  type Root,
} from '../pipeline/index.ts';
import { coderOf } from '../schema/index.ts';
import { impulse } from '../transforms/index.ts';
import { openClient } from './kafka/client.ts';
import { DiscoverPartitions, type OpenClient } from './kafka/discover.ts';
import { claimGroup } from './kafka/groups-in-use.ts';
import type { PartitionTask } from './kafka/look.ts';
import {
  type FailedMessage,
  failedType,
  type KafkaMessage,
  messageType,
} from './kafka/messages.ts';
import { checkReadOptions, type ReadKafkaOptions, type ReadSpec } from './kafka/read-options.ts';
import { FAILED, ReadPartition } from './kafka/read-partition.ts';

/** The namespace of its metrics. */
const METRICS = 'kafka';

/** What {@link readFromKafka} with dead letters gives. */
export type ReadWithDeadLetters<K, V> = {
  /** What the transform gives without dead letters. */
  messages: PCollection<KafkaMessage<K, V>>;
  /** Records whose key or value is not what the schema says, or for which `timestamp` gives no time. */
  failed: PCollection<FailedMessage>;
};

/**
 * The messages of topics, as `{ topic, partition, offset, timestamp, key, value, headers }`. Their
 * timestamps are the messages', or what the option `timestamp` gives. With `stop` the output is bounded,
 * else it is a stream, in which partitions and topics that appear are read, too.
 *
 * Each partition is read in its order; how partitions come among each other is not defined. The watermark
 * is the least of all partitions': of each the newest time that was read (never later than the clock), less
 * `maxDelay`; one that was read to its end follows the clock, `idleAfter` and `maxDelay` behind it,
 * unless messages wait there for a transaction's end.
 * Gauges in the namespace `kafka` say of each partition how far it is: `lag TOPIC/PARTITION`, the messages that the
 * broker has and the pipeline has not taken yet, and `watermark TOPIC/PARTITION`, in milliseconds since 1970.
 * About 4 MB of each partition are read ahead, and no more before the pipeline has taken them.
 *
 * Needs the npm package `@platformatic/kafka`, 1.35 or newer, installed beside this one, Node.js 20.19.4
 * or later, and brokers of Kafka 3.1 or later.
 *
 * @throws `INVALID_ARGUMENT` for options that are not as described, and when applied where another source of the
 *   pipeline commits for the same group and topic, `CREDENTIALS_MISSING` for `sasl`
 *   without what its mechanism needs
 * @throws `PACKAGE_NOT_FOUND`, `UNSUPPORTED` from the run, without that package, Node.js or broker
 * @throws `TOPIC_NOT_FOUND` from the run, for a topic that there is not
 * @throws `ENDPOINT_UNAVAILABLE` from the run, when brokers are away for a minute
 * @throws `CREDENTIALS_REFUSED` from the run, when they refuse the user, or what he wants
 * @throws `IO_FAILED` from the run, when messages were deleted before they were read
 * @throws `MALFORMED_DATA`, `ROW_MISMATCH` and others from the run, for a message that cannot be read; with
 *   {@link ReadFromKafka.withDeadLetters | withDeadLetters()} it is an output
 *
 * @example
 * ```ts
 * root
 *   .apply(
 *     readFromKafka({
 *       bootstrapServers: 'localhost:9092',
 *       topics: 'orders',
 *       keySchema: string,
 *       valueSchema: kafkaJson(row({ id: int64, text: string })),
 *     }),
 *   )
 *   .map(({ key, value }) => `${key}: ${value?.text}`);
 * ```
 */
export function readFromKafka<K = Uint8Array, V = Uint8Array>(
  options: ReadKafkaOptions<K, V>,
): ReadFromKafka<K, V> {
  const open: OpenClient<K, V> = ({ cluster, isolation }) => openClient(cluster, { isolation });
  return new ReadFromKafka(checkReadOptions(options), open);
}

/** Made by {@link readFromKafka}. */
export class ReadFromKafka<K, V> extends PTransformClass<Root, PCollection<KafkaMessage<K, V>>> {
  /** @internal */
  constructor(
    private readonly spec: ReadSpec<K, V>,
    private readonly open: OpenClient<K, V>,
  ) {
    super('readFromKafka');
  }

  override expand(root: Root): PCollection<KafkaMessage<K, V>> {
    const { tasks, user, coder } = steps(root, this.spec, this.open, false);
    return tasks.apply(new ParDo<PartitionTask, KafkaMessage<K, V>>(user, coder));
  }

  /**
   * Records that cannot be read are an output of their own, with what is wrong, instead of an error.
   *
   * @example
   * ```ts
   * const { messages, failed } = root.apply(readFromKafka({ … }).withDeadLetters());
   * ```
   */
  withDeadLetters(): PTransformClass<Root, ReadWithDeadLetters<K, V>> {
    return new ReadKafkaWithDeadLetters(this.spec, this.open);
  }
}

class ReadKafkaWithDeadLetters<K, V> extends PTransformClass<Root, ReadWithDeadLetters<K, V>> {
  constructor(
    private readonly spec: ReadSpec<K, V>,
    private readonly open: OpenClient<K, V>,
  ) {
    super('readFromKafka');
  }

  override expand(root: Root): ReadWithDeadLetters<K, V> {
    const { tasks, user, coder } = steps(root, this.spec, this.open, true);
    type Outputs = { messages: KafkaMessage<K, V>; failed: FailedMessage };
    const failed = coderOf(failedType);
    const coders = { messages: coder, failed };
    // The DoFn makes what fits: nothing is gained by encoding each to see.
    const both = new MultiParDo<PartitionTask, Outputs>(user, 'messages', [FAILED], coders, false);
    return tasks.apply(both);
  }
}

function steps<K, V>(root: Root, spec: ReadSpec<K, V>, open: OpenClient<K, V>, isTagging: boolean) {
  claimGroup(root.pipeline, spec);
  const discover = new DiscoverPartitions(spec, open);
  const tasks = root
    .apply(impulse())
    .apply(new ParDo<Uint8Array, PartitionTask>({ kind: 'splittable', doFn: discover as never }));
  const read = new ReadPartition(spec, open, isTagging);
  const context = {
    gauge: gauge('lag', METRICS),
    ...(spec.commitOffsets && { bundle: bundleFinalizerParam() }),
  };
  const user = { kind: 'splittable' as const, doFn: read as never, context };
  const coder: Coder<KafkaMessage<K, V>> = coderOf(messageType(spec.key.type, spec.value.type));
  return { tasks, user, coder };
}
