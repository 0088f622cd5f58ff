// SPDX-License-Identifier: Apache-2.0
// Combiners, lifted or not.

import type { ByteReader, ByteWriter } from '../../../src/base/index.ts';
import { type Coder, type CoderSpec, registerCoder } from '../../../src/coders/index.ts';
import { assertContentsSatisfies, assertDeepEqual } from '../../../src/testing/index.ts';
import {
  afterCount,
  afterWatermark,
  assignTimestamps,
  binaryCombineFn,
  type CombineFn,
  combineGlobally,
  combinePerKey,
  count,
  countGlobally,
  countPerElement,
  create,
  fixedWindows,
  groupBy,
  groupGlobally,
  max,
  mean,
  min,
  sample,
  sum,
  sumBigInt,
  toList,
  top,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

const pairs = [
  { key: 'a', value: 1 },
  { key: 'b', value: 5 },
  { key: 'a', value: 3 },
];
const rows = [
  { k: 'k1', a: 1, b: 100 },
  { k: 'k1', a: 2, b: 200 },
  { k: 'k2', a: 9, b: 1000 },
];

interface Moments {
  count: number;
  sum: number;
  squares: number;
}

const variance: CombineFn<number, Moments, number> = {
  beamName: 'variance',
  createAccumulator: () => ({ count: 0, sum: 0, squares: 0 }),
  addInput: (acc, n) => ({
    count: acc.count + 1,
    sum: acc.sum + n,
    squares: acc.squares + n * n,
  }),
  mergeAccumulators(accumulators) {
    const all = { count: 0, sum: 0, squares: 0 };
    for (const one of accumulators) {
      all.count += one.count;
      all.sum += one.sum;
      all.squares += one.squares;
    }
    return all;
  },
  extractOutput: ({ count, sum, squares }) => squares / count - (sum / count) ** 2,
};

/** An accumulator that is no plain value, so that only a coder of its own can write it. */
class Tally {
  constructor(readonly n: number) {}
}

class TallyCoder implements Coder<Tally> {
  static readonly URN = 'beambridge:test:tally:v1';
  readonly name = 'tally';
  readonly deterministic = true;

  encode({ n }: Tally, out: ByteWriter): void {
    out.varint(n);
  }
  decode(input: ByteReader): Tally {
    return new Tally(input.varint());
  }
  spec(): CoderSpec {
    return { urn: TallyCoder.URN };
  }
}
registerCoder(TallyCoder.URN, () => new TallyCoder());

const withOwnCoder: CombineFn<unknown, Tally, number> = {
  createAccumulator: () => new Tally(0),
  addInput: (tally) => new Tally(tally.n + 1),
  mergeAccumulators: (tallies) => new Tally([...tallies].reduce((all, { n }) => all + n, 0)),
  extractOutput: ({ n }) => n,
  accumulatorCoder: () => new TallyCoder(),
};

export const combining: Cases = [
  {
    name: 'combinePerKey with sum, max, min, mean and count',
    build: (root) => {
      const input = root.apply(create(pairs));
      const expect = (a: number, b: number) => [
        { key: 'a', value: a },
        { key: 'b', value: b },
      ];
      input.apply(combinePerKey(sum)).apply(assertDeepEqual(expect(4, 5)));
      input.apply(combinePerKey(max)).apply(assertDeepEqual(expect(3, 5)));
      input.apply(combinePerKey(min)).apply(assertDeepEqual(expect(1, 5)));
      input.apply(combinePerKey(mean)).apply(assertDeepEqual(expect(2, 5)));
      input.apply(combinePerKey(count)).apply(assertDeepEqual<unknown>(expect(2, 1)));
    },
  },
  {
    name: 'combinePerKey with functions of two values',
    build: (root) => {
      const input = root.apply(create(pairs));
      input.apply(combinePerKey((a, b) => a * b)).apply(
        assertDeepEqual([
          { key: 'a', value: 3 },
          { key: 'b', value: 5 },
        ]),
      );
      input.apply(combinePerKey(binaryCombineFn(Math.max))).apply(
        assertDeepEqual([
          { key: 'a', value: 3 },
          { key: 'b', value: 5 },
        ]),
      );
    },
  },
  {
    name: 'many values of few keys',
    build: (root) => {
      root
        .apply(create(Array.from({ length: 10_000 }, (_, i) => ({ key: i % 3, value: i }))))
        .apply(combinePerKey(sum))
        .apply(
          assertDeepEqual(
            [0, 1, 2].map((key) => {
              let value = 0;
              for (let i = key; i < 10_000; i += 3) value += i;
              return { key, value };
            }),
          ),
        );
    },
  },
  {
    name: 'bigints, dates and strings combine',
    build: (root) => {
      root
        .apply(create([2n ** 70n, 1n]))
        .apply(combineGlobally(sumBigInt))
        .apply(assertDeepEqual([2n ** 70n + 1n]));
      root
        .apply(create([new Date(5), new Date(7)]))
        .apply(combineGlobally(max))
        .apply(assertDeepEqual([new Date(7)]));
      root
        .apply(create(['b', 'a', 'c']))
        .apply(combineGlobally(min))
        .apply(assertDeepEqual(['a']));
    },
  },
  {
    name: 'combineGlobally, also of nothing',
    build: (root) => {
      const none = root.apply(create<number>([]));
      root
        .apply(create([1, 2, 3]))
        .apply(combineGlobally(sum))
        .apply(assertDeepEqual([6]));
      none.apply(combineGlobally(sum)).apply(assertDeepEqual([0]));
      none.apply(combineGlobally(max)).apply(assertDeepEqual<unknown>([undefined]));
      none.apply(combineGlobally(mean)).apply(assertDeepEqual([Number.NaN]));
    },
  },
  {
    name: 'countGlobally, also of nothing',
    build: (root) => {
      root
        .apply(create(['a', 'b', 'a']))
        .apply(countGlobally())
        .apply(assertDeepEqual([3]));
      root
        .apply(create<string>([]))
        .apply(countGlobally())
        .apply(assertDeepEqual([0]));
    },
  },
  {
    name: 'countPerElement',
    build: (root) => {
      root
        .apply(create(['to', 'be', 'or', 'not', 'to', 'be']))
        .apply(countPerElement())
        .apply(
          assertDeepEqual([
            { element: 'to', count: 2 },
            { element: 'be', count: 2 },
            { element: 'or', count: 1 },
            { element: 'not', count: 1 },
          ]),
        );
    },
  },
  {
    name: 'groupBy a field, with several combiners',
    build: (root) => {
      root
        .apply(create(rows))
        .apply(
          groupBy('k')
            .combining('a', max, 'aMax')
            .combining('a', sum, 'aSum')
            .combining('b', mean, 'mean'),
        )
        .apply(
          assertDeepEqual([
            { k: 'k1', aMax: 2, aSum: 3, mean: 150 },
            { k: 'k2', aMax: 9, aSum: 9, mean: 1000 },
          ]),
        );
    },
  },
  {
    name: 'groupBy several fields, with a combiner',
    build: (root) => {
      root
        .apply(
          create([
            { a: 1, b: 10, c: 100 },
            { a: 2, b: 10, c: 100 },
            { a: 1, b: 10, c: 400 },
          ]),
        )
        .apply(groupBy(['a', 'b']).combining('c', sum, 'sum'))
        .apply(
          assertDeepEqual([
            { a: 1, b: 10, sum: 500 },
            { a: 2, b: 10, sum: 100 },
          ]),
        );
    },
  },
  {
    name: 'groupBy a function, with combiners of functions',
    build: (root) => {
      root
        .apply(create(rows))
        .apply(
          groupBy((row: (typeof rows)[0]) => row.a % 2, 'odd')
            .combining(
              (row) => row.b,
              (x, y) => x + y,
              'b',
            )
            .combining('k', count as CombineFn<string, number, number>, 'n'),
        )
        .apply(
          assertDeepEqual([
            { odd: 1, b: 1100, n: 2 },
            { odd: 0, b: 200, n: 1 },
          ]),
        );
    },
  },
  {
    name: 'groupGlobally with combiners, a user’s own among them',
    build: (root) => {
      root
        .apply(create([1, 2, 3, 4]))
        .apply(
          groupGlobally<number>()
            .combining((n) => n, mean, 'mean')
            .combining((n) => n, variance, 'variance')
            .combining((n) => n, withOwnCoder, 'count'),
        )
        .apply(assertDeepEqual([{ mean: 2.5, variance: 1.25, count: 4 }]));
    },
  },
  {
    name: 'an accumulator goes through its own coder',
    build: (root) => {
      root
        .apply(create(pairs))
        .apply(combinePerKey(withOwnCoder as CombineFn<number, Tally, number>))
        .apply(
          assertDeepEqual([
            { key: 'a', value: 2 },
            { key: 'b', value: 1 },
          ]),
        );
    },
  },
  {
    name: 'combining after the grouping, where a trigger forbids it before',
    build: (root) => {
      const trigger = afterWatermark().withLateFirings(afterCount(2));
      root
        .apply(create([1, 2, 11]))
        .apply(assignTimestamps((s) => s * 1000))
        .apply(windowInto(fixedWindows(10), { trigger, accumulationMode: 'discarding' }))
        .map((value) => ({ key: 'k', value }))
        .apply(combinePerKey(sum))
        .map(({ value }) => value)
        .apply(assertDeepEqual([3, 11]));
    },
  },
  {
    name: 'top, toList and sample',
    build: (root) => {
      const numbers = root.apply(create(Array.from({ length: 1000 }, (_, i) => i)));
      numbers.apply(combineGlobally(top<number>(3))).apply(assertDeepEqual([[999, 998, 997]]));
      numbers
        .apply(combineGlobally(toList<number>()))
        .map((all) => all.length)
        .apply(assertDeepEqual([1000]));
      numbers.apply(combineGlobally(sample<number>(5))).apply(
        assertContentsSatisfies(([chosen]) => {
          if (new Set(chosen).size !== 5) throw new Error(`sampled ${chosen}`);
        }),
      );
    },
  },
  {
    name: 'sum of what is no number fails the run',
    build: (root) => {
      root.apply(create(['1', '2'] as unknown as number[])).apply(combineGlobally(sum));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /sum was given string "[12]"/ },
  },
  {
    name: 'a combiner that throws fails the run',
    build: (root) => {
      root.apply(create(pairs)).apply(
        combinePerKey((): number => {
          throw new Error('cannot combine');
        }),
      );
    },
    fails: { code: 'USER_CODE_FAILED', message: /cannot combine/ },
  },
];
