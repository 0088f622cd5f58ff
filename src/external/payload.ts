// SPDX-License-Identifier: Apache-2.0
// What a cross-language transform is configured with: a row whose schema travels beside it.

import { BeamBridgeError } from '../base/index.ts';
import { encodeValue, setField } from '../coders/index.ts';
import { create, pb, toBinary, urns } from '../proto/index.ts';
import {
  array,
  inferSchema,
  map,
  type PythonCallableValue,
  pythonCallableType,
  type RowType,
  row,
  rowCoder,
  type SchemaType,
  schemaToProto,
} from '../schema/index.ts';

const PYTHON_CALLABLE = urns.LogicalTypes_Enum.PYTHON_CALLABLE;

/** A value whose type is given instead of inferred; made by {@link typed}. */
export class TypedValue<T = unknown> {
  constructor(
    readonly type: SchemaType<T>,
    readonly value: T,
  ) {}
}

/**
 * Gives an argument of a cross-language transform a type, where the one inferred from its value
 * would be another: `5` is an int64, an empty array has no type at all.
 *
 * @example
 * ```ts
 * pythonTransform('my_module.Scale', { factor: typed(float64, 2), names: typed(array(string), []) });
 * ```
 */
export function typed<T>(type: SchemaType<T>, value: T): TypedValue<T> {
  return new TypedValue(type, value);
}

/**
 * A Python callable: a dotted name (`math.sin`), an expression (`lambda x: x * x`), or source text
 * whose last statement is a function, a class or an expression; earlier lines are its context.
 *
 * Python runs the text as it is: never build it from input that you do not trust.
 *
 * @example
 * ```ts
 * words.apply(pythonTransform('apache_beam.Map', [pythonCallable('str.upper')], {}, { output: string }));
 * ```
 */
export function pythonCallable(expr: string): PythonCallable {
  return { expr, beamLogicalType: PYTHON_CALLABLE };
}

/** What {@link pythonCallable} gives. */
export interface PythonCallable extends PythonCallableValue {
  readonly beamLogicalType: string;
}

function isPythonCallable(value: object): value is PythonCallable {
  return (value as Partial<PythonCallable>).beamLogicalType === PYTHON_CALLABLE;
}

/** A value without its {@link typed} wrappers, and its type. */
interface Typed {
  type: SchemaType;
  value: unknown;
}

function typeOf(value: unknown, path: string): Typed {
  if (value instanceof TypedValue) return value;
  if (typeof value === 'function') {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${path} is a JavaScript function`, {
      hint: "A cross-language transform cannot call it. Use pythonCallable('module.function').",
    });
  }
  if (typeof value !== 'object' || value === null) return { type: inferAt(value, path), value };
  if (isPythonCallable(value)) return { type: pythonCallableType, value };
  if (value instanceof Map && [...value.values()].some(holdsTyped)) {
    const keys = inferAt([...value.keys()], path);
    const parts = [...value.values()].map((part, i) => typeOf(part, `${path}[${i}]`));
    const type = map(elementOf(keys), parts[0]!.type);
    return { type, value: new Map([...value.keys()].map((key, i) => [key, parts[i]!.value])) };
  }
  if (Array.isArray(value) && value.some(holdsTyped)) {
    const parts = value.map((part, i) => typeOf(part, `${path}[${i}]`));
    return { type: array(parts[0]!.type), value: parts.map((part) => part.value) };
  }
  if (Object.getPrototypeOf(value) === Object.prototype) {
    return rowOf(value as Record<string, unknown>, path);
  }
  return { type: inferAt(value, path), value };
}

/** Whether inference from the plain value would go wrong somewhere inside. */
function holdsTyped(value: unknown): boolean {
  if (value instanceof TypedValue) return true;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (isPythonCallable(value)) return true;
  const parts = value instanceof Map ? [...value.values()] : Object.values(value);
  return parts.some(holdsTyped);
}

function elementOf(type: SchemaType): SchemaType {
  return type.kind === 'array' ? type.element : type;
}

function inferAt(value: unknown, path: string): SchemaType {
  try {
    return inferSchema(value);
  } catch (error) {
    throw BeamBridgeError.from(error).with({
      detail: `argument ${path}`,
      hint: 'Give its type with typed(type, value).',
    });
  }
}

/** The row type of an object of arguments. Undefined ones are left out, as if not given. */
function rowOf(given: Record<string, unknown>, path: string): Typed & { type: RowType } {
  const fields: Record<string, SchemaType> = {};
  const value: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(given)) {
    if (part === undefined) continue;
    const typedPart = typeOf(part, path === '' ? name : `${path}.${name}`);
    setField(fields, name, typedPart.type);
    setField(value, name, typedPart.value);
  }
  return { type: row(fields), value };
}

/** Arguments as a row, with the schema that says what they are. */
export interface EncodedArguments {
  readonly schema: pb.Schema;
  readonly payload: Uint8Array;
}

/**
 * An object of arguments as a row.
 *
 * @param check - looks at the type of all arguments, and throws where the service could not take it
 * @throws BeamBridgeError `INVALID_SCHEMA`, `ROW_MISMATCH`, as {@link encodePayload}
 */
export function encodeArguments(
  given: Record<string, unknown>,
  check: (type: RowType) => void = () => {},
): EncodedArguments {
  const { type, value } = rowOf(given, '');
  check(type);
  return {
    schema: schemaToProto(type),
    payload: encodeValue(rowCoder(type), value as Record<string, unknown>),
  };
}

/**
 * The bytes of an `ExternalConfigurationPayload` for an object of arguments.
 *
 * @param check - looks at the type of all arguments, and throws where the service could not take it
 * @throws BeamBridgeError `INVALID_SCHEMA` for an argument whose type cannot be inferred,
 *   `ROW_MISMATCH` for one that does not fit the type it is given
 */
export function encodePayload(
  configuration: Record<string, unknown>,
  check?: (type: RowType) => void,
): Uint8Array {
  return toBinary(
    pb.ExternalConfigurationPayloadSchema,
    create(pb.ExternalConfigurationPayloadSchema, encodeArguments(configuration, check)),
  );
}
