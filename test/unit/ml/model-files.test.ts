// SPDX-License-Identifier: Apache-2.0
// Which models are looked for on this machine before a Python environment is built.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunInference, sklearn, withTestModel } from '../../../src/ml/index.ts';
import type { Root } from '../../../src/pipeline/index.ts';
import { array, int64 } from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';
import { build } from '../transforms/graph.ts';

const missing = sklearn({ modelUri: '/no/such.pkl', example: array(int64), inference: int64 });
const scoring = (root: Root) => root.apply(create([[1]])).apply(RunInference.of(missing));

test('a model that is not there', async () => {
  await assert.rejects(build(scoring).pipeline.checkFiles(['program', 'Python']), {
    code: 'MODEL_NOT_FOUND',
    transform: 'RunInference',
  });
});

test('not one that a test model stands for', async () => {
  const { pipeline } = withTestModel(
    (batch) => batch.map(() => 1),
    () => build(scoring),
  );
  await pipeline.checkFiles(['program', 'Python']);
});

test('not one that an expansion service of somebody else reads', async () => {
  await build(scoring).pipeline.checkFiles(['program']);
  const theirs = RunInference.of(missing).withExpansionService('127.0.0.1:1');
  const { pipeline } = build((root) => root.apply(create([[1]])).apply(theirs));
  await pipeline.checkFiles(['program', 'Python']);
});
