// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunInference, sklearn } from '../../../src/ml/index.ts';
import { firstDifference, graphDigest, Pipeline, Root } from '../../../src/pipeline/index.ts';
import { array, float64, int64 } from '../../../src/schema/index.ts';
import {
  assignTimestamps,
  combinePerKey,
  create,
  fixedWindows,
  groupByKey,
  iterableSideInput,
  max,
  reshuffle,
  sum,
  windowInto,
  withSchema,
} from '../../../src/transforms/index.ts';

function digest(construct: (root: Root) => unknown) {
  const pipeline = new Pipeline();
  construct(new Root(pipeline));
  return graphDigest(pipeline);
}

const double = (n: number) => n * 2;
const half = (n: number) => n / 2;

function everything(root: Root, { seconds = 10, type = int64, path = 'digits.pkl' } = {}) {
  const numbers = root.apply(create([1, 2, 3])).apply(withSchema(type));
  const others = root.apply(create([4])).map(double);
  const keyed = numbers
    .map((n, { others }) => n + [...others.lookup()].length, { others: iterableSideInput(others) })
    .apply(assignTimestamps((n) => n))
    .apply(windowInto(fixedWindows(seconds)))
    .map((n) => ({ key: `${n}`, value: n }));
  keyed.apply(reshuffle()).apply(groupByKey());
  keyed.apply(combinePerKey(sum));
  numbers
    .map((n) => [n])
    .apply(RunInference.of(sklearn({ modelUri: path, example: array(int64), inference: int64 })));
}

test('two constructions of one pipeline have the same digest', () => {
  const one = digest(everything);
  assert.deepEqual(digest(everything), one);
  assert.equal(firstDifference(one, digest(everything)), undefined);
});

test('elements that come out otherwise are a difference', () => {
  const holding = (...elements: unknown[]) => digest((root) => root.apply(create(elements)));
  assert.equal(firstDifference(holding(1, { a: 'b' }), holding(1, { a: 'b' })), undefined);
  const what = 'holds other elements';
  const transform = 'create';
  assert.deepEqual(firstDifference(holding(1, 2), holding(1, 3)), { transform, what });
  assert.deepEqual(firstDifference(holding(), holding(1)), { transform, what });
});

test('where a model lies is no difference: folders are those of a machine', () => {
  const elsewhere = digest((root) => everything(root, { path: 'elsewhere/digits.pkl' }));
  assert.deepEqual(elsewhere, digest(everything));
});

test('a function of another name is the first transform that differs', () => {
  const difference = firstDifference(
    digest((root) =>
      root
        .apply(create([1]))
        .map(double)
        .map(String),
    ),
    digest((root) =>
      root
        .apply(create([1]))
        .map(half)
        .map(String),
    ),
  );
  assert.deepEqual(difference, {
    transform: 'map(half)',
    what: 'was applied where map(double) was submitted',
  });
});

test('another window is a difference of the transform that windows', () => {
  const difference = firstDifference(
    digest(everything),
    digest((root) => everything(root, { seconds: 20 })),
  );
  assert.match(difference!.transform, /^windowInto/);
});

test('another declared type is a difference of the coders, and names the transform that declares', () => {
  const difference = firstDifference(
    digest(everything),
    digest((root) => everything(root, { type: float64 as never })),
  );
  assert.match(difference!.transform, /^withSchema/);
  assert.equal(difference!.what, 'has outputs with other coders');
});

test('another combiner, and another input, are differences', () => {
  const combined = (combine: typeof sum | typeof max) => (root: Root) =>
    root
      .apply(create([1]))
      .map((n) => ({ key: 'k', value: n }))
      .apply(combinePerKey(combine));
  assert.ok(firstDifference(digest(combined(sum)), digest(combined(max))));

  const joined = (second: boolean) => (root: Root) => {
    const [a, b] = [root.apply(create([1])), root.apply(create([2]))];
    (second ? b : a).map(double);
  };
  assert.deepEqual(firstDifference(digest(joined(false)), digest(joined(true))), {
    transform: 'map(double)',
    what: 'is of another kind, or has other inputs or outputs',
  });
});

test('a transform that is missing, and one too many, are named', () => {
  const one = (root: Root) => root.apply(create([1])).map(double);
  const two = (root: Root) => one(root).map(half);
  assert.deepEqual(firstDifference(digest(two), digest(one)), {
    transform: 'map(half)',
    what: 'was not applied',
  });
  assert.deepEqual(firstDifference(digest(one), digest(two)), {
    transform: 'map(half)',
    what: 'was not part of what was submitted',
  });
});

test('a coder behind a transform does not change the digest of the transform', () => {
  const start = (root: Root) =>
    root
      .apply(create([1]))
      .apply(withSchema(int64))
      .map(double);
  const plain = digest(start);
  const longer = digest((root) => start(root).apply(withSchema(float64)));
  assert.deepEqual(longer.slice(0, plain.length), plain);
});
