// SPDX-License-Identifier: Apache-2.0
// A combiner from a function of two values.

import { ownCopy } from '../coders/index.ts';
import type { CombineFn } from './combine-fn.ts';

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
    // In place: this runs for every element. `combine` may change the first value, which others hold too.
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
