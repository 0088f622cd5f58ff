// SPDX-License-Identifier: Apache-2.0
// A combiner from a function of two values.

import { ownResult } from '../coders/index.ts';
import type { CombineFn } from './combine-fn.ts';

/** Nothing yet, or one value; a list because `undefined` may be a value. */
type AtMostOne<T> = [] | [T];

/**
 * A {@link CombineFn} from a function of two values that is commutative and associative.
 * Of no values at all it gives `undefined`.
 *
 * The function may change its first argument, and return either: it gets a copy of what it returned. What is in
 * its second argument belongs to others as well, and is copied before it is changed.
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
    const next = accumulator.length === 0 ? value : combine(accumulator[0] as T, value);
    // `combine` may change it the next time, and others hold the value too.
    changed[0] = ownResult(next, value);
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
