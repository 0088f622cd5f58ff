// SPDX-License-Identifier: Apache-2.0
// The parts of JavaScript's own objects, also of instances of classes that extend them: what the
// coder writes and what a copy is made of. Their methods may be overridden, and are not called.

import { types } from 'node:util';
import { setField } from '../set-field.ts';
import { ERRORS, TYPED_ARRAYS } from './tags.ts';

/** Whether an array is one of no class of the program's: every realm has an `Array.prototype` of its own. */
export function isPlainArray(value: object, prototype: unknown): value is unknown[] {
  if (!Array.isArray(value)) return false;
  // Alone among prototypes those of arrays are arrays.
  return prototype === Array.prototype || Array.isArray(prototype);
}

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;

/** Whether a class is one of JavaScript's own, in any realm. */
export function isNative(type: unknown): boolean {
  return typeof type === 'function' && NATIVE.test(Function.prototype.toString.call(type));
}

/**
 * Whether a date is one of no class of the program's: the clocks of test libraries put a class in the place of
 * `Date`, whose instances say that they are plain ones.
 */
export function isPlainDate(value: object): value is Date {
  if (!types.isDate(value)) return false;
  return Object.getPrototypeOf(value) === Date.prototype || isNative(value.constructor);
}

/** What a regular expression matched is an array with fields of its own. */
export function isMatch(value: readonly unknown[]): value is RegExpMatchArray {
  const { index, input } = value as RegExpMatchArray;
  return index !== undefined && input !== undefined;
}

const KIND_OF_VIEW = new Map<unknown, number>(TYPED_ARRAYS.map((type, i) => [type.prototype, i]));
const KIND_OF_ERROR = new Map<unknown, number>(ERRORS.map((type, i) => [type.prototype, i]));

/** The place in TYPED_ARRAYS of those that have this prototype. */
export function viewKind(prototype: unknown): number | undefined {
  return KIND_OF_VIEW.get(prototype);
}

/** The place in ERRORS of those that have this prototype. */
export function errorKind(prototype: unknown): number | undefined {
  return KIND_OF_ERROR.get(prototype);
}

export interface ErrorParts {
  readonly message: string;
  readonly stack?: unknown;
  readonly cause?: unknown;
  /** Its other fields. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export function errorParts(error: Error): ErrorParts {
  const { message: _message, stack: _stack, cause: _cause, ...fields } = error;
  return { message: error.message, stack: error.stack, cause: error.cause, fields };
}

export function errorOf(kind: number, { message, stack, cause, fields }: ErrorParts): Error {
  const type = ERRORS[kind] ?? Error;
  const error = cause === undefined ? new type(message) : new type(message, { cause });
  if (typeof stack === 'string') error.stack = stack;
  return withFields(error, fields);
}

/**
 * The object of JavaScript's own that an instance of a class is, with the same contents: the Map of a
 * `class Table extends Map`. Undefined of other instances.
 */
export function builtInOf(value: object): object | undefined {
  if (Array.isArray(value)) return Array.from({ length: value.length }, (_, i) => value[i]);
  if (types.isMap(value)) return new Map(Map.prototype.entries.call(value));
  if (types.isSet(value)) return new Set(Set.prototype.values.call(value));
  if (types.isDate(value)) return new Date(Date.prototype.getTime.call(value));
  if (types.isNativeError(value)) {
    return errorOf(nearest(value, KIND_OF_ERROR) ?? 0, { ...errorParts(value), fields: {} });
  }
  if (types.isArrayBuffer(value)) return new Uint8Array(new Uint8Array(value)).buffer;
  if (!types.isTypedArray(value)) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Buffer.isBuffer(value)) return Buffer.from(bytes);
  const type = TYPED_ARRAYS[nearest(value, KIND_OF_VIEW) ?? -1];
  return type && new type(new Uint8Array(bytes).buffer);
}

function nearest(value: object, kinds: ReadonlyMap<unknown, number>): number | undefined {
  let prototype: unknown = Object.getPrototypeOf(value);
  while (prototype !== null && !kinds.has(prototype)) prototype = Object.getPrototypeOf(prototype);
  return kinds.get(prototype);
}

const INDEX = /^(?:0|[1-9]\d*)$/;

/** What an instance of a class that extends an object of JavaScript's own has beside its contents. */
export function fieldsBeside(value: object): Record<string, unknown> {
  if (types.isNativeError(value)) return errorParts(value).fields;
  const isIndexed = Array.isArray(value) || ArrayBuffer.isView(value);
  const fields: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value)) {
    if (!isIndexed || !INDEX.test(name)) setField(fields, name, inner);
  }
  return fields;
}

/** Makes an object an instance of a class, without calling its constructor. */
export function asInstance(object: object, prototype: object, fields: object): object {
  return withFields(Object.setPrototypeOf(object, prototype) as object, fields);
}

export function withFields<T extends object>(object: T, fields: object): T {
  for (const [name, inner] of Object.entries(fields)) setField(object as never, name, inner);
  return object;
}
