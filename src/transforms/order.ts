// SPDX-License-Identifier: Apache-2.0
// The order of values that `max`, `min` and `top` go by, one for all. JavaScript compares objects by their text, which
// puts [10] before [9] and a decimal of 10 before one of 9: what has no order of its own is refused instead.

import { BeamBridgeError } from '../base/index.ts';
import { Decimal, describeValue, MicrosInstant } from '../coders/index.ts';

/** What stands for a value in a comparison, of which those of one kind can be compared. */
interface Rank {
  readonly kind: 'number' | 'text' | 'Decimal' | 'MicrosInstant';
  readonly value: number | bigint | string | Decimal;
}

/**
 * How two values compare, as `Array.sort` has it: numbers, bigints, booleans, Dates and other objects whose
 * `valueOf()` is a number by that, texts by their UTF-16 code units, decimals and microseconds exactly. NaN and invalid
 * Dates are the greatest, and 0 is above -0, as for `Math.max`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for values without an order, and for two of unlike kinds
 */
export function compareValues(combiner: string, a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return compareNumbers(a, b);
  const [first, second] = [rankOf(combiner, a), rankOf(combiner, b)];
  if (first.kind !== second.kind) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${combiner} was given ${describeValue(a)} beside ${describeValue(b)}`,
      { hint: 'Combine values of one kind: map text to numbers with Number(…).' },
    );
  }
  if (first.value instanceof Decimal) {
    return compareDecimals(first.value, second.value as Decimal);
  }
  return typeof first.value === 'string'
    ? byOperators(first.value, second.value)
    : compareNumbers(first.value, second.value as number | bigint);
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what has no place in an order: the result would be that of chance */
export function checkOrdered(combiner: string, value: unknown): unknown {
  if (typeof value !== 'number') rankOf(combiner, value);
  return value;
}

/** NaN, or what compares as NaN does: an invalid Date. */
export function isNaNLike(value: unknown): boolean {
  return Number.isNaN(typeof value === 'object' ? value?.valueOf() : value);
}

function rankOf(combiner: string, value: unknown): Rank {
  if (value instanceof Decimal) return { kind: 'Decimal', value };
  if (value instanceof MicrosInstant) return { kind: 'MicrosInstant', value: value.micros };
  const plain = typeof value === 'object' ? value?.valueOf() : value;
  switch (typeof plain) {
    case 'number':
    case 'bigint':
      return { kind: 'number', value: plain };
    case 'boolean':
      return { kind: 'number', value: Number(plain) };
    case 'string':
      // The text of another library's number has another order than the number.
      if (typeof value === 'string' || value instanceof String) {
        return { kind: 'text', value: plain };
      }
  }
  const isNone = value === undefined || value === null || typeof value === 'symbol';
  throw new BeamBridgeError('INVALID_ARGUMENT', `${combiner} was given ${describeValue(value)}`, {
    hint: isNone
      ? 'Filter the elements that have no value first.'
      : 'Map each to what is compared first, a field or an element of it say; top(…) takes a function that compares.',
  });
}

function compareNumbers(a: number | bigint, b: number | bigint): number {
  const [first, second] = [Number.isNaN(a), Number.isNaN(b)];
  if (first || second) return Number(first) - Number(second);
  if (a === 0 && b === 0) return Number(Object.is(b, -0)) - Number(Object.is(a, -0));
  return byOperators(a, b);
}

function byOperators<T extends number | bigint | string | Decimal>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareDecimals(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale);
  const unscaled = (each: Decimal) => each.unscaled * 10n ** BigInt(scale - each.scale);
  return byOperators(unscaled(a), unscaled(b));
}
