// SPDX-License-Identifier: Apache-2.0
// The usual combiners, for `groupBy(…).combining(…)`, `combinePerKey` and `combineGlobally`.

import { BeamBridgeError } from '../base/index.ts';
import { DoubleCoder, describeValue, type KV, KVCoder, VarIntCoder } from '../coders/index.ts';
import type { CombineFn, SelectingCombineFn } from './combine-fn.ts';
import { checkOrdered, compareValues, isNaNLike } from './order.ts';

function checkNumber(combiner: string, value: unknown): number {
  if (typeof value === 'number') return value;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${combiner} was given ${describeValue(value)}`, {
    hint: 'Combine numbers: map the elements to a number field, or parse text with Number(…).',
  });
}

function total(numbers: Iterable<number>): number {
  let all = 0;
  for (const number of numbers) all += number;
  return all;
}

/** How many values there are. 0 of none. */
export const count: CombineFn<unknown, number, number> = {
  beamName: 'count',
  createAccumulator: () => 0,
  addInput: (accumulator) => accumulator + 1,
  mergeAccumulators: total,
  extractOutput: (accumulator) => accumulator,
  accumulatorCoder: () => new VarIntCoder(),
  outputCoder: () => new VarIntCoder(),
};

/** The sum of numbers. 0 of none. @throws `INVALID_ARGUMENT` for what is no number */
export const sum: CombineFn<number, number, number> = {
  beamName: 'sum',
  createAccumulator: () => 0,
  addInput: (accumulator, value) => accumulator + checkNumber('sum', value),
  mergeAccumulators: total,
  extractOutput: (accumulator) => accumulator,
  accumulatorCoder: () => new DoubleCoder(),
};

/** The sum of bigints, exact at any size. 0n of none. */
export const sumBigInt: CombineFn<bigint, bigint, bigint> = {
  beamName: 'sumBigInt',
  createAccumulator: () => 0n,
  addInput: (accumulator, value) => accumulator + value,
  mergeAccumulators(accumulators) {
    let all = 0n;
    for (const one of accumulators) all += one;
    return all;
  },
  extractOutput: (accumulator) => accumulator,
};

/** The arithmetic mean of numbers. NaN of none. @throws `INVALID_ARGUMENT` for what is no number */
export const mean: CombineFn<number, KV<number, number>, number> = {
  beamName: 'mean',
  // The sum as key, the count as value, so that Beam's own coders can write them.
  createAccumulator: () => ({ key: 0, value: 0 }),
  addInput(accumulator, value) {
    accumulator.key += checkNumber('mean', value);
    accumulator.value += 1;
    return accumulator;
  },
  mergeAccumulators(accumulators) {
    const all = { key: 0, value: 0 };
    for (const { key, value } of accumulators) {
      all.key += key;
      all.value += value;
    }
    return all;
  },
  extractOutput: ({ key, value }) => key / value,
  accumulatorCoder: () => new KVCoder(new DoubleCoder(), new VarIntCoder()),
};

/** None yet, or the best so far. */
type AtMostOne = [] | [unknown];

function best(
  name: string,
  isBetter: (order: number, value: unknown, other: unknown) => boolean,
): SelectingCombineFn {
  const better = (value: unknown, other: unknown) =>
    isBetter(compareValues(name, value, other), value, other);
  const add = (accumulator: AtMostOne, value: unknown): AtMostOne => {
    const changed = accumulator as unknown[];
    if (accumulator.length === 0) changed[0] = checkOrdered(name, value);
    else if (better(value, accumulator[0])) changed[0] = value;
    return accumulator;
  };
  return {
    beamName: name,
    selects: true,
    createAccumulator: (): AtMostOne => [],
    addInput: (accumulator, value) => add(accumulator as AtMostOne, value),
    mergeAccumulators(accumulators) {
      const merged: AtMostOne = [];
      for (const accumulator of accumulators as Iterable<AtMostOne>) {
        if (accumulator.length > 0) add(merged, accumulator[0]);
      }
      return merged;
    },
    extractOutput: (accumulator) => (accumulator as AtMostOne)[0],
  };
}

/**
 * The greatest value: of numbers, bigints, booleans, strings, Dates, `Decimal`s or `MicrosInstant`s. `undefined` of none;
 * NaN or an invalid Date where there is one, wherever it stands, as `Math.max` gives.
 *
 * @throws `INVALID_ARGUMENT` for values without an order (null, undefined, arrays, rows, most other objects), and for
 *   text beside what is none
 */
export const max: SelectingCombineFn = best('max', (order) => order > 0);

/**
 * The least value, of those that {@link max} takes. `undefined` of none; NaN or an invalid Date where there is one,
 * wherever it stands, as `Math.min` gives.
 *
 * @throws `INVALID_ARGUMENT` as {@link max}
 */
export const min: SelectingCombineFn = best('min', (order, value, other) =>
  // NaN is the greatest in the order, and the least as well.
  isNaNLike(value) ? order > 0 : order < 0 && !isNaNLike(other),
);

/** All values in an array, in no particular order. They are held in memory. */
export function toList<T>(): CombineFn<T, T[], T[]> {
  return {
    beamName: 'toList',
    createAccumulator: () => [],
    addInput(accumulator, value) {
      accumulator.push(value);
      return accumulator;
    },
    mergeAccumulators(accumulators) {
      const all: T[] = [];
      for (const one of accumulators) for (const value of one) all.push(value);
      return all;
    },
    extractOutput: (accumulator) => accumulator,
  };
}

function naturalOrder(a: unknown, b: unknown): number {
  return compareValues('top', a, b);
}

/**
 * The `size` greatest values, greatest first.
 *
 * @param compare - as `Array.sort` takes it. @default the order of {@link max}, NaN above all
 * @throws `INVALID_ARGUMENT` for a size that is no positive whole number; where `compare` is left out, also
 *   as {@link max}
 */
export function top<T>(
  size: number,
  compare: (a: T, b: T) => number = naturalOrder,
): CombineFn<T, T[], T[]> {
  checkSize('top', size);
  const descending = (a: T, b: T) => compare(b, a);
  const keepBest = (values: T[]) => {
    values.sort(descending);
    values.length = Math.min(values.length, size);
    return values;
  };
  const list = toList<T>();
  return {
    ...list,
    beamName: `top(${size})`,
    addInput(accumulator, value) {
      if (compare === naturalOrder) checkOrdered('top', value);
      accumulator.push(value);
      // Sorting now and then costs less than keeping a heap.
      return accumulator.length >= 2 * size + 100 ? keepBest(accumulator) : accumulator;
    },
    mergeAccumulators: (accumulators) => keepBest(list.mergeAccumulators(accumulators)),
    extractOutput: (accumulator) => keepBest(accumulator),
  };
}

/** How many values were seen, and a fair choice of them. */
interface Reservoir<T> {
  seen: number;
  chosen: T[];
}

/**
 * `size` values chosen at random, each equally likely; all of them when there are fewer.
 *
 * @throws `INVALID_ARGUMENT` for a size that is no positive whole number
 */
export function sample<T>(size: number): CombineFn<T, Reservoir<T>, T[]> {
  checkSize('sample', size);
  const add = (into: Reservoir<T>, value: T) => {
    into.seen += 1;
    if (into.chosen.length < size) into.chosen.push(value);
    else {
      const place = Math.floor(Math.random() * into.seen);
      if (place < size) into.chosen[place] = value;
    }
    return into;
  };
  return {
    beamName: `sample(${size})`,
    createAccumulator: () => ({ seen: 0, chosen: [] }),
    addInput: add,
    mergeAccumulators(accumulators) {
      let merged: Reservoir<T> = { seen: 0, chosen: [] };
      for (const next of accumulators) merged = mergeReservoirs(merged, next, size);
      return merged;
    },
    extractOutput: ({ chosen }) => chosen,
  };
}

/** Draws from both sides in proportion to how many values each side stands for. */
function mergeReservoirs<T>(a: Reservoir<T>, b: Reservoir<T>, size: number): Reservoir<T> {
  const left = { seen: a.seen, chosen: [...a.chosen] };
  const right = { seen: b.seen, chosen: [...b.chosen] };
  const chosen: T[] = [];
  while (chosen.length < size && left.chosen.length + right.chosen.length > 0) {
    const fromLeft =
      right.chosen.length === 0 ||
      (left.chosen.length > 0 && Math.random() * (left.seen + right.seen) < left.seen);
    const side = fromLeft ? left : right;
    const place = Math.floor(Math.random() * side.chosen.length);
    chosen.push(side.chosen.splice(place, 1)[0] as T);
    side.seen -= 1;
  }
  return { seen: a.seen + b.seen, chosen };
}

function checkSize(combiner: string, size: number): void {
  if (Number.isSafeInteger(size) && size > 0) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${combiner} of ${String(size)} values`, {
    hint: `Pass a whole number of at least 1: ${combiner}(10).`,
  });
}
