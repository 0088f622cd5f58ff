// SPDX-License-Identifier: Apache-2.0
// Beam's JdbcIO of Java: any database that there is a JDBC driver for.

import { checkOptionNames, type OptionNames } from '../../base/index.ts';
import {
  type ExternalTransform,
  JAVA_OPTIONS,
  type JavaOptions,
  type OutputType,
  schemaTransformIn,
} from '../../external/index.ts';
import type { PCollection, PValue, Root } from '../../pipeline/index.ts';

const JAR = 'beam-sdks-java-extensions-schemaio-expansion-service';
const IDENTIFIERS = 'beam:schematransform:org.apache.beam:jdbc';

/** Which database, and how it is reached. */
export interface JdbcConnection {
  /** `jdbc:postgresql://localhost/shop` and the like. */
  jdbcUrl: string;
  /** The class of the driver, which must be on the class path of the service. @default that of `jdbcType` */
  driverClassName?: string | undefined;
  /** Stands for a driver that Beam knows by name. */
  jdbcType?: 'mysql' | 'postgres' | 'oracle' | 'mssql' | undefined;
  /** Paths of jars that hold the driver, with commas between them, as Java's worker sees them. */
  driverJars?: string | undefined;
  username?: string | undefined;
  /** It is part of the pipeline: whoever may read a submitted job reads it. */
  password?: string | undefined;
  /** Properties of the driver: `key=value;key=value`. */
  connectionProperties?: string | undefined;
  /** Statements that each connection begins with. */
  connectionInitSql?: readonly string[] | undefined;
}

/** What is read. */
export interface JdbcReadConfig extends JdbcConnection {
  /** A table. Give this or `readQuery`. */
  location?: string | undefined;
  /** A statement that gives rows. */
  readQuery?: string | undefined;
  /** Rows that are fetched at once. @default as Beam does */
  fetchSize?: number | undefined;
  /** A column by whose ranges several workers read the table `location`. @default one reads all */
  partitionColumn?: string | undefined;
  /** How many ranges. @default as Beam does */
  numPartitions?: number | undefined;
  /** Whether rows are spread over workers after they are read. @default true */
  outputParallelization?: boolean | undefined;
  /** Whether a read is a transaction, which some drivers need to fetch a part at a time. @default true */
  disableAutoCommit?: boolean | undefined;
}

/** What is written. */
export interface JdbcWriteConfig extends JdbcConnection {
  /** A table, whose columns have the names of the rows' fields. Give this or `writeStatement`. */
  location?: string | undefined;
  /** A statement with a `?` for each field of the rows, in their order. */
  writeStatement?: string | undefined;
  /** Rows that are written at once. @default as Beam does */
  batchSize?: number | undefined;
  /** Whether the runner chooses how many write. @default false */
  autosharding?: boolean | undefined;
}

const CONNECTION: OptionNames<JdbcConnection> = {
  jdbcUrl: true,
  driverClassName: true,
  jdbcType: true,
  driverJars: true,
  username: true,
  password: true,
  connectionProperties: true,
  connectionInitSql: true,
};
const READ: OptionNames<JdbcReadConfig> = {
  ...CONNECTION,
  location: true,
  readQuery: true,
  fetchSize: true,
  partitionColumn: true,
  numPartitions: true,
  outputParallelization: true,
  disableAutoCommit: true,
};
const WRITE: OptionNames<JdbcWriteConfig> = {
  ...CONNECTION,
  location: true,
  writeStatement: true,
  batchSize: true,
  autosharding: true,
};

function read<T>(
  config: JdbcReadConfig,
  options: JavaOptions & { output: OutputType<T> },
): ExternalTransform<Root, PCollection<T>>;
// What nobody declared is any, as with javaTransform.
// biome-ignore lint/suspicious/noExplicitAny: as above
function read(config: JdbcReadConfig, options?: JavaOptions): ExternalTransform<Root, any>;
function read(config: JdbcReadConfig, options: JavaOptions = {}): ExternalTransform<Root, PValue> {
  checkOptionNames('jdbcIo.read', config, READ);
  checkOptionNames('jdbcIo.read', options, JAVA_OPTIONS);
  return schemaTransformIn(JAR, `${IDENTIFIERS}_read:v1`, { ...config }, options, 'jdbcIo.read');
}

function write(
  config: JdbcWriteConfig,
  options: Omit<JavaOptions, 'output' | 'outputs'> = {},
): ExternalTransform<PCollection<unknown>, PValue> {
  checkOptionNames('jdbcIo.write', config, WRITE);
  checkOptionNames('jdbcIo.write', options, JAVA_OPTIONS);
  const none = { ...options, outputs: {} };
  return schemaTransformIn(JAR, `${IDENTIFIERS}_write:v1`, { ...config }, none, 'jdbcIo.write');
}

/** Beam's JdbcIO of Java. */
export const jdbcIo = {
  /**
   * The rows of a table or a query. Their type is declared as `output` and compared with what the database says,
   * so that a column which may be null must be declared `nullable`; awaited with `applyAsync` and without
   * `output`, it is taken from the database.
   *
   * The service needs the driver: `javaService({ jars: [beam, 'org.postgresql:postgresql:42.7.4'] })`.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT`; when run as `schemaTransform`
   * @example
   * ```ts
   * root.apply(
   *   jdbcIo.read(
   *     { jdbcUrl: 'jdbc:postgresql://localhost/shop', jdbcType: 'postgres', location: 'orders' },
   *     { output: row({ id: nullable(int32), item: nullable(string) }), service },
   *   ),
   * );
   * ```
   */
  read,
  /**
   * Writes rows into a table.
   *
   * @throws BeamBridgeError as `jdbcIo.read`; `NO_PORTABLE_TYPE` for what are no rows
   * @example
   * ```ts
   * rows.apply(
   *   jdbcIo.write(
   *     { jdbcUrl: 'jdbc:postgresql://localhost/shop', jdbcType: 'postgres', location: 'scores' },
   *     { service },
   *   ),
   * );
   * ```
   */
  write,
};
