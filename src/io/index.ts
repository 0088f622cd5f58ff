// SPDX-License-Identifier: Apache-2.0
// Sources and sinks. May import transforms, external and what those may import.

export {
  type JdbcConnection,
  type JdbcReadConfig,
  type JdbcWriteConfig,
  jdbcIo,
} from './java/jdbc-io.ts';
export {
  type KafkaBytes,
  type KafkaReadConfig,
  type KafkaWriteConfig,
  kafkaIo,
  kafkaRecord,
} from './java/kafka-io.ts';
export {
  type ManagedConfig,
  type ManagedSink,
  type ManagedSource,
  managedIo,
} from './java/managed-io.ts';
export {
  type PubSubAttributes,
  type PubSubSource,
  readFromPubSub,
  writeToPubSub,
} from './java/pubsub.ts';
export { type KafkaAvroOptions, kafkaAvro } from './kafka/avro.ts';
export type { KafkaConnection, KafkaSasl } from './kafka/connection.ts';
export { type KafkaFormat, type KafkaSchema, kafkaJson } from './kafka/formats.ts';
export type { FailedMessage, KafkaHeader, KafkaMessage } from './kafka/messages.ts';
export type { KafkaCompression } from './kafka/producer.ts';
export type { KafkaOffsets, ReadKafkaOptions } from './kafka/read-options.ts';
export type { RegistryUser } from './kafka/registry.ts';
export { ReadFromKafka, type ReadWithDeadLetters, readFromKafka } from './read-from-kafka.ts';
export {
  type ReadAllTextOptions,
  type ReadTextOptions,
  readAllFromText,
  readFromText,
  readFromTextWithFilename,
} from './read-from-text.ts';
export type { Compression } from './text/compression.ts';
export { type WatchFilesOptions, watchFiles } from './watch-files.ts';
export {
  type WriteKafkaOptions,
  writeToKafka,
} from './write-to-kafka.ts';
export { type WriteTextOptions, writeToText } from './write-to-text.ts';
