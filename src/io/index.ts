// SPDX-License-Identifier: Apache-2.0
// Sources and sinks. May import transforms, external and what those may import.

export type { CsvColumns } from './csv/columns.ts';
export { type InferAvroOptions, inferAvroType } from './infer-avro-type.ts';
export { type InferCsvOptions, inferCsvType } from './infer-csv-type.ts';
export {
  type BigQuerySource,
  readFromBigQuery,
  type WriteBigQueryOptions,
  writeToBigQuery,
} from './java/bigquery.ts';
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
export { type SchemaIoConfig, schemaio } from './java/schemaio.ts';
export { type KafkaAvroOptions, kafkaAvro } from './kafka/avro.ts';
export type { KafkaConnection, KafkaSasl } from './kafka/connection.ts';
export type { KafkaExactlyOnce } from './kafka/exactly-once.ts';
export { type KafkaFormat, type KafkaSchema, kafkaJson } from './kafka/formats.ts';
export type { FailedMessage, KafkaHeader, KafkaMessage } from './kafka/messages.ts';
export type { KafkaCompression } from './kafka/producer.ts';
export type { KafkaOffsets, ReadKafkaOptions } from './kafka/read-options.ts';
export type { RegistryUser } from './kafka/registry.ts';
export type { ParquetCompression } from './parquet/codecs.ts';
export type { ParquetDecimal } from './parquet/write-leaf.ts';
export type { PostgresConnection, PostgresServer } from './postgres/connection.ts';
export { type ReadArrowOptions, readAllFromArrow, readFromArrow } from './read-from-arrow.ts';
export { type ReadAvroOptions, readAllFromAvro, readFromAvro } from './read-from-avro.ts';
export { type ReadCsvOptions, readAllFromCsv, readFromCsv } from './read-from-csv.ts';
export { type ReadJsonOptions, readAllFromJson, readFromJson } from './read-from-json.ts';
export { ReadFromKafka, type ReadWithDeadLetters, readFromKafka } from './read-from-kafka.ts';
export {
  type ReadParquetOptions,
  readAllFromParquet,
  readFromParquet,
} from './read-from-parquet.ts';
export {
  type PostgresParameter,
  ReadFromPostgres,
  type ReadPostgresOptions,
  readFromPostgres,
} from './read-from-postgres.ts';
export {
  ReadFromSqlite,
  type ReadSqliteOptions,
  readFromSqlite,
  type SqliteParameter,
} from './read-from-sqlite.ts';
export {
  type ReadAllTextOptions,
  type ReadTextOptions,
  readAllFromText,
  readFromText,
  readFromTextWithFilename,
} from './read-from-text.ts';
export type { ReadRecordOptions } from './records/read-options.ts';
export { ReadRecords, type ReadWithBadRecords, type RecordInput } from './records/read-records.ts';
export type { FailedRecord, RecordPosition } from './records/records.ts';
export type { OnConflict, TableName } from './sql/names.ts';
export type { WriteTableOptions } from './sql/write-table.ts';
export type {
  AzStoreOptions,
  GsStoreOptions,
  S3StoreOptions,
  StoreOptions,
} from './stores/options.ts';
export type { Compression, WriteCompression } from './text/compression.ts';
export type { TextEncoding } from './text/line-splitter.ts';
export type { Utf16 } from './text/utf16.ts';
export type { WrittenFiles } from './text/write-files.ts';
export type { WriteFilesOptions } from './text/write-options.ts';
export { type WatchFilesOptions, watchFiles } from './watch-files.ts';
export { type WriteArrowOptions, writeToArrow } from './write-to-arrow.ts';
export { type WriteAvroOptions, writeToAvro } from './write-to-avro.ts';
export { type WriteCsvOptions, writeToCsv } from './write-to-csv.ts';
export { type WriteJsonOptions, writeToJson } from './write-to-json.ts';
export {
  type WriteKafkaOptions,
  writeToKafka,
} from './write-to-kafka.ts';
export { type WriteParquetOptions, writeToParquet } from './write-to-parquet.ts';
export { type WritePostgresOptions, writeToPostgres } from './write-to-postgres.ts';
export { type WriteSqliteOptions, writeToSqlite } from './write-to-sqlite.ts';
export { type WriteTextOptions, writeToText } from './write-to-text.ts';
