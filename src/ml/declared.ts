// SPDX-License-Identifier: Apache-2.0
// The declared types of a RunInference: checked when it is made, sent to Python as a schema.

import { BeamBridgeError } from '../base/index.ts';
import { pb, toBinary } from '../proto/index.ts';
import type { RowFields, RowType, SchemaType } from '../schema/index.ts';
import { schemaToProto } from '../schema/index.ts';
import type { InferenceTypes } from './packing/packing.ts';

/** Declared types of a RunInference: what goes in and what the model gives. */
export interface InferenceFields extends RowFields {
  /** Type of the input's elements; comes out again beside the inference. */
  readonly example: SchemaType;
  /** What the model handler's prediction is converted to. */
  readonly inference: SchemaType;
}

const FIELDS: ReadonlySet<string> = new Set(['example', 'inference', 'model_id']);

/** A declared output as a row type. */
export function asRow(type: SchemaType): RowType<unknown> {
  if (type.kind === 'row') return type;
  throw new BeamBridgeError('INVALID_SCHEMA', 'the schema of a RunInference is not a row', {
    hint: 'Give { example: type, inference: type }, or row({ … }) of these.',
  });
}

/** The declared types by what they are for. */
export function inferenceTypes(output: RowType<unknown>): InferenceTypes {
  const fields = new Map(output.fields.map(({ name, type }) => [name, type]));
  const [example, inference] = [fields.get('example'), fields.get('inference')];
  const unknown = [...fields.keys()].find((name) => !FIELDS.has(name));
  if (!example || !inference || unknown !== undefined) {
    throw new BeamBridgeError(
      'INVALID_SCHEMA',
      unknown === undefined
        ? `a prediction has no field ${example ? 'inference' : 'example'}`
        : `a prediction has no field ${unknown} to declare`,
      { hint: 'Declare example and inference, and if wanted model_id: nullable(string).' },
    );
  }
  for (const [name, type] of fields) refuseInnerBytes(name, type);
  return { example, inference, modelId: fields.get('model_id') };
}

/** Python's row coder reads a byte without its sign. Packed columns of numbers do not use it. */
function refuseInnerBytes(name: string, type: SchemaType, isPacked = true): void {
  if (type.kind === 'byte' && !isPacked) {
    throw new BeamBridgeError('INVALID_SCHEMA', `field ${name} has bytes inside another type`, {
      hint: 'Declare int16: Python would take -1 for 255 there.',
    });
  }
  const isList = type.kind === 'array' || type.kind === 'iterable';
  if (isList) refuseInnerBytes(name, type.element, isPacked && type.element.kind === 'byte');
  if (type.kind === 'nullable') refuseInnerBytes(name, type.value, false);
  if (type.kind === 'row')
    for (const field of type.fields) refuseInnerBytes(name, field.type, false);
  if (type.kind === 'map') {
    refuseInnerBytes(name, type.key, false);
    refuseInnerBytes(name, type.value, false);
  }
}

/** A row type as Python reads it. */
export function schemaBytes(type: RowType<unknown>): Uint8Array {
  return toBinary(pb.SchemaSchema, schemaToProto(type));
}

/** Whether two types are the same. */
export function sameType(a: SchemaType, b: SchemaType): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
