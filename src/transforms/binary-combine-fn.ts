// SPDX-License-Identifier: Apache-2.0
// A combiner from a function of two values.

import { setField } from '../coders/index.ts';
import type { CombineFn } from './combine-fn.ts';

/** The first value becomes the accumulator, which `combine` may change: others hold the value too. */
function ownCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(ownCopy) as T;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    const copy = Object.create(prototype as object | null) as Record<string, unknown>;
    for (const [name, inner] of Object.entries(value)) setField(copy, name, ownCopy(inner));
    return copy as T;
  }
  if (Buffer.isBuffer(value)) return Buffer.from(value) as T;
  return canClone(value) ? structuredClone(value) : value;
}

/** Instances of a program's own classes would lose their methods. */
function canClone(value: object): boolean {
  return (
    value instanceof Map ||
    value instanceof Set ||
    value instanceof Date ||
    ArrayBuffer.isView(value)
  );
}

/** Nothing yet, or one value; a list because `undefined` may be a value. */
type AtMostOne<T> = [] | [T];

/**
 * A {@link CombineFn} from a function of two values that is commutative and associative.
 * Of no values at all it gives `undefined`.
 *
 * @example
 * ```ts
 * lengths.apply(combinePerKey(binaryCombineFn(Math.max)));
 * ```
 */
export function binaryCombineFn<T>(combine: (a: T, b: T) => T): CombineFn<T, AtMostOne<T>, T> {
  const add = (accumulator: AtMostOne<T>, value: T): AtMostOne<T> => {
    // In place: this runs for every element.
    const changed = accumulator as T[];
    changed[0] = accumulator.length === 0 ? ownCopy(value) : combine(accumulator[0] as T, value);
    return accumulator;
  };
  return {
    ...(combine.name ? { beamName: combine.name } : {}),
    createAccumulator: () => [],
    addInput: add,
    mergeAccumulators(accumulators) {
      const merged: AtMostOne<T> = [];
      for (const accumulator of accumulators) {
        if (accumulator.length > 0) add(merged, accumulator[0] as T);
      }
      return merged;
    },
    extractOutput: (accumulator) => accumulator[0] as T,
  };
}
