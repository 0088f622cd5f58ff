// SPDX-License-Identifier: Apache-2.0
// Beam's schema IO of Java: sources and sinks that are told a location, a configuration and a schema. Under the name
// and with the arguments of the official TypeScript SDK.

import { BeamBridgeError, checkOptionNames } from '../../base/index.ts';
import { type Coder, describeValue, encodeValue } from '../../coders/index.ts';
import {
  type ExternalTransform,
  encodePayload,
  JAVA_OPTIONS,
  type JavaArtifact,
  type JavaOptions,
  JavaTransform,
  serviceOf,
} from '../../external/index.ts';
import type { PValue } from '../../pipeline/index.ts';
import { pb, toBinary } from '../../proto/index.ts';
import {
  coderOf,
  inferSchema,
  isSchemaType,
  type RowType,
  schemaToProto,
} from '../../schema/index.ts';

const JAR: JavaArtifact = 'beam-sdks-java-io-google-cloud-platform-expansion-service';

/** What a schema IO is told. */
export interface SchemaIoConfig {
  /** A file, a folder, a table's address: what is read or written. */
  location?: string | undefined;
  /** The type of the rows. */
  schema?: RowType<unknown> | undefined;
  /** What else the transform's configuration has, by the names of Java. */
  readonly [field: string]: unknown;
}

/**
 * A schema IO of Java by its URN, such as `beam:transform:org.apache.beam:schemaio_datastoreV1_read:v1`. The
 * service must hold it.
 *
 * @param name - of the transform
 * @param config - its configuration; `location` and `schema` are sent apart, as Java wants them. It is not changed
 * @param configSchema - the type of the rest of the configuration, for what is left out and is not text. @default as it looks
 * @throws BeamBridgeError `INVALID_ARGUMENT`; when run as `javaTransform`
 *
 * @example
 * ```ts
 * const users = await root.applyAsync(
 *   schemaio<Root, PCollection<User>>(
 *     'readUsers',
 *     'beam:transform:org.apache.beam:schemaio_avro_read:v1',
 *     { location: 'users.avro', schema: user },
 *   ),
 * );
 * ```
 */
export function schemaio<InputT extends PValue, OutputT extends PValue>(
  name: string,
  urn: string,
  config: SchemaIoConfig,
  configSchema?: RowType<unknown>,
  options: JavaOptions = {},
): ExternalTransform<InputT, OutputT> {
  checkOptionNames('schemaio', options, JAVA_OPTIONS);
  if (typeof config !== 'object' || config === null) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `schemaio: config is ${describeValue(config)}`, {
      hint: "Give an object: { location: 'users.avro', schema: row({ … }) }.",
    });
  }
  const { location, schema, ...rest } = config;
  if (schema !== undefined && (!isSchemaType(schema) || schema.kind !== 'row')) {
    const message = `schemaio: config.schema is ${describeValue(schema)}`;
    throw new BeamBridgeError('INVALID_ARGUMENT', message, {
      hint: 'Give a type of rows: row({ … }), or RowCoder.inferSchemaOfJSON({ … }).',
    });
  }
  const type = configSchema ?? (inferSchema(rest) as unknown as RowType<unknown>);
  const payload = encodePayload({
    config: encodeValue(coderOf(type) as Coder<unknown>, rest),
    ...(location !== undefined && { location }),
    ...(schema && { dataSchema: toBinary(pb.SchemaSchema, schemaToProto(schema)) }),
  });
  return new JavaTransform<InputT, OutputT>(name, urn, payload, serviceOf(options, JAR), options);
}
