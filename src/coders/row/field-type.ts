// SPDX-License-Identifier: Apache-2.0
// Schema types as plain data: what the proto says, plus which JavaScript values stand for it.

import type { TensorElement } from '../tensor.ts';

export type AtomicKind =
  | 'byte'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'bigint64'
  | 'float32'
  | 'float64'
  | 'string'
  | 'boolean'
  | 'bytes';

export interface AtomicType {
  readonly kind: AtomicKind;
}

export interface ArrayType {
  readonly kind: 'array';
  readonly element: FieldType;
  /** Decode to a typed array instead of an array. */
  readonly typed?: boolean;
}

export interface IterableType {
  readonly kind: 'iterable';
  readonly element: FieldType;
}

export interface MapType {
  readonly kind: 'map';
  readonly key: FieldType;
  readonly value: FieldType;
}

export interface NullableType {
  readonly kind: 'nullable';
  readonly value: Exclude<FieldType, NullableType>;
}

/** A string that is one of `values`. On the wire a plain string, which every SDK understands. */
export interface EnumerationType {
  readonly kind: 'enumeration';
  readonly values: readonly string[];
}

/** Numbers in a grid. On the wire an array of them, or a row of a shape and an array: {@link representationOf}. */
export interface TensorType {
  readonly kind: 'tensor';
  readonly element: TensorElement;
  /** The length of each dimension; null where it differs from one tensor to the next. */
  readonly shape: readonly (number | null)[];
}

/** A type with a meaning beyond its representation. An unknown URN has its representation's values. */
export interface LogicalType {
  readonly kind: 'logical';
  readonly urn: string;
  readonly representation: FieldType;
  /** The int32 argument of the standard types that have one: a length. */
  readonly argument?: number;
  /** The `LogicalType` message as it came, so that nothing of it is lost on the way back. */
  readonly proto?: Uint8Array;
}

export interface RowField {
  readonly name: string;
  readonly type: FieldType;
}

export interface RowFieldsType {
  readonly kind: 'row';
  readonly fields: readonly RowField[];
  /** The order of the fields' bytes, as positions in `fields`; their own order when missing. */
  readonly encodingOrder?: readonly number[];
  /** The `Schema` message as it came, with its id and options. */
  readonly proto?: Uint8Array;
}

export type FieldType =
  | AtomicType
  | ArrayType
  | IterableType
  | MapType
  | NullableType
  | EnumerationType
  | TensorType
  | LogicalType
  | RowFieldsType;

const IDENTIFIER = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;

/** How types are named: as values in this program, or by their bytes alone. */
interface Naming {
  wireOnly: boolean;
}

/** A type for people: `row{example: array<int64>, inference: nullable<int64>}`. Different types differ. */
export function typeName(type: FieldType, naming: Naming = { wireOnly: false }): string {
  const name = (part: FieldType) => typeName(part, naming);
  switch (type.kind) {
    case 'array':
      return `${type.typed && !naming.wireOnly ? 'typedArray' : 'array'}<${name(type.element)}>`;
    case 'iterable':
      return `iterable<${name(type.element)}>`;
    case 'map':
      return `map<${name(type.key)}, ${name(type.value)}>`;
    case 'nullable':
      return `nullable<${name(type.value)}>`;
    case 'enumeration':
      return naming.wireOnly
        ? 'string'
        : `enumeration(${type.values.map((value) => JSON.stringify(value)).join(', ')})`;
    case 'tensor':
      return naming.wireOnly
        ? name(representationOf(type))
        : `tensor<${type.element}, [${type.shape.map((size) => size ?? 'null').join(', ')}]>`;
    case 'logical':
      return logicalName(type, naming);
    case 'row':
      return `row{${type.fields.map((field) => `${fieldName(field.name)}: ${name(field.type)}`).join(', ')}}`;
    case 'bigint64':
      return naming.wireOnly ? 'int64' : 'bigint64';
    default:
      return type.kind;
  }
}

export function fieldName(name: string): string {
  return IDENTIFIER.test(name) ? name : JSON.stringify(name);
}

const STANDARD_LOGICAL = /^beam:logical_type:(\w+):v1$/;

function logicalName(type: LogicalType, naming: Naming): string {
  const short = STANDARD_LOGICAL.exec(type.urn)?.[1];
  const argument = type.argument === undefined ? '' : `(${type.argument})`;
  const representation = short ? '' : `<${typeName(type.representation, naming)}>`;
  return `${short ?? JSON.stringify(type.urn)}${argument}${representation}`;
}

/** What a tensor is to other SDKs: its elements in row-major order, beside its shape where that is open. */
export function representationOf({
  element,
  shape,
}: TensorType): ArrayType | AtomicType | RowFieldsType {
  const values: ArrayType | AtomicType =
    element === 'uint8' || element === 'byte' || element === 'boolean'
      ? { kind: 'bytes' }
      : { kind: 'array', element: { kind: element } };
  if (!shape.includes(null)) return values;
  return {
    kind: 'row',
    fields: [
      { name: 'shape', type: { kind: 'array', element: { kind: 'int32' } } },
      { name: 'values', type: values },
    ],
  };
}

/** Whether two types have the same bytes and meaning, whatever JavaScript values stand for them. */
export function sameType(a: FieldType, b: FieldType): boolean {
  return typeName(a, { wireOnly: true }) === typeName(b, { wireOnly: true });
}
