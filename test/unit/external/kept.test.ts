// SPDX-License-Identifier: Apache-2.0
// As what the requests of a pipeline are known again. What a host keeps of them is tested in test/integration/kept-runs.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptAs } from '../../../src/external/index.ts';
import { RunInference, sklearn } from '../../../src/ml/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { array, float64, int64 } from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';

function scoring(modelUri: string): Pipeline {
  const pipeline = new Pipeline();
  const model = sklearn({ modelUri, example: array(float64), inference: int64 });
  new Root(pipeline).apply(create([[1]], { schema: array(float64) })).apply(RunInference.of(model));
  return pipeline;
}

test('two pipelines that ask the same have the same key, and others have others', () => {
  const key = keptAs(scoring('/models/one.pkl'), '')!.key;
  assert.equal(keptAs(scoring('/models/one.pkl'), '')!.key, key);
  assert.notEqual(keptAs(scoring('/models/other.pkl'), '')!.key, key);
});

test('nothing is kept of a Python that the user named', () => {
  assert.equal(keptAs(scoring('/models/one.pkl'), '/usr/bin/python3'), undefined);
});
