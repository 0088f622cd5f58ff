// SPDX-License-Identifier: Apache-2.0
// A copy of a value that its new owner may change.

import { setField } from './set-field.ts';
import { Tensor } from './tensor.ts';

/**
 * A value with nothing in it that others hold: plain objects, arrays, Maps, Sets, dates, bytes, typed
 * arrays and tensors are copied, with what is in them. Instances of other classes stay themselves, since
 * a copy would lack their methods.
 */
export function ownCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  return copyOf(value) as T;
}

function copyOf(value: object): unknown {
  if (Array.isArray(value)) return value.map(ownCopy);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    const copy = Object.create(prototype as object | null) as Record<string, unknown>;
    for (const [name, inner] of Object.entries(value)) setField(copy, name, ownCopy(inner));
    return copy;
  }
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  // Only what a view shows: what it is a view of may be a thousand times as large.
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return (value as Uint8Array).slice();
  if (prototype === Map.prototype) {
    return new Map(
      [...(value as Map<unknown, unknown>)].map(([key, inner]) => [ownCopy(key), ownCopy(inner)]),
    );
  }
  if (prototype === Set.prototype) return new Set([...(value as Set<unknown>)].map(ownCopy));
  if (prototype === Date.prototype) return new Date(value as Date);
  if (value instanceof Tensor) return new Tensor(value.dtype, value.shape, value.data.slice());
  return value;
}
