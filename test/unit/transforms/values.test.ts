// SPDX-License-Identifier: Apache-2.0
// A value is the same wherever it goes: generators, combiners' accumulators, NaN, optional fields.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeValue, encodeValue, JsCoder } from '../../../src/coders/index.ts';
import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import {
  afterCount,
  assignTimestamps,
  type CombineFn,
  combineGlobally,
  combinePerKey,
  counter,
  create,
  groupBy,
  groupByKey,
  max,
  min,
  repeatedly,
  slidingWindows,
  split,
  timestampParam,
  top,
  windowInto,
  windowParam,
} from '../../../src/transforms/index.ts';

async function collect<T>(build: (root: Root) => PCollection<T>): Promise<T[]> {
  const seen: T[] = [];
  await createRunner({ runner: 'node' }).run((root) => {
    build(root).map((element) => {
      seen.push(element);
    });
  });
  return seen;
}

test('create of a generator may be applied twice', async () => {
  const once = create(
    (function* () {
      yield 1;
      yield 2;
    })(),
  );
  const first = await collect((root) => root.apply(once));
  assert.deepEqual(
    [first, await collect((root) => root.apply(once))],
    [
      [1, 2],
      [1, 2],
    ],
  );
});

test('a combining function that changes its first argument changes nothing of another window', async () => {
  const found = await collect((root) =>
    root
      .apply(
        create([
          { key: 'a', value: { n: 1, at: 0 } },
          { key: 'a', value: { n: 10, at: 6_000 } },
        ]),
      )
      .apply(assignTimestamps(({ value }) => value.at))
      .apply(windowInto(slidingWindows(10, 5)))
      .apply(
        combinePerKey((a: { n: number; at: number }, b: { n: number; at: number }) => {
          a.n += b.n;
          return a;
        }),
      )
      .map(({ value }, { window }) => [(window.lookup() as { start?: number }).start, value.n], {
        window: windowParam(),
      }),
  );
  assert.deepEqual(
    found.sort((a, b) => Number(a[0]) - Number(b[0])),
    [
      [-5000, 1],
      [0, 11],
      [5000, 10],
    ],
  );
});

interface Score {
  n: number;
  seen: number;
}
/** May give back its second argument, and changes its first. */
const best = (a: Score, b: Score): Score => {
  if (b.n > a.n) return b;
  a.seen += b.seen;
  return a;
};
/** The same as a combiner, whose accumulators may be inputs, also when they are merged. */
const bestOf: CombineFn<Score, Score | undefined, Score | undefined> = {
  createAccumulator: () => undefined,
  addInput: (a, b) => (a ? best(a, b) : b),
  mergeAccumulators: (all) => [...all].reduce((a, b) => (a && b ? best(a, b) : (a ?? b))),
  extractOutput: (a) => a,
};
const SCORES = [
  { n: 1, seen: 1 },
  { n: 5, seen: 1 },
  { n: 2, seen: 1 },
];

for (const [how, combined] of Object.entries({
  'a combining function': () => combinePerKey(best),
  'a combiner': () => combinePerKey(bestOf),
})) {
  for (const accumulatesOnce of [true, false]) {
    test(`${how} that returns its input changes nothing of other windows and steps${accumulatesOnce ? '' : ', grouped before'}`, async () => {
      const groups: Score[][] = [];
      const found = await collect((root) => {
        const scores = root.apply(create(SCORES)).map((value) => ({ key: 'k', value }));
        const inWindows = scores.apply(assignTimestamps(() => 6_000)).apply(
          windowInto(slidingWindows(10, 5), {
            ...(accumulatesOnce
              ? {}
              : { trigger: repeatedly(afterCount(3)), accumulationMode: 'discarding' as const }),
          }),
        );
        const best = inWindows.apply(combined() as ReturnType<typeof combinePerKey<string, Score>>);
        scores.apply(groupByKey()).map(({ value }) => groups.push([...value]));
        return best.map(({ value }) => value);
      });
      assert.deepEqual(found, [
        { n: 5, seen: 2 },
        { n: 5, seen: 2 },
      ]);
      assert.deepEqual(groups, [SCORES]);
    });
  }
}

test('combiners side by side that return their input have a copy each', async () => {
  const found = await collect((root) =>
    root
      .apply(create(SCORES))
      .map((score) => ({ k: 'k', score }))
      .apply(groupBy('k').combining('score', bestOf, 'first').combining('score', bestOf, 'second')),
  );
  const score = { n: 5, seen: 2 };
  assert.deepEqual(found, [{ k: 'k', first: score, second: score }]);
});

test('whether a value can be encoded is not asked of one in so many', async () => {
  class Foo {
    constructor(readonly i: number) {}
  }
  for (const at of [3, 555, 640, 768]) {
    const found = await collect((root) =>
      root
        .apply(create([0]))
        .flatMap(function* (): Generator<{ i: number }> {
          for (let i = 0; i < 1000; i++) yield i === at ? new Foo(i) : { i };
        })
        .apply(groupBy(() => 0))
        .map(({ value }) => [...value].length),
    );
    assert.deepEqual(found, [1000]);
  }
});

test('NaN is the greatest and the least in every order, and above all in top', async () => {
  for (const numbers of [
    [NaN, 1, 2],
    [1, NaN, 2],
    [2, 1, NaN],
  ]) {
    const of = (combiner: Parameters<typeof combineGlobally<number>>[0]) =>
      collect((root) => root.apply(create(numbers)).apply(combineGlobally(combiner)));
    assert.deepEqual(await of(max), [NaN]);
    assert.deepEqual(await of(min), [NaN]);
    assert.deepEqual(
      await collect((root) => root.apply(create(numbers)).apply(combineGlobally(top<number>(2)))),
      [[NaN, 2]],
    );
  }
});

test('split takes an optional field that is undefined for none', async () => {
  type Line = { good?: number; bad?: string | undefined };
  const found = await collect((root) => {
    const lines: Line[] = [{ good: 1, bad: undefined }];
    return root.apply(create(lines)).apply(split<Line>(['good', 'bad'])).good;
  });
  assert.deepEqual(found, [1]);
});

test('errors keep their own fields and matches their groups', () => {
  const through = (value: unknown) =>
    decodeValue(new JsCoder(), encodeValue(new JsCoder(), value as never)) as never;
  const error: { code: string; message: string; stack: string } = through(
    Object.assign(new RangeError('x'), { code: 'ENOENT', inner: { n: 1 } }),
  );
  assert.ok(error instanceof RangeError);
  assert.equal(error.code, 'ENOENT');
  assert.equal(error.message, 'x');
  const match = /(?<year>\d+)-(\d+)/.exec('in 2026-11')!;
  const found: RegExpExecArray = through(match);
  assert.deepEqual([...found], ['2026-11', '2026', '11']);
  assert.deepEqual({ ...found.groups }, { year: '2026' });
  assert.equal(found.index, 3);
  assert.equal(found.input, 'in 2026-11');
});

test('a parameter that is not taken from the context refuses, by its name', async () => {
  const bad = counter('bad');
  const ts = timestampParam();
  const run = (fn: (x: number, context: never) => unknown, context: unknown) =>
    collect((root) => root.apply(create([1])).map(fn as never, context as never));
  const refusal = (named: RegExp) => ({
    code: 'INVALID_ARGUMENT',
    message: named,
    hint: /second argument/,
  });
  await assert.rejects(
    run(() => bad.increment(), { bad, ts }),
    refusal(/the Counter "bad"/),
  );
  await assert.rejects(
    run(() => ts.lookup(), { bad, ts }),
    refusal(/a TimestampParam/),
  );
  await assert.rejects(
    run((_x, context: { m: { bad: typeof bad } }) => context.m.bad.increment(), { m: { bad } }),
    refusal(/the Counter "bad"/),
  );
});

test('timestamps of the package long are taken, and a composite may have no output under a name', async () => {
  const long = { toNumber: () => 5 } as unknown as number;
  const found = await collect((root) => {
    const { a } = root.apply((input: Root) => ({ a: input.apply(create([1])), z: null }));
    return a
      .apply(assignTimestamps(() => long))
      .map((_, { at }) => at.lookup(), { at: timestampParam() });
  });
  assert.deepEqual(found, [5]);
});

test('a minus zero stays one, whatever element it is made of', async () => {
  const seen: unknown[] = [];
  for (const forceEncoding of [false, true]) {
    await createRunner({ runner: 'node', forceEncoding }).run((root) => {
      root
        .apply(create([0, 1]))
        .map((x) => -x)
        .map((x) => void seen.push(x));
      root.apply(create([-0, 1])).map((x) => void seen.push(x));
    });
  }
  const zeros = seen.filter((value) => value === 0);
  assert.deepEqual(zeros, [-0, -0, -0, -0]);
  assert.ok(zeros.every((value) => Object.is(value, -0)));
});
