// SPDX-License-Identifier: Apache-2.0
// A copy of a value that its new owner may change.

import {
  asInstance,
  builtInOf,
  errorKind,
  errorOf,
  errorParts,
  fieldsBeside,
  isMatch,
  isPlainArray,
  isPlainDate,
  viewKind,
} from './js/built-ins.ts';
import { registeredClass, registeredName } from './js/classes.ts';
import { Decimal, MicrosInstant } from './logical-values.ts';
import { setField } from './set-field.ts';
import { StateBackedIterable } from './state-backed-iterable.ts';
import { Tensor } from './tensor.ts';
import { GlobalWindow, IntervalWindow } from './values.ts';

/** Whether the copy that is being made shares something with the value, or lacks something of it. */
let isShared = false;

/**
 * A value with nothing in it that others hold: what the JavaScript coder would make of it, without the bytes,
 * and views of bytes that it refuses. What else it refuses stays itself, since a copy of an instance
 * would lack what its class keeps out of sight: see {@link ownCopyOr}.
 */
export function ownCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  return copyOf(value) as T;
}

/**
 * The same for a value of a declared type, which takes instances of any class: what is not copied by its
 * structure is by `otherwise`, such as the type's coder, which throws for what it cannot copy either.
 */
export function ownCopyOr<T>(value: T, otherwise: (value: T) => T): T {
  if (typeof value !== 'object' || value === null) return value;
  isShared = false;
  const copy = copyOf(value) as T;
  return isShared ? otherwise(value) : copy;
}

/**
 * What a function made of one's own value and of `given`, to be changed from now on: a copy where it gave that
 * back, which belongs to others as well.
 */
export function ownResult<T>(result: T, given: unknown): T {
  return result === given ? ownCopy(result) : result;
}

function copyOf(value: object): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    // An iterator is no field, and all that an iterable is declared to have.
    if (Symbol.iterator in value) isShared = true;
    return fieldsInto({}, value);
  }
  if (isPlainArray(value, prototype)) {
    const copy: unknown[] = [];
    for (let i = 0; i < value.length; i++) copy.push(ownCopy(value[i]));
    if (!isMatch(value)) return copy;
    const { index, input, groups } = value;
    return Object.assign(copy, { index, input, groups: ownCopy(groups) });
  }
  // Only what a view shows: what it is a view of may be a thousand times as large.
  if (viewKind(prototype) !== undefined) return (value as Uint8Array).slice();
  if (errorKind(prototype) !== undefined) {
    const parts = errorParts(value as Error);
    return errorOf(errorKind(prototype)!, {
      ...parts,
      cause: ownCopy(parts.cause),
      fields: ownCopy(parts.fields),
    });
  }
  return copyOfInstance(value, prototype);
}

function copyOfInstance(value: object, prototype: unknown): unknown {
  switch (prototype) {
    case Map.prototype: {
      const copy = new Map<unknown, unknown>();
      for (const [key, inner] of value as Map<unknown, unknown>) {
        copy.set(ownCopy(key), ownCopy(inner));
      }
      return copy;
    }
    case Set.prototype:
      return new Set(Array.from(value as Set<unknown>, ownCopy));
    case Buffer.prototype:
      return Buffer.from(value as Buffer);
    case ArrayBuffer.prototype:
      return (value as ArrayBuffer).slice(0);
    case DataView.prototype: {
      const { buffer, byteOffset, byteLength } = value as DataView;
      return new DataView(buffer.slice(byteOffset, byteOffset + byteLength));
    }
    case Tensor.prototype: {
      const { dtype, shape, data } = value as Tensor;
      return new Tensor(dtype, [...shape], ownCopy(data));
    }
    case IntervalWindow.prototype:
      return new IntervalWindow((value as IntervalWindow).start, (value as IntervalWindow).end);
    case GlobalWindow.prototype:
      return value;
    case Decimal.prototype:
      return new Decimal((value as Decimal).unscaled, (value as Decimal).scale);
    case MicrosInstant.prototype:
      return new MicrosInstant((value as MicrosInstant).micros);
    case StateBackedIterable.prototype: {
      const values = value as StateBackedIterable<unknown>;
      // Those that must be fetched are made anew each time.
      return values.token ? value : values.inline.map(ownCopy);
    }
    default:
      return isPlainDate(value) ? new Date(value) : copyOfRegistered(value, prototype);
  }
}

function copyOfRegistered(value: object, prototype: unknown): object {
  const name = registeredName(prototype);
  if (name === undefined) return copyOfExtended(value);
  const known = registeredClass(name).prototype as object;
  const builtIn = builtInOf(value);
  if (builtIn === undefined) return fieldsInto(Object.create(known) as object, value);
  return asInstance(ownCopy(builtIn), known, ownCopy(fieldsBeside(value)));
}

/** Declared coders take what extends an array, bytes or a tensor, and make the like of it without its class. */
function copyOfExtended(value: object): object {
  if (Array.isArray(value)) return Array.from(value, ownCopy);
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  const { isView } = ArrayBuffer;
  if (isView(value) && !(value instanceof DataView)) {
    const kind = value[Symbol.toStringTag as never] as 'Uint8Array';
    return new globalThis[kind](value as Uint8Array);
  }
  if (value instanceof Tensor)
    return new Tensor(value.dtype, [...value.shape], ownCopy(value.data));
  isShared = true;
  return value;
}

function fieldsInto(copy: object, value: object): object {
  for (const name of Object.keys(value)) {
    setField(copy as never, name, ownCopy((value as Record<string, unknown>)[name]));
  }
  return copy;
}
