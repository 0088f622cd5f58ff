// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { splitIndex } from '../../../src/harness/engine/split.ts';

const INFINITE = Number.POSITIVE_INFINITY;

function at(index: number, stop = INFINITE) {
  return { index, stop };
}

function wish(
  fractionOfRemainder: number,
  estimatedInputElements: number,
  ...allowedSplitPoints: number[]
) {
  return { fractionOfRemainder, estimatedInputElements, allowedSplitPoints };
}

// The cases of Beam's own channel split tests, for elements that cannot be split themselves.
test('splits at element boundaries as Beam does', () => {
  assert.equal(splitIndex(at(0), wish(0, 16)), 1);
  assert.equal(splitIndex(at(0), wish(0.5, 16)), 8);
  assert.equal(splitIndex(at(2), wish(0.5, 16)), 9);
  assert.equal(splitIndex(at(6), wish(0.5, 16)), 11);
  assert.equal(splitIndex(at(0), wish(0.25, 16)), 4);
  assert.equal(splitIndex(at(-1), wish(0.5, 16)), 8);
});

test('nothing is given back when nothing is left', () => {
  assert.equal(splitIndex(at(5, 6), wish(0, 16)), undefined);
  assert.equal(splitIndex(at(3, 4), wish(0.5, 16)), undefined);
});

test('only allowed points are chosen, the nearest that has not begun', () => {
  assert.equal(splitIndex(at(0), wish(0.5, 16, 2, 3, 9)), 9);
  assert.equal(splitIndex(at(0), wish(0.5, 16, 2, 6, 12)), 6);
  assert.equal(splitIndex(at(7), wish(0, 16, 2, 6, 12)), 12);
  assert.equal(splitIndex(at(12), wish(0, 16, 2, 6, 12)), undefined);
});

test('a split never touches what has begun and never grows the primary', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1, max: 50 }),
      fc.integer({ min: 1, max: 60 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 80 }),
      fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 5 }),
      (index, left, fraction, estimate, allowed) => {
        const stop = index + left;
        const first = splitIndex(at(index, stop), wish(fraction, estimate, ...allowed));
        if (first === undefined) return true;
        return first > index && first < stop && (allowed.length === 0 || allowed.includes(first));
      },
    ),
  );
});
