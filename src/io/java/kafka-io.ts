// SPDX-License-Identifier: Apache-2.0
// Beam's KafkaIO of Java: for what it has that a native source has not, and to go on with what a pipeline of
// Java's has begun.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { BytesCoder, type Coder, type KV, KVCoder, NullableCoder } from '../../coders/index.ts';
import {
  type ExternalTransform,
  encodePayload,
  JAVA_OPTIONS,
  type JavaOptions,
  JavaTransform,
  type OutputType,
  serviceOf,
  typed,
} from '../../external/index.ts';
import type { PCollection, PValue, Root } from '../../pipeline/index.ts';
import {
  array,
  bytes,
  type Infer,
  int32,
  int64,
  map,
  nullable,
  row,
  string,
} from '../../schema/index.ts';

const URNS = 'beam:transform:org.apache.beam:kafka';
const SERIALIZATION = 'org.apache.kafka.common.serialization';
const BYTES_READ = `${SERIALIZATION}.ByteArrayDeserializer`;
const BYTES_WRITTEN = `${SERIALIZATION}.ByteArraySerializer`;
const JAR = 'beam-sdks-java-io-expansion-service';

/** What is read, and how. */
export interface KafkaReadConfig {
  /** Properties of Java's Kafka consumer: `'bootstrap.servers'` at least. */
  consumerConfig: Readonly<Record<string, string>>;
  topics: readonly string[];
  /** The time of the first records. Milliseconds since the epoch. @default as the consumer is configured */
  startReadTime?: number | undefined;
  /** Ends after so many records, for tests. @default never */
  maxNumRecords?: number | undefined;
  /** Ends after so many seconds, for tests. @default never */
  maxReadTime?: number | undefined;
  /** Whether offsets are committed to Kafka when bundles are. @default false */
  commitOffsetInFinalize?: boolean | undefined;
  /** What an element's timestamp is. @default 'ProcessingTime' */
  timestampPolicy?: 'ProcessingTime' | 'CreateTime' | 'LogAppendTime' | undefined;
  /** How long the consumer waits for records. Seconds. @default 2 */
  consumerPollingTimeout?: number | undefined;
  /** Whether records are spread over workers after they are read. @default false */
  redistribute?: boolean | undefined;
  /** Over so many keys. @default as many as there may be */
  redistributeNumKeys?: number | undefined;
  /** Whether records may come twice when they are spread. @default false */
  allowDuplicates?: boolean | undefined;
  /** Seconds between two looks for new partitions. @default it does not look */
  dynamicReadPollIntervalSeconds?: number | undefined;
}

const READ: OptionNames<KafkaReadConfig> = {
  consumerConfig: true,
  topics: true,
  startReadTime: true,
  maxNumRecords: true,
  maxReadTime: true,
  commitOffsetInFinalize: true,
  timestampPolicy: true,
  consumerPollingTimeout: true,
  redistribute: true,
  redistributeNumKeys: true,
  allowDuplicates: true,
  dynamicReadPollIntervalSeconds: true,
};

/** What is written, and where. */
export interface KafkaWriteConfig {
  /** Properties of Java's Kafka producer: `'bootstrap.servers'` at least. */
  producerConfig: Readonly<Record<string, string>>;
  topic: string;
  /** The class of a Kafka `Serializer`. @default that of byte arrays */
  keySerializer?: string | undefined;
  /** The class of a Kafka `Serializer`. @default that of byte arrays */
  valueSerializer?: string | undefined;
}

const WRITE: OptionNames<KafkaWriteConfig> = {
  producerConfig: true,
  topic: true,
  keySerializer: true,
  valueSerializer: true,
};

/** A record's key and value; null where it has none. */
export type KafkaBytes = KV<Uint8Array | null, Uint8Array | null>;

/** A record with what Kafka tells of it. Its timestamp is in milliseconds since the epoch. */
export const kafkaRecord = row({
  topic: string,
  partition: int32,
  offset: int64,
  timestamp: int64,
  key: nullable(bytes),
  value: nullable(bytes),
  headers: nullable(array(row({ key: string, value: nullable(bytes) }))),
  timestampTypeId: int32,
  timestampTypeName: string,
});

const nullableBytes = new NullableCoder(new BytesCoder());
// It gives null and never undefined.
const bytesCoder = new KVCoder(nullableBytes, nullableBytes) as Coder<unknown> as Coder<KafkaBytes>;

function read(
  config: KafkaReadConfig,
  options: Omit<JavaOptions, 'output' | 'outputs'> = {},
): ExternalTransform<Root, PCollection<KafkaBytes>> {
  return reading('kafkaIo.read', 'read_without_metadata', config, options, bytesCoder);
}

function readWithMetadata(
  config: KafkaReadConfig,
  options: Omit<JavaOptions, 'output' | 'outputs'> = {},
): ExternalTransform<Root, PCollection<Infer<typeof kafkaRecord>>> {
  return reading('kafkaIo.readWithMetadata', 'read_with_metadata', config, options, kafkaRecord);
}

function reading<T>(
  of: string,
  urn: string,
  config: KafkaReadConfig,
  options: JavaOptions,
  output: OutputType<T>,
): JavaTransform<Root, PCollection<T>> {
  checkOptionNames(of, config, READ);
  checkOptionNames(of, options, JAVA_OPTIONS);
  const { consumerConfig, topics, timestampPolicy = 'ProcessingTime' } = config;
  requireServers(of, 'consumerConfig', consumerConfig);
  if (!Array.isArray(topics) || topics.length === 0) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: there are no topics`, {
      hint: "Name one at least: { topics: ['orders'] }.",
    });
  }
  const seconds = config.consumerPollingTimeout ?? 2;
  const payload = encodePayload({
    consumer_config: texts(consumerConfig),
    topics: typed(array(string), [...topics]),
    key_deserializer: BYTES_READ,
    value_deserializer: BYTES_READ,
    start_read_time: long(config.startReadTime),
    max_num_records: long(config.maxNumRecords),
    max_read_time: long(config.maxReadTime),
    commit_offset_in_finalize: config.commitOffsetInFinalize ?? false,
    timestamp_policy: timestampPolicy,
    consumer_polling_timeout: long(seconds),
    redistribute: config.redistribute,
    redistribute_num_keys:
      config.redistributeNumKeys === undefined
        ? undefined
        : typed(int32, config.redistributeNumKeys),
    allow_duplicates: config.allowDuplicates,
    dynamic_read_poll_interval_seconds: long(config.dynamicReadPollIntervalSeconds),
  });
  return new JavaTransform(
    `${of}(${topics.join(', ')})`,
    `${URNS}_${urn}:v1`,
    payload,
    serviceOf(options, JAR),
    { ...options, output },
  );
}

function write(
  config: KafkaWriteConfig,
  options: Omit<JavaOptions, 'output' | 'outputs'> = {},
): ExternalTransform<PCollection<KV<unknown, unknown>>, PValue> {
  checkOptionNames('kafkaIo.write', config, WRITE);
  checkOptionNames('kafkaIo.write', options, JAVA_OPTIONS);
  const { producerConfig, topic, keySerializer, valueSerializer } = config;
  requireServers('kafkaIo.write', 'producerConfig', producerConfig);
  const payload = encodePayload({
    producer_config: texts(producerConfig),
    topic,
    key_serializer: keySerializer ?? BYTES_WRITTEN,
    value_serializer: valueSerializer ?? BYTES_WRITTEN,
  });
  return new JavaTransform(
    `kafkaIo.write(${topic})`,
    `${URNS}_write:v1`,
    payload,
    serviceOf(options, JAR),
    { ...options, outputs: {} },
  );
}

function texts(given: Readonly<Record<string, string>>) {
  return typed(map(string, string), new Map(Object.entries(given)));
}

function long(value: number | undefined) {
  return value === undefined ? undefined : typed(int64, value);
}

function requireServers(of: string, name: string, config: unknown): void {
  if ((config as Record<string, unknown> | undefined)?.['bootstrap.servers']) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: ${name} has no bootstrap.servers`, {
    hint: `Name the brokers: { ${name}: { 'bootstrap.servers': 'localhost:9092' } }.`,
  });
}

/** Beam's KafkaIO of Java. */
export const kafkaIo = {
  /**
   * Records as `{ key, value }` of bytes. What is in them is for a step behind it to read: Java's deserializers
   * give what no other language can.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT`; when run as `javaTransform`
   * @example
   * ```ts
   * root.apply(
   *   kafkaIo.read({ consumerConfig: { 'bootstrap.servers': 'localhost:9092' }, topics: ['orders'] }),
   * );
   * ```
   */
  read,
  /**
   * Records as rows with topic, partition, offset, timestamp and headers; see {@link kafkaRecord}.
   *
   * @throws BeamBridgeError as `kafkaIo.read`
   * @example
   * ```ts
   * root.apply(kafkaIo.readWithMetadata({ consumerConfig, topics: ['orders'] }));
   * ```
   */
  readWithMetadata,
  /**
   * Writes `{ key, value }` of bytes, or of what serializers take.
   *
   * @throws BeamBridgeError as `kafkaIo.read`
   * @example
   * ```ts
   * pairs.apply(
   *   kafkaIo.write({ producerConfig: { 'bootstrap.servers': 'localhost:9092' }, topic: 'scores' }),
   * );
   * ```
   */
  write,
};
