// SPDX-License-Identifier: Apache-2.0
// What a service says of the schema transforms that it has, and what that makes of a request.

import { BeamBridgeError, isNear } from '../base/index.ts';
import { encodeValue, withoutValues } from '../coders/index.ts';
import type { PreparedRequest, TransformNode } from '../pipeline/index.ts';
import { create, type DiscoverSchemaTransformResponse, pb, toBinary } from '../proto/index.ts';
import {
  type RowType,
  rowCoder,
  type SchemaType,
  schemaFromProto,
  schemaToProto,
} from '../schema/index.ts';
import { fitConfig } from './fit-config.ts';

/** A schema transform as its service describes it. */
export interface SchemaTransformDescription {
  readonly identifier: string;
  /** What it does, in the words of its author. */
  readonly description: string;
  /** The type of its configuration; undefined where it holds what this SDK does not know. */
  readonly config: RowType<unknown> | undefined;
  /** Tags of its inputs; of what it does not say, none. */
  readonly inputs: readonly string[];
  /** Tags of its outputs; of what it does not say, none. */
  readonly outputs: readonly string[];
}

/** What a service has, in the order of the identifiers. */
export function describeAll({
  schemaTransformConfigs,
}: DiscoverSchemaTransformResponse): SchemaTransformDescription[] {
  return Object.keys(schemaTransformConfigs)
    .sort()
    .map((identifier) => {
      const { configSchema, inputPcollectionNames, outputPcollectionNames, description } =
        schemaTransformConfigs[identifier]!;
      return {
        identifier,
        description,
        config: configSchema && typeOf(configSchema),
        inputs: inputPcollectionNames,
        outputs: outputPcollectionNames,
      };
    });
}

function typeOf(schema: pb.Schema): RowType<unknown> | undefined {
  try {
    return schemaFromProto<unknown>(schema);
  } catch {
    return undefined;
  }
}

/** What is asked for, once the service has said what it has. */
export function requestFor(
  node: TransformNode,
  identifier: string,
  config: Readonly<Record<string, unknown>>,
  response: DiscoverSchemaTransformResponse,
): PreparedRequest {
  const found = response.schemaTransformConfigs[identifier];
  if (!found) throw unknown(identifier, Object.keys(response.schemaTransformConfigs));
  const { configSchema, inputPcollectionNames: tags } = found;
  const type = configSchema ? schemaFromProto<unknown>(configSchema) : undefined;
  if (!type) {
    throw new BeamBridgeError(
      'EXPANSION_FAILED',
      `the service does not say how ${identifier} is configured`,
      {
        hint: 'Declare it with configType.',
      },
    );
  }
  return { payload: schemaPayload(identifier, config, type), inputTags: tagsOf(node, tags) };
}

/** The bytes of a schema transform's configuration. */
export function schemaPayload(
  identifier: string,
  config: Readonly<Record<string, unknown>>,
  type: RowType<unknown>,
): Uint8Array {
  const value = fitConfig(shortName(identifier), config, type);
  return toBinary(
    pb.SchemaTransformPayloadSchema,
    create(pb.SchemaTransformPayloadSchema, {
      identifier,
      configurationSchema: schemaToProto(type as RowType),
      configurationRow: withoutValues(() =>
        encodeValue(rowCoder(type as SchemaType & RowType), value),
      ),
    }),
  );
}

/** What the service calls the inputs: of a lone one the program has not said its name. */
export function tagsOf(node: TransformNode, tags: readonly string[]): ReadonlyMap<string, string> {
  const [only, ...others] = node.inputs.keys();
  if (only === undefined) return new Map();
  if (others.length === 0)
    return new Map([[only, tags.includes(only) ? only : (tags[0] ?? 'input')]]);
  for (const tag of node.inputs.keys()) {
    if (tags.length === 0 || tags.includes(tag)) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `there is no input ${JSON.stringify(tag)}`, {
      hint: `Its inputs are ${tags.join(', ')}.`,
    });
  }
  return new Map();
}

/** `beam:schematransform:org.apache.beam:jdbc_read:v1` as `jdbc_read`. */
export function shortName(identifier: string): string {
  return (
    identifier.split(':').findLast((part) => part !== '' && !/^v\d+$/.test(part)) ?? identifier
  );
}

function unknown(identifier: string, known: readonly string[]): BeamBridgeError {
  const short = shortName(identifier);
  const near = known.filter(
    (each) => isNear(short, shortName(each)) || shortName(each).includes(short),
  );
  const guess = near.length > 0 ? `Did you mean ${near.slice(0, 3).join(' or ')}? ` : '';
  const list = known.map(shortName).toSorted();
  return new BeamBridgeError(
    'UNKNOWN_JAVA_TRANSFORM',
    `the expansion service knows no schema transform ${identifier}`,
    {
      hint: `${guess}The jar that holds it belongs into jars of javaService.`,
      detail: known.length > 0 ? `it knows ${list.join(', ')}` : 'it knows none',
    },
  );
}
