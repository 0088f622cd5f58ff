// SPDX-License-Identifier: Apache-2.0
// Messages to Kafka.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import { BytesCoder, type Coder, type Instant } from '../coders/index.ts';
import {
  type DoFn,
  type PCollection,
  PTransformClass,
  TRANSACTION_SINK,
} from '../pipeline/index.ts';
import { doFnStep } from '../transforms/index.ts';
import { OwnWriter, SharedWriter, type WriterOfBundle } from './kafka/bundle-writers.ts';
import {
  type Cluster,
  CONNECTION_OPTIONS,
  checkConnection,
  invalid,
  type KafkaConnection,
} from './kafka/connection.ts';
import { cycleOf } from './kafka/cycle-of.ts';
import { checkExactlyOnce, type KafkaExactlyOnce } from './kafka/exactly-once.ts';
import { formatOf, type KafkaFormat, type KafkaSchema } from './kafka/formats.ts';
import { joinSources } from './kafka/join-sources.ts';
import { MessageOf } from './kafka/message-of.ts';
import type { KafkaHeader } from './kafka/messages.ts';
import { type KafkaCompression, type KafkaProducer, openProducer } from './kafka/producer.ts';
import { writeInShards } from './kafka/shards/write-in-shards.ts';
import type { OpenTransactions } from './kafka/transactional-producer.ts';
import { openTransactions } from './kafka/transactions.ts';
import type { KafkaWriter } from './kafka/writer.ts';

/** Options of {@link writeToKafka}. */
export interface WriteKafkaOptions<T, K = Uint8Array, V = Uint8Array> extends KafkaConnection {
  /** The topic, or a function that gives each element's. Topics must be there. */
  topic: string | ((element: T) => string);
  /**
   * The key of an element's message, null or undefined for none.
   *
   * @default none; where there is no `value` either, the `key` of elements `{ key, value }`
   */
  key?: (element: T) => K | null | undefined;
  /**
   * The value of an element's message, null for one that says that the key's value is gone (undefined is
   * `CODER_MISMATCH`).
   *
   * @default the element; where there is no `key` either, the `value` of elements `{ key, value }`
   */
  value?: (element: T) => V | null;
  /** @default none */
  headers?: (element: T) => Iterable<KafkaHeader>;
  /** The message's timestamp, in milliseconds since 1970, and not before it. @default when it is written */
  timestamp?: (element: T) => Instant;
  /**
   * The number of the partition.
   *
   * @default by the key, as Kafka's own clients choose; without one, in turns
   */
  partition?: (element: T) => number;
  /** How keys are written: `bytes`, `string`, `kafkaJson(type)` or `kafkaAvro(type, …)`. @default `bytes` */
  keySchema?: KafkaSchema<K>;
  /** How values are written, likewise. @default `bytes` */
  valueSchema?: KafkaSchema<V>;
  /** How batches are packed; `'zstd'` needs Node.js 22.15 or later. @default `'none'` */
  compression?: KafkaCompression;
  /**
   * Messages are written in transactions, so that none is there twice: on the runner `node`, and in streams of
   * `flink` with a `checkpointingInterval`.
   *
   * @default at least once
   */
  exactlyOnce?: KafkaExactlyOnce;
}

const OPTIONS: OptionNames<WriteKafkaOptions<unknown>> = {
  ...CONNECTION_OPTIONS,
  topic: true,
  key: true,
  value: true,
  headers: true,
  timestamp: true,
  partition: true,
  keySchema: true,
  valueSchema: true,
  compression: true,
  exactlyOnce: true,
};

const COMPRESSIONS: readonly KafkaCompression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const FUNCTIONS = ['key', 'value', 'headers', 'timestamp', 'partition'] as const;
const OF = 'writeToKafka';

/**
 * Writes each element as a message. All messages of a bundle are stored by all replicas before the bundle
 * counts; the producer is idempotent, so that what is sent again while a broker is away or a connection
 * breaks is stored once. Messages of a key, or of one partition, are stored in the order in which they
 * came to this step. Partitions that are added to a topic are seen within five minutes, between two bundles.
 *
 * A bundle that fails and is run again writes its messages again, as does a pipeline that is run again: at
 * least once, then. With `exactlyOnce` who reads committed messages alone sees what came of each message once,
 * however often something is killed and started again. On the runner `node` a transaction holds what is written
 * and the offsets of the messages that it comes of: all elements come of messages of the same cluster by steps that
 * keep nothing. In streams of `flink` with a `checkpointingInterval` it holds which of the elements of a checkpoint are
 * written: they may come of anything, and are seen when the checkpoint is complete.
 *
 * Needs the npm package `@platformatic/kafka`, 1.35 or newer, installed beside this one, and Node.js
 * 20.19.4 or later.
 *
 * @throws `INVALID_ARGUMENT` for options that are not as described, `CREDENTIALS_MISSING` for `sasl`
 *   without what its mechanism needs
 * @throws `PACKAGE_NOT_FOUND`, `UNSUPPORTED` from the run, without that package or Node.js
 * @throws `TOPIC_NOT_FOUND` from the run, for a topic that there is not
 * @throws `ENDPOINT_UNAVAILABLE` from the run, when brokers are away for a minute
 * @throws `ENDPOINT_REFUSED` from the run, for messages that they do not take, such as too large ones
 * @throws `CREDENTIALS_REFUSED` from the run, when they refuse the user, or what he wants
 * @throws `CODER_MISMATCH`, `ROW_MISMATCH` from the run, for a key or value that is not of its schema
 * @throws with `exactlyOnce`: on `node` `INVALID_ARGUMENT` where elements come of something else than
 *   `readFromKafka` with `groupId` and `commitOffsets`, `UNSUPPORTED` for a grouping, state or a side input of the
 *   messages in between, and `IO_FAILED` from the run, when another run with the same `transactionalId` has taken over;
 *   on `flink` `UNSUPPORTED` for a batch and for topics by a function, and `INVALID_ARGUMENT` for a
 *   `transactionalId` of a run that this one does not go on from; `UNSUPPORTED` on other runners
 *
 * @example
 * ```ts
 * scores.apply(
 *   writeToKafka({
 *     bootstrapServers: 'localhost:9092',
 *     topic: 'scores',
 *     key: ({ id }) => id,
 *     keySchema: string,
 *     valueSchema: kafkaJson(row({ id: string, score: float64 })),
 *   }),
 * );
 * ```
 */
export function writeToKafka<T, K = Uint8Array, V = T>(
  options: WriteKafkaOptions<T, K, V>,
): PTransformClass<PCollection<T>, void> {
  const spec = checkOptions(options);
  const { cluster, compression, exactlyOnce } = spec;
  return new WriteToKafka(
    spec,
    () => openProducer(cluster, compression),
    (transactionalId, patienceMillis) =>
      openTransactions(
        { ...cluster, ...(patienceMillis === undefined ? {} : { patienceMillis }) },
        { timeout: exactlyOnce!.timeout, compression, transactionalId },
      ),
  );
}

/** The options, checked. */
export interface WriteSpec<T, K, V> {
  readonly cluster: Cluster;
  readonly options: WriteKafkaOptions<T, K, V>;
  readonly key: KafkaFormat<K>;
  readonly value: KafkaFormat<V>;
  readonly compression: KafkaCompression;
  readonly exactlyOnce: Required<KafkaExactlyOnce> | undefined;
}

/** @internal */
export function checkOptions<T, K, V>(options: WriteKafkaOptions<T, K, V>): WriteSpec<T, K, V> {
  if (options === undefined) throw invalid(OF, 'options', options, 'Give an object of options.');
  checkOptionNames(OF, options, OPTIONS);
  const cluster = checkConnection(OF, options);
  const { topic, compression = 'none' } = options;
  if (typeof topic !== 'function' && (typeof topic !== 'string' || topic === '')) {
    throw invalid(OF, 'topic', topic, 'Give the name of a topic, or a function of an element.');
  }
  for (const name of FUNCTIONS) {
    const given = options[name];
    if (given === undefined || typeof given === 'function') continue;
    throw invalid(OF, name, given, 'Give a function of an element.');
  }
  if (!COMPRESSIONS.includes(compression)) {
    throw invalid(OF, 'compression', compression, `Choose one of ${COMPRESSIONS.join(', ')}.`);
  }
  return {
    cluster,
    options,
    key: formatOf(OF, 'keySchema', options.keySchema),
    value: formatOf(OF, 'valueSchema', options.valueSchema),
    compression,
    exactlyOnce:
      options.exactlyOnce === undefined ? undefined : checkExactlyOnce(OF, options.exactlyOnce),
  };
}

/** The transform, with where it gets its producer from. @internal */
export class WriteToKafka<T, K, V> extends PTransformClass<PCollection<T>, void> {
  constructor(
    private readonly spec: WriteSpec<T, K, V>,
    private readonly open: () => Promise<KafkaProducer>,
    private readonly openTransactions?: OpenTransactions,
  ) {
    super(OF);
  }

  override expand(elements: PCollection<T>): void {
    const { exactlyOnce: once } = this.spec;
    if (!once) {
      this.write(elements, new OwnWriter(this.open));
      return;
    }
    const { pipeline } = elements;
    const open = this.openTransactions!;
    if (pipeline.hasStableInput) {
      writeInShards(elements, this.spec, open);
      return;
    }
    const { cluster, compression } = this.spec;
    const { servers } = cluster;
    const { transactionalId, timeout } = once;
    const settings = { transactionalId, timeout, compression, bootstrapServers: servers };
    const cycle = cycleOf(pipeline, settings, () => open(transactionalId));
    const mark = Buffer.from(once.transactionalId);
    joinSources(elements, { cycle, servers, mark });
    const written = this.write(elements, new SharedWriter(cycle));
    written.node.producer.annotations.set(TRANSACTION_SINK, mark);
  }

  private write(elements: PCollection<T>, to: WriterOfBundle): PCollection<never> {
    const nothing = new BytesCoder() as Coder<unknown> as Coder<never>;
    const written = elements.apply(
      doFnStep<T, never>('write', new WriteMessages(this.spec, to), nothing),
    );
    written.node.producer.staysHere = 'writes by one connection';
    return written;
  }
}

class WriteMessages<T, K, V> implements DoFn<T, never> {
  private writer: KafkaWriter | undefined;
  /** Whether a bundle has begun and not ended: what it has left must not go out with the next one's. */
  private isOpen = false;
  private readonly messages: MessageOf<T, K, V>;

  constructor(
    private readonly spec: WriteSpec<T, K, V>,
    private readonly to: WriterOfBundle,
  ) {
    this.messages = new MessageOf(spec);
  }

  forBundle(): WriteMessages<T, K, V> {
    return new WriteMessages(this.spec, this.to.forBundle());
  }

  async startBundle(): Promise<void> {
    if (this.isOpen) await this.teardown();
    this.isOpen = true;
    await this.messages.prepare();
    this.writer = await this.to.opened();
  }

  process(element: T): Promise<void> | undefined {
    return this.writer?.add(this.messages.of(element));
  }

  async finishBundle(): Promise<void> {
    await this.to.finish();
    this.isOpen = false;
  }

  async teardown(): Promise<void> {
    this.writer = undefined;
    this.isOpen = false;
    await this.to.close();
  }
}
