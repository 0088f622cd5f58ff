// SPDX-License-Identifier: Apache-2.0
// The builder: types that a person writes and TypeScript infers from.

import { BeamBridgeError } from '../base/index.ts';
import {
  type AtomicKind,
  type Decimal,
  type FieldType,
  isTypedArrayKind,
  type MicrosInstant,
  type NullableType,
  type PythonCallableValue,
  type RowFieldsType,
  TYPED_ARRAY_KINDS,
  type TypedArrayKind,
  typeName,
} from '../coders/index.ts';
import { urns } from '../proto/index.ts';

declare const VALUE: unique symbol;

/** Carries the TypeScript type of a schema type's values; never there at run time. */
interface Typed<T> {
  readonly [VALUE]?: T;
}

/** A schema type whose values are of the TypeScript type `T`. */
export type SchemaType<T = unknown> = FieldType & Typed<T>;

/** A schema type of rows, from {@link row}. */
export type RowType<T = Record<string, unknown>> = RowFieldsType & Typed<T>;

/**
 * The TypeScript type of a schema type's values.
 *
 * @example
 * ```ts
 * const digit = row({ id: int64, pixels: array(float32), label: nullable(string) });
 * type Digit = Infer<typeof digit>; // { id: number; pixels: number[]; label: string | null }
 * ```
 */
export type Infer<S> = S extends Typed<infer T> ? T : never;

/** A schema type without parts. */
export type SimpleType<K extends AtomicKind, T> = { readonly kind: K } & Typed<T>;

function atomic<T, const K extends AtomicKind>(kind: K): SimpleType<K, T> {
  return Object.freeze({ kind });
}

/**
 * A whole number from -128 to 127, as in Java. Python's SDK takes 0 to 255 and fails for negative
 * ones: prefer {@link int16} in front of Python.
 */
export const byte = atomic<number, 'byte'>('byte');
/** A whole number from -32,768 to 32,767. */
export const int16 = atomic<number, 'int16'>('int16');
/** A whole number of 32 bits with sign. */
export const int32 = atomic<number, 'int32'>('int32');
/** A 64-bit whole number as a `number`: `INT64_OUT_OF_RANGE` outside ±(2^53 - 1), both ways. */
export const int64 = atomic<number, 'int64'>('int64');
/**
 * A 64-bit whole number as a `bigint`: the whole range of int64.
 *
 * Other SDKs see int64. In a row the choice travels as a field option, which Python keeps; a
 * PCollection of bare `bigint64` that went through another SDK may come back as `number`s.
 */
export const bigint64 = atomic<bigint, 'bigint64'>('bigint64');
/** A number rounded to single precision; one too large for it is an error, not infinity. */
export const float32 = atomic<number, 'float32'>('float32');
/** A `number`. */
export const float64 = atomic<number, 'float64'>('float64');
/** The same as {@link float32}, by Beam's name. */
export const float = float32;
/** The same as {@link float64}, by Beam's name. */
export const double = float64;
/** Text. Half a surrogate pair is an error. */
export const string = atomic<string, 'string'>('string');
export const boolean = atomic<boolean, 'boolean'>('boolean');
/** A `Uint8Array`; a Node `Buffer` is one. */
export const bytes = atomic<Uint8Array, 'bytes'>('bytes');

/** Many values: encodes arrays and typed arrays, decodes to an array. */
export function array<T>(element: SchemaType<T>): SchemaType<T[]> {
  return Object.freeze({ kind: 'array', element });
}

/** The typed array for elements of each type. */
export interface TypedArrays {
  byte: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  bigint64: BigInt64Array;
  float32: Float32Array;
  float64: Float64Array;
}

/**
 * An array of numbers that decodes to a typed array. On the wire, and to other SDKs, the same as
 * {@link array} of that element.
 *
 * @example
 * ```ts
 * row({ pixels: typedArray('float32') }); // { pixels: Float32Array }
 * ```
 */
export function typedArray<K extends TypedArrayKind>(element: K): SchemaType<TypedArrays[K]> {
  if (!isTypedArrayKind(element)) {
    throw new BeamBridgeError('INVALID_SCHEMA', `there is no typed array of ${String(element)}`, {
      hint: `Typed arrays hold ${Object.keys(TYPED_ARRAY_KINDS).join(', ')}.`,
    });
  }
  return Object.freeze({ kind: 'array', element: { kind: element }, typed: true });
}

/** Many values: encodes any iterable, decodes to an array. */
export function iterable<T>(element: SchemaType<T>): SchemaType<Iterable<T>> {
  return Object.freeze({ kind: 'iterable', element });
}

/**
 * A `Map`; where keys are strings, a plain object is taken as well.
 *
 * @throws BeamBridgeError `INVALID_SCHEMA` when keys may be null
 */
export function map<K, V>(key: SchemaType<K>, value: SchemaType<V>): SchemaType<Map<K, V>> {
  if (key.kind === 'nullable') {
    throw new BeamBridgeError('INVALID_SCHEMA', 'the keys of a map cannot be nullable');
  }
  return Object.freeze({ kind: 'map', key, value });
}

/** The value or null. In a row, a field of this type may also be missing or undefined. */
export function nullable<T>(value: SchemaType<T>): SchemaType<T | null> {
  if (value.kind === 'nullable') return value;
  return Object.freeze({ kind: 'nullable', value } satisfies NullableType);
}

/** The fields of a row, as {@link row} takes them. */
export type RowFields = Readonly<Record<string, SchemaType>>;

/** The TypeScript type of rows with these fields. */
export type InferFields<F extends RowFields> = { -readonly [K in keyof F]: Infer<F[K]> };

/**
 * An object with exactly these fields, in this order.
 *
 * @example
 * ```ts
 * const prediction = row({ example: array(int64), inference: int64 });
 * ```
 */
export function row<const F extends RowFields>(fields: F): RowType<InferFields<F>> {
  const entries = Object.entries(fields).map(([name, type]) => {
    if (!isSchemaType(type)) {
      throw new BeamBridgeError('INVALID_SCHEMA', `field ${name} has no schema type`, {
        hint: 'Use the types of beambridge/schema, as in row({ id: int64, tags: array(string) }).',
      });
    }
    return Object.freeze({ name, type });
  });
  return Object.freeze({ kind: 'row', fields: Object.freeze(entries) });
}

/** Whether a value is a schema type, as opposed to an object of fields. */
export function isSchemaType(value: unknown): value is SchemaType {
  const kind = (value as { kind?: unknown } | null | undefined)?.kind;
  return typeof value === 'object' && typeof kind === 'string' && kind !== 'uint8';
}

/**
 * A string that is one of `values`; any other is an error, both ways. Other SDKs see a string.
 *
 * @throws BeamBridgeError `INVALID_SCHEMA` for no values, or the same one twice
 */
export function enumeration<const V extends string>(values: readonly V[]): SchemaType<V> {
  if (values.length === 0 || new Set(values).size !== values.length) {
    throw new BeamBridgeError('INVALID_SCHEMA', 'an enumeration has values, each of them once');
  }
  return Object.freeze({ kind: 'enumeration', values: Object.freeze([...values]) });
}

const L = urns.LogicalTypes_Enum;

function logical<T>(urn: string, representation: FieldType, argument?: number): SchemaType<T> {
  return Object.freeze(
    argument === undefined
      ? { kind: 'logical', urn, representation }
      : { kind: 'logical', urn, representation, argument },
  );
}

/** `beam:logical_type:millis_instant:v1`: a time in milliseconds, as a `Date`. */
export const millisInstant = logical<Date>(L.MILLIS_INSTANT, int64);

/** `beam:logical_type:micros_instant:v1`: a time in microseconds; a `Date` is taken as well. */
export const microsInstant = logical<MicrosInstant>(
  L.MICROS_INSTANT,
  row({ seconds: int64, micros: int64 }),
);

/** `beam:logical_type:decimal:v1`: an exact decimal number. */
export const decimal = logical<Decimal>(L.DECIMAL, bytes);

/** `beam:logical_type:python_callable:v1`: a Python callable by dotted name or source text. */
export const pythonCallableType = logical<PythonCallableValue>(L.PYTHON_CALLABLE, string);

/** `beam:logical_type:fixed_bytes:v1`: `length` bytes; fewer are filled up with zeros. */
export function fixedBytes(length: number): SchemaType<Uint8Array> {
  return logical(L.FIXED_BYTES, bytes, checkLength(length));
}

/** `beam:logical_type:var_bytes:v1`: at most `maxLength` bytes. */
export function varBytes(maxLength: number): SchemaType<Uint8Array> {
  return logical(L.VAR_BYTES, bytes, checkLength(maxLength));
}

/** `beam:logical_type:fixed_char:v1`: `length` code points; fewer are filled up with spaces. */
export function fixedString(length: number): SchemaType<string> {
  return logical(L.FIXED_CHAR, string, checkLength(length));
}

/** `beam:logical_type:var_char:v1`: at most `maxLength` code points. */
export function varString(maxLength: number): SchemaType<string> {
  return logical(L.VAR_CHAR, string, checkLength(maxLength));
}

function checkLength(length: number): number {
  if (Number.isInteger(length) && length > 0 && length < 2 ** 31) return length;
  throw new BeamBridgeError('INVALID_SCHEMA', `a length is a whole number from 1, not ${length}`);
}

/** The row type itself, or an error that names what was given instead. */
export function requireRow<T>(type: SchemaType<T>): RowType<T> {
  if (type.kind === 'row') return type;
  throw new BeamBridgeError('INVALID_SCHEMA', `a row type is needed here, not ${typeName(type)}`, {
    hint: 'Wrap it: row({ value: … }).',
  });
}
