// SPDX-License-Identifier: Apache-2.0
// Combiners give the same however their inputs are split, merged, and sent in between.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  Decimal,
  decodeValue,
  encodeValue,
  JsCoder,
  MicrosInstant,
} from '../../../src/coders/index.ts';
import { combineTogether } from '../../../src/transforms/combine-together.ts';
import {
  binaryCombineFn,
  type CombineFn,
  count,
  max,
  mean,
  min,
  sample,
  sum,
  sumBigInt,
  toList,
  top,
} from '../../../src/transforms/index.ts';

/** As a runner does it: an accumulator for each part, encoded, decoded, merged. */
function combine<I, A, O>(fn: CombineFn<I, A, O>, parts: readonly (readonly I[])[]): O {
  const coder = fn.accumulatorCoder?.(new JsCoder() as never) ?? new JsCoder();
  const accumulators = parts.map((part) => {
    let accumulator = fn.createAccumulator();
    for (const input of part) accumulator = fn.addInput(accumulator, input);
    return decodeValue(coder as never, encodeValue(coder as never, accumulator as never)) as A;
  });
  return fn.extractOutput(fn.mergeAccumulators(accumulators));
}

const parts = fc.array(fc.array(fc.integer({ min: -1000, max: 1000 })));

test('sum, count, max, min and mean', () => {
  fc.assert(
    fc.property(parts, (given) => {
      const all = given.flat();
      const total = all.reduce((a, b) => a + b, 0);
      assert.equal(combine(sum, given), total);
      assert.equal(combine(count, given), all.length);
      assert.equal(combine(max, given), all.length ? Math.max(...all) : undefined);
      assert.equal(combine(min, given), all.length ? Math.min(...all) : undefined);
      assert.equal(combine(mean, given), all.length ? total / all.length : Number.NaN);
    }),
  );
});

test('sumBigInt is exact at any size', () => {
  assert.equal(combine(sumBigInt, [[2n ** 80n], [], [1n, -3n]]), 2n ** 80n - 2n);
});

test('max and min compare strings and dates', () => {
  assert.equal(combine(max, [['b'], ['a', 'c']]), 'c');
  assert.deepEqual(combine(min, [[new Date(2)], [new Date(1)]]), new Date(1));
});

test('an invalid Date wins in max and min, and is the greatest in top, wherever it stands', () => {
  const [first, invalid, last] = [new Date(1), new Date(Number.NaN), new Date(2)];
  for (const given of [
    [[invalid, first, last]],
    [[first], [invalid, last]],
    [[first, last, invalid]],
  ]) {
    assert.equal(String(combine(max, given)), 'Invalid Date');
    assert.equal(String(combine(min, given)), 'Invalid Date');
    assert.deepEqual(combine(top<Date>(2), given).map(Number), [Number.NaN, 2]);
  }
});

test('what has no order is refused in any order, and not left to chance', () => {
  for (const combiner of [max, min, top<unknown>(1)]) {
    for (const given of [
      [3, undefined],
      [undefined, 3],
      [null, -1],
      [-1, null],
      ['10', 9],
      [9, '10'],
      [{ a: 1 }, { a: 2 }],
      [[10], [9]],
      [Uint8Array.of(10), Uint8Array.of(9)],
      [new Map([[1, 1]]), new Map([[2, 2]])],
      [/b/, /a/],
      [Decimal.from('1'), 2],
    ]) {
      for (const parts of [[given], given.map((one) => [one])]) {
        assert.throws(() => combine(combiner as typeof max, parts), { code: 'INVALID_ARGUMENT' });
      }
    }
  }
  assert.equal(combine(max, [[3], [4n]]), 4n);
  assert.deepEqual(
    combine(
      top<number | undefined>(2, (a, b) => a! - b!),
      [[undefined, 1]],
    ),
    [1, undefined],
  );
});

test('max, min and top have one order, that of what values stand for and never of their text', () => {
  const instant = (n: number) => new MicrosInstant(BigInt(n));
  const money = (n: number) => Decimal.from(`${n}.0`);
  for (const make of [Number, BigInt, (n: number) => new Date(n), instant, money]) {
    const [minusOne, nine, ten] = [-1, 9, 10].map((n) => make(n) as unknown);
    for (const given of [[[nine], [ten, minusOne]], [[ten, minusOne, nine]]]) {
      assert.deepEqual(combine(max, given), ten);
      assert.deepEqual(combine(min, given), minusOne);
      assert.deepEqual(combine(top<unknown>(2), given), [ten, nine]);
    }
  }
  for (const given of [[[0, -0]], [[-0], [0]]]) {
    assert.deepEqual([combine(max, given), combine(min, given)], [0, -0]);
    assert.deepEqual(combine(top<number>(2), given), [0, -0]);
  }
  assert.deepEqual(combine(top<number>(2), [[1, Number.NaN, 2]]), [Number.NaN, 2]);
  assert.deepEqual(combine(min, [[1], [Number.NaN], [0]]), Number.NaN);
});

test('a function of two values combines, undefined among them', () => {
  const joined = binaryCombineFn((a: string, b: string) => [...`${a}${b}`].sort().join(''));
  assert.equal(combine(joined, [['b'], [], ['c', 'a']]), 'abc');
  assert.equal(combine(joined, [[], []]), undefined);
  const ever = binaryCombineFn<number | undefined>((a, b) => (a === undefined ? a : b));
  assert.equal(combine(ever, [[undefined, 1]]), undefined);
});

test('top gives the greatest in order, toList everything', () => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 5 }), (given, size) => {
      const sorted = given.flat().sort((a, b) => b - a);
      assert.deepEqual(combine(top<number>(size), given), sorted.slice(0, size));
      assert.deepEqual(combine(toList<number>(), given), given.flat());
    }),
  );
  const many = Array.from({ length: 5000 }, (_, i) => (i * 7919) % 5000);
  assert.deepEqual(
    combine(
      top<number>(2, (a, b) => b - a),
      [many, many],
    ),
    [0, 0],
  );
});

test('sample gives as many as asked for, of what there is', () => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 5 }), (given, size) => {
      const all = given.flat();
      const chosen = combine(sample<number>(size), given);
      assert.equal(chosen.length, Math.min(size, all.length));
      for (const one of chosen) assert.ok(all.includes(one));
    }),
  );
});

test('sample is fair to parts of different sizes', () => {
  const large = Array.from({ length: 90 }, () => 'large');
  const small = Array.from({ length: 10 }, () => 'small');
  let fromSmall = 0;
  for (let i = 0; i < 2000; i++) {
    fromSmall += combine(sample<string>(5), [large, small]).filter((x) => x === 'small').length;
  }
  // 10,000 draws of which a tenth are expected: far outside seven standard deviations.
  assert.ok(fromSmall > 750 && fromSmall < 1250, `${fromSmall}`);
});

test('several combiners together give what each gives alone', () => {
  fc.assert(
    fc.property(parts, (given) => {
      const together = combineTogether([
        sum as CombineFn<unknown, unknown, unknown>,
        max,
        mean as CombineFn<unknown, unknown, unknown>,
      ]);
      assert.deepEqual(
        combine(
          together,
          given.map((part) => part.map((n) => [n, n, n])),
        ),
        [combine(sum, given), combine(max, given), combine(mean, given)],
      );
    }),
  );
});

test('sum and mean refuse what is no number', () => {
  for (const fn of [sum, mean] as CombineFn<number, unknown, number>[]) {
    assert.throws(() => fn.addInput(fn.createAccumulator(), '1' as unknown as number), {
      code: 'INVALID_ARGUMENT',
    });
  }
});
