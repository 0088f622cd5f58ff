// SPDX-License-Identifier: Apache-2.0
// Transforms that a service lists with the schema of their configuration, by their identifiers.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import type {
  ExpansionServiceChoice,
  ExternalRequest,
  PCollection,
  PValue,
  TransformNode,
} from '../pipeline/index.ts';
import { urns } from '../proto/index.ts';
import { isSchemaType, type RowType } from '../schema/index.ts';
import {
  describeAll,
  requestFor,
  type SchemaTransformDescription,
  schemaPayload,
  shortName,
  tagsOf,
} from './discovery.ts';
import { addressOf } from './expand-now.ts';
import { discover } from './expansion-client.ts';
import type { ExternalOptions, ExternalTransform, OutputType } from './external-transform.ts';
import { JAVA_OPTIONS, type JavaArtifact, type JavaOptions, serviceOf } from './java-options.ts';
import { JavaTransform, requireRows } from './java-transform.ts';
import type { ServiceProvider } from './started-service.ts';

const { SCHEMA_TRANSFORM } = urns.ExpansionMethods_Enum;

/** The configuration of a schema transform: its fields by name, `maxRows` or `max_rows`. */
export type SchemaTransformConfig = Readonly<Record<string, unknown>>;

/** What a schema transform can be told besides its configuration. */
export interface SchemaTransformOptions extends JavaOptions {
  /** The type of the configuration. @default asked of the service, before it expands the transform */
  configType?: RowType<unknown> | undefined;
}

const OPTIONS: OptionNames<SchemaTransformOptions> = { ...JAVA_OPTIONS, configType: true };

/** Which transform is meant, and what is known of it. */
export interface SchemaTransformRequest {
  readonly identifier: string;
  readonly config: SchemaTransformConfig;
  readonly configType?: RowType<unknown> | undefined;
}

/** A transform that a service knows by an identifier. */
export class SchemaTransform<InputT extends PValue, OutputT extends PValue> extends JavaTransform<
  InputT,
  OutputT
> {
  constructor(
    name: string,
    private readonly wanted: SchemaTransformRequest,
    service: ExpansionServiceChoice | ServiceProvider,
    options: ExternalOptions,
  ) {
    // Workers that construct the pipeline again compare it, and ask nobody.
    const known = Buffer.from(textOf(wanted));
    super(name, SCHEMA_TRANSFORM, known, service, options);
  }

  protected override requestOf(node: TransformNode): Pick<ExternalRequest, 'prepare'> {
    const { identifier, config, configType } = this.wanted;
    requireRows(node, 'input', 'this transform');
    if (configType) {
      const payload = schemaPayload(identifier, config, configType);
      return { prepare: async () => ({ payload, inputTags: tagsOf(node, []) }) };
    }
    return {
      prepare: async (discovered) => requestFor(node, identifier, config, await discovered()),
    };
  }
}

function textOf({ identifier, config }: SchemaTransformRequest): string {
  return JSON.stringify([identifier, config], (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    return value instanceof Map ? [...value] : value;
  });
}

/**
 * A schema transform: one that an expansion service, of Java or of another language, lists with an identifier
 * and the schema of its configuration. That schema is asked of the service when the pipeline is run, and the
 * configuration is checked against it, unless it is declared with `configType`.
 *
 * Inputs and outputs are rows; what comes out is declared as `output`, or `outputs` by tag.
 *
 * @throws BeamBridgeError when run: `INVALID_ARGUMENT` for a field that there is not, which names the nearest,
 *   and for one that is missing, `ROW_MISMATCH` for one of another type, `UNKNOWN_JAVA_TRANSFORM` for an
 *   identifier that the service does not list, and as `javaTransform`
 * @example
 * ```ts
 * const orders = root.apply(
 *   schemaTransform(
 *     'beam:schematransform:org.apache.beam:postgres_read:v1',
 *     { jdbcUrl: 'jdbc:postgresql://localhost/shop', location: 'orders' },
 *     { output: row({ id: int64, item: string }) },
 *   ),
 * );
 * ```
 */
export function schemaTransform<T>(
  identifier: string,
  config: SchemaTransformConfig,
  options: SchemaTransformOptions & { output: OutputType<T> },
): ExternalTransform<PValue, PCollection<T>>;
// What nobody declared is any, as with javaTransform.
export function schemaTransform<
  InputT extends PValue = PValue,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  OutputT extends PValue = any,
>(
  identifier: string,
  config?: SchemaTransformConfig,
  options?: SchemaTransformOptions,
): ExternalTransform<InputT, OutputT>;
export function schemaTransform(
  identifier: string,
  config: SchemaTransformConfig = {},
  options: SchemaTransformOptions = {},
): ExternalTransform<PValue, PValue> {
  checkOptionNames('schemaTransform', options, OPTIONS);
  return schemaTransformIn('beam-sdks-java-io-expansion-service', identifier, config, options);
}

/** A {@link schemaTransform} that is in this jar of Beam's where no service is given. */
export function schemaTransformIn(
  artifact: JavaArtifact,
  identifier: string,
  config: SchemaTransformConfig,
  options: SchemaTransformOptions,
  name = `SchemaTransform(${shortName(identifier)})`,
): SchemaTransform<PValue, PValue> {
  const { configType } = options;
  if (configType !== undefined && !(isSchemaType(configType) && configType.kind === 'row')) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'configType is no row type', {
      hint: 'Declare it as in { configType: row({ path: string }) }.',
    });
  }
  const service = serviceOf(options, artifact);
  return new SchemaTransform(name, { identifier, config, configType }, service, options);
}

/**
 * The schema transforms that a service has, with the types of their configurations.
 *
 * @param options - `service` and `beamVersion`, as for {@link schemaTransform}
 * @throws BeamBridgeError `EXPANSION_SERVICE_UNAVAILABLE`, and as `javaService`
 * @example
 * ```ts
 * for (const { identifier, config } of await discoverSchemaTransforms({ service: 'localhost:8097' })) {
 *   console.log(identifier, config?.fields.map(({ name }) => name));
 * }
 * ```
 */
export async function discoverSchemaTransforms(
  options: Pick<JavaOptions, 'beamVersion'> & {
    service?: Exclude<JavaOptions['service'], ServiceProvider>;
  } = {},
): Promise<SchemaTransformDescription[]> {
  checkOptionNames('discoverSchemaTransforms', options, { service: true, beamVersion: true });
  const service = serviceOf(options, 'beam-sdks-java-io-expansion-service');
  return describeAll(await discover(await addressOf(service as ExpansionServiceChoice)));
}
