// SPDX-License-Identifier: Apache-2.0
// Beam's managed transforms: sources and sinks by a short name, which a runner may replace by a better release.

import { BeamBridgeError, checkOptionNames } from '../../base/index.ts';
import {
  type ExternalTransform,
  JAVA_OPTIONS,
  type JavaArtifact,
  type JavaOptions,
  type OutputType,
  schemaTransformIn,
} from '../../external/index.ts';
import type { PCollection, PValue, Root } from '../../pipeline/index.ts';
import { urns } from '../../proto/index.ts';

const MANAGED = 'beam:transform:managed:v1';
const IO: JavaArtifact = 'beam-sdks-java-io-expansion-service';
const GCP: JavaArtifact = 'beam-sdks-java-io-google-cloud-platform-expansion-service';
const U = urns.ManagedTransforms_Urns;

/** What can be read: the transform, and the jar of Beam's that holds it. */
const SOURCES = {
  iceberg: [U.ICEBERG_READ, IO],
  iceberg_cdc: [U.ICEBERG_CDC_READ, IO],
  kafka: [U.KAFKA_READ, IO],
  bigquery: [U.BIGQUERY_READ, GCP],
  postgres: [U.POSTGRES_READ, GCP],
  mysql: [U.MYSQL_READ, GCP],
  sqlserver: [U.SQL_SERVER_READ, GCP],
} as const;

/** What can be written, likewise. */
const SINKS = {
  iceberg: [U.ICEBERG_WRITE, IO],
  kafka: [U.KAFKA_WRITE, IO],
  bigquery: [U.BIGQUERY_WRITE, GCP],
  postgres: [U.POSTGRES_WRITE, GCP],
  mysql: [U.MYSQL_WRITE, GCP],
  sqlserver: [U.SQL_SERVER_WRITE, GCP],
} as const;

/** Names of managed sources. */
export type ManagedSource = keyof typeof SOURCES;
/** Names of managed sinks. */
export type ManagedSink = keyof typeof SINKS;
/** The configuration of a managed transform, by the names that Beam's pages give: `catalog_properties`. */
export type ManagedConfig = Readonly<Record<string, unknown>>;

type Known = Readonly<Record<string, readonly [urn: string, jar: JavaArtifact]>>;

function managed(
  of: string,
  known: Known,
  name: string,
  config: ManagedConfig,
  options: JavaOptions,
) {
  const found = Object.hasOwn(known, name) ? known[name] : undefined;
  if (!found) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: there is no ${JSON.stringify(name)}`, {
      hint: `There are ${Object.keys(known).join(', ')}.`,
    });
  }
  checkOptionNames(of, options, JAVA_OPTIONS);
  const [identifier, jar] = found;
  return schemaTransformIn(
    jar,
    MANAGED,
    { transform_identifier: identifier, config: textOf(of, config) },
    options,
    `${of}(${name})`,
  );
}

/** YAML, of which JSON is a part. */
function textOf(of: string, config: ManagedConfig): string {
  return JSON.stringify(config, (key, value: unknown) => {
    if (value instanceof Map) return Object.fromEntries(value);
    if (typeof value !== 'bigint') return value;
    if (Number.isSafeInteger(Number(value))) return Number(value);
    throw new BeamBridgeError('INT64_OUT_OF_RANGE', `${of}: ${key} cannot be ${value}`, {
      hint: 'Give whole numbers of at most 2 to the power of 53.',
    });
  });
}

function read<T>(
  source: ManagedSource,
  config: ManagedConfig,
  options: JavaOptions & { output: OutputType<T> },
): ExternalTransform<Root, PCollection<T>>;
function read(
  source: ManagedSource,
  config: ManagedConfig,
  options?: JavaOptions,
  // What nobody declared is any, as with javaTransform.
  // biome-ignore lint/suspicious/noExplicitAny: as above
): ExternalTransform<Root, any>;
function read(
  source: ManagedSource,
  config: ManagedConfig,
  options: JavaOptions = {},
): ExternalTransform<Root, PValue> {
  return managed('managedIo.read', SOURCES, source, config, options);
}

function write(
  sink: ManagedSink,
  config: ManagedConfig,
  options: JavaOptions = {},
  // biome-ignore lint/suspicious/noExplicitAny: what a sink says of its work
): ExternalTransform<PCollection<unknown>, any> {
  const declared = options.output || options.outputs ? options : { ...options, outputs: {} };
  return managed('managedIo.write', SINKS, sink, config, declared);
}

/** Beam's managed transforms. */
export const managedIo = {
  /**
   * Rows of a source by its short name. Their type is declared as `output` and compared with what the source says;
   * awaited with `applyAsync` and without `output`, it is taken from there.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` for a name that there is not; when run as `schemaTransform`
   * @example
   * ```ts
   * root.apply(
   *   managedIo.read(
   *     'iceberg',
   *     { table: 'shop.orders', catalog_name: 'local', catalog_properties: { type: 'hadoop', warehouse } },
   *     { output: row({ id: int64, item: string }) },
   *   ),
   * );
   * ```
   */
  read,
  /**
   * Writes rows to a sink by its short name.
   *
   * @throws BeamBridgeError as `managedIo.read`; `NO_PORTABLE_TYPE` for what are no rows
   * @example
   * ```ts
   * rows.apply(managedIo.write('iceberg', { table: 'shop.orders', catalog_properties }));
   * ```
   */
  write,
};
