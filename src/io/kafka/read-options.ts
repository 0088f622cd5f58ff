// SPDX-License-Identifier: Apache-2.0
// The options of reading, and what they say when they have been checked.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { describeValue, type Instant } from '../../coders/index.ts';
import { boundedness } from '../../pipeline/index.ts';
import {
  type Cluster,
  CONNECTION_OPTIONS,
  checkConnection,
  invalid,
  type KafkaConnection,
} from './connection.ts';
import { formatOf, type KafkaFormat, type KafkaSchema } from './formats.ts';
import type { KafkaMessage } from './messages.ts';
import type { WatermarkPolicy } from './watermark.ts';

/** Offsets of partitions by topic: `{ orders: { 0: 17n, 1: 4n } }`. */
export type KafkaOffsets = Readonly<Record<string, Readonly<Record<number, number | bigint>>>>;

/** Options of `readFromKafka`. */
export interface ReadKafkaOptions<K = Uint8Array, V = Uint8Array> extends KafkaConnection {
  /** The topics; this or `topicPattern`. */
  topics?: string | readonly string[];
  /**
   * All topics whose names match, Kafka's own left out. It matches anywhere in a name unless it says
   * otherwise: `/^orders-/`.
   */
  topicPattern?: RegExp;
  /**
   * The first message that is read of each partition:
   *
   * - `'earliest'`: the first that is there;
   * - `'latest'`: the first that is written from now on;
   * - `'committed'`: the one behind what `groupId` has committed, the earliest where it has nothing;
   * - a `Date`: the first of that time or later, by the messages' timestamps; where there is none yet, also
   *   what is written from now on is left out if it is from before that time;
   * - offsets; partitions that are not named begin at their earliest.
   *
   * Partitions that are found later are read from their beginning, but for a `Date` and offsets.
   *
   * @default `'committed'` with a `groupId`, `'earliest'` without
   */
  start?: 'earliest' | 'latest' | 'committed' | Date | KafkaOffsets;
  /**
   * Where each partition ends, the message there not included: `'latest'` for the end that it has when
   * the pipeline begins, a `Date` (one that is to come is waited for), or offsets of every partition.
   *
   * @default never
   */
  stop?: 'latest' | Date | KafkaOffsets;
  /**
   * Whether the output is a bounded PCollection, which it can be with `stop` only: `false` for a stream
   * that ends. @default whether there is a `stop`
   */
  bounded?: boolean;
  /** Whose offsets `start: 'committed'` and `commitOffsets` mean. No group is joined. */
  groupId?: string;
  /**
   * Whether offsets are committed for `groupId` when a bundle with the messages before them has been
   * taken over by the runner, as Beam's `commitOffsetsInFinalize`. @default false
   */
  commitOffsets?: boolean;
  /**
   * What keys are: `bytes`, `string`, `kafkaJson(type)` or `kafkaAvro(type, …)`. @default `bytes`
   */
  keySchema?: KafkaSchema<K>;
  /** What values are, likewise. @default `bytes` */
  valueSchema?: KafkaSchema<V>;
  /**
   * The time of a message, in milliseconds since 1970. @default the message's timestamp: when it was
   * made, or appended where the topic says so
   */
  timestamp?: (message: KafkaMessage<K, V>) => Instant;
  /**
   * By how many milliseconds a message may be older than the newest before it in its partition without
   * being late. @default 0
   */
  maxDelay?: number;
  /**
   * How far the watermark of a partition that has been read to its end is behind the clock, in
   * milliseconds (and `maxDelay` more). `Infinity`: a partition without messages holds all windows open.
   *
   * @default 5,000
   */
  idleAfter?: number;
  /**
   * Time between two looks for new partitions, and new topics that match, in milliseconds; the watermark
   * waits for them. `Infinity` for never. Without use where there is a `stop`. @default 5,000
   */
  discoverEvery?: number;
  /**
   * `'read_committed'` leaves out messages of transactions that were aborted, and waits for those that are
   * open. @default `'read_committed'`
   */
  isolation?: 'read_committed' | 'read_uncommitted';
}

const OPTIONS: OptionNames<ReadKafkaOptions> = {
  ...CONNECTION_OPTIONS,
  topics: true,
  topicPattern: true,
  start: true,
  stop: true,
  bounded: true,
  groupId: true,
  commitOffsets: true,
  keySchema: true,
  valueSchema: true,
  timestamp: true,
  maxDelay: true,
  idleAfter: true,
  discoverEvery: true,
  isolation: true,
};

/** Where a partition begins or ends. */
export type Position = 'earliest' | 'latest' | 'committed' | { readonly time: number } | Offsets;
/** By topic and partition. */
export type Offsets = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** The options, checked. */
export interface ReadSpec<K, V> {
  readonly cluster: Cluster;
  readonly topics: readonly string[] | RegExp;
  readonly start: Position;
  readonly stop: Position | undefined;
  readonly bounded: boolean;
  readonly groupId: string | undefined;
  readonly commitOffsets: boolean;
  readonly key: KafkaFormat<K>;
  readonly value: KafkaFormat<V>;
  readonly timestamp: ((message: KafkaMessage<K, V>) => Instant) | undefined;
  readonly policy: WatermarkPolicy;
  readonly discoverEvery: number;
  readonly isolation: 'read_committed' | 'read_uncommitted';
}

const OF = 'readFromKafka';

/** @throws BeamBridgeError `INVALID_ARGUMENT`, `CREDENTIALS_MISSING` */
export function checkReadOptions<K, V>(options: ReadKafkaOptions<K, V>): ReadSpec<K, V> {
  if (options === undefined) throw invalid(OF, 'options', options, 'Give an object of options.');
  checkOptionNames(OF, options, OPTIONS);
  const { groupId, commitOffsets = false, timestamp, isolation = 'read_committed' } = options;
  const { maxDelay = 0, idleAfter = 5_000, discoverEvery = 5_000 } = options;
  const cluster = checkConnection(OF, options);
  if (groupId !== undefined && (typeof groupId !== 'string' || groupId === '')) {
    throw invalid(OF, 'groupId', groupId, "Give the group's name.");
  }
  if (typeof commitOffsets !== 'boolean') {
    throw invalid(OF, 'commitOffsets', commitOffsets, 'Give true or false.');
  }
  if (commitOffsets && groupId === undefined) {
    throw invalid(OF, 'groupId', groupId, 'commitOffsets needs to know for whom: give groupId.');
  }
  if (timestamp !== undefined && typeof timestamp !== 'function') {
    throw invalid(OF, 'timestamp', timestamp, 'Give a function of a message.');
  }
  if (!['read_committed', 'read_uncommitted'].includes(isolation)) {
    throw invalid(OF, 'isolation', isolation, "Choose 'read_committed' or 'read_uncommitted'.");
  }
  checkMillis('maxDelay', maxDelay, maxDelay < Infinity);
  checkMillis('idleAfter', idleAfter, true);
  checkMillis('discoverEvery', discoverEvery, discoverEvery > 0);
  const start = positionOf('start', options.start ?? (groupId ? 'committed' : 'earliest'));
  if (start === 'committed' && groupId === undefined) {
    throw invalid(OF, 'groupId', groupId, "start: 'committed' means a group's: give groupId.");
  }
  const stop = options.stop === undefined ? undefined : positionOf('stop', options.stop);
  if (stop === 'earliest' || stop === 'committed') {
    throw invalid(OF, 'stop', stop, "Give 'latest', a Date or offsets.");
  }
  const topics = topicsOf(options);
  checkNames('start', start, topics);
  checkNames('stop', stop, topics);
  return {
    cluster,
    topics,
    start,
    stop,
    bounded: boundedness(OF, options.bounded, { ends: stop !== undefined, by: 'stop' }),
    groupId,
    commitOffsets,
    key: formatOf(OF, 'keySchema', options.keySchema),
    value: formatOf(OF, 'valueSchema', options.valueSchema),
    timestamp,
    policy: { maxDelay, idleAfter },
    // What is read ends with what was there when the pipeline began.
    discoverEvery: stop === undefined ? discoverEvery : Infinity,
    isolation,
  };
}

function checkMillis(option: string, given: unknown, isFit: boolean): void {
  if (typeof given === 'number' && given >= 0 && isFit) return;
  throw invalid(OF, option, given, 'Give milliseconds.');
}

function topicsOf<K, V>({ topics, topicPattern }: ReadKafkaOptions<K, V>) {
  if (topicPattern !== undefined) {
    if (!(topicPattern instanceof RegExp)) {
      throw invalid(OF, 'topicPattern', topicPattern, 'Give a regular expression: /^orders-/.');
    }
    if (topics !== undefined) throw invalid(OF, 'topics', topics, 'Give this or topicPattern.');
    // One that remembers where it was would leave out every other topic.
    return new RegExp(topicPattern.source, topicPattern.flags.replace(/[gy]/g, ''));
  }
  const names = [topics ?? []].flat();
  if (names.length > 0 && names.every((name) => typeof name === 'string' && name !== '')) {
    return [...new Set(names)];
  }
  throw invalid(OF, 'topics', topics, 'Give the name of a topic, several, or topicPattern.');
}

/** Offsets of a topic that is not read are a slip. */
function checkNames(option: string, position: Position | undefined, topics: unknown): void {
  if (!(position instanceof Map) || !Array.isArray(topics)) return;
  for (const topic of position.keys()) {
    if (topics.includes(topic)) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${OF}: ${option} has offsets of ${topic}, which is not read`,
      { hint: `Topics are ${topics.join(', ')}.` },
    );
  }
}

function positionOf(option: string, given: unknown): Position {
  if (given === 'earliest' || given === 'latest' || given === 'committed') return given;
  if (given instanceof Date && !Number.isNaN(given.getTime())) return { time: given.getTime() };
  if (typeof given !== 'object' || given === null || given instanceof Date) {
    const names = option === 'stop' ? "'latest'" : "'earliest', 'latest', 'committed'";
    throw invalid(OF, option, given, `Give ${names}, a Date, or offsets by topic and partition.`);
  }
  return new Map(
    Object.entries(given).map(([topic, partitions]) => {
      if (typeof partitions !== 'object' || partitions === null) {
        throw invalid(OF, `${option}.${topic}`, partitions, 'Give offsets by partition.');
      }
      return [topic, offsetsOf(`${option}.${topic}`, partitions)];
    }),
  );
}

function offsetsOf(option: string, partitions: object): Map<number, number> {
  return new Map(
    Object.entries(partitions).map(([partition, offset]) => {
      const number = typeof offset === 'bigint' ? Number(offset) : offset;
      if (/^\d+$/.test(partition) && Number.isSafeInteger(number) && number >= 0) {
        return [Number(partition), number];
      }
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `${OF}: ${option} has ${describeValue(offset)} for partition ${partition}`,
        { hint: 'Give whole numbers, 0 or more.' },
      );
    }),
  );
}
