// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pythonTransform } from '../../../src/external/index.ts';
import { RunInference, sklearn } from '../../../src/ml/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { pythonNeeds } from '../../../src/runners/expansion-services.ts';
import { int64, string } from '../../../src/schema/index.ts';
import { create, impulse } from '../../../src/transforms/index.ts';

interface Asked {
  extras?: readonly string[];
  packages?: readonly string[];
  expansionService?: string;
}

function needsOf(...transforms: Asked[]) {
  const root = new Root(new Pipeline());
  const words = root.apply(impulse());
  for (const options of transforms) {
    words.apply(pythonTransform('apache_beam.Map', [], {}, { output: string, ...options }));
  }
  return pythonNeeds(root.pipeline).map(({ extras, packages }) => ({ extras, packages }));
}

test('a pipeline without Python needs a plain one, if any', () => {
  assert.deepEqual(needsOf(), [{ extras: [], packages: [] }]);
});

test('each transform has an environment of what it asks for', () => {
  assert.deepEqual(needsOf({ extras: ['torch'] }, { extras: ['sklearn'] }), [
    { extras: ['torch'], packages: [] },
    { extras: ['sklearn'], packages: [] },
  ]);
  assert.deepEqual(needsOf({ packages: ['x==1'] }, { packages: ['x==2'] }), [
    { extras: [], packages: ['x==1'] },
    { extras: [], packages: ['x==2'] },
  ]);
});

test('one that asks for less, or the same, shares', () => {
  assert.deepEqual(
    needsOf(
      {},
      { extras: ['sklearn', 'torch'] },
      { extras: ['torch'] },
      { extras: ['torch', 'sklearn'] },
    ),
    [{ extras: ['sklearn', 'torch'], packages: [] }],
  );
  assert.deepEqual(needsOf({ extras: ['torch'] }, { extras: ['torch'], packages: ['b', 'a'] }), [
    { extras: ['torch'], packages: ['a', 'b'] },
  ]);
});

test('what stages from an address need is in the environment of the runner', () => {
  assert.deepEqual(
    needsOf(
      { extras: ['torch'], expansionService: 'localhost:1' },
      { extras: ['sklearn'] },
      { extras: ['onnx'] },
    ),
    [
      { extras: ['sklearn', 'torch'], packages: [] },
      { extras: ['onnx'], packages: [] },
    ],
  );
});

test('an environment may be larger only where no Python code of the program runs in it', () => {
  const isExact = (construct: (root: Root) => void) => {
    const root = new Root(new Pipeline());
    construct(root);
    return pythonNeeds(root.pipeline).map((needs) => needs.isExact);
  };
  const plain = (root: Root) =>
    root.apply(impulse()).apply(pythonTransform('apache_beam.Map', [], {}, { output: string }));
  const digits = sklearn({ modelUri: 'digits.pkl', example: int64, inference: int64 });
  const score = (root: Root) => root.apply(create([1])).apply(RunInference.of(digits));
  assert.deepEqual(
    isExact(() => {}),
    [false],
  );
  assert.deepEqual(isExact(score), [false]);
  assert.deepEqual(isExact(plain), [true]);
  assert.deepEqual(
    isExact((root) => {
      plain(root);
      score(root);
    }),
    [true],
  );
});
