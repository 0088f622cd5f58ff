// SPDX-License-Identifier: Apache-2.0
// How often a model of this process is called when rows fail, and what is counted of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelHandler, RunInference } from '../../../src/ml/index.ts';
import type { LocalBatching } from '../../../src/ml/local/batch-sizes.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { int64, row } from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';

const runner = createRunner({ runner: 'node' });

/** Scores 0 to `count` - 1, of which some are bad, with dead letters. */
async function score(count: number, bad: readonly number[], batching: LocalBatching<number>) {
  const calls: number[][] = [];
  const handler = modelHandler({
    name: 'picky',
    example: int64,
    inference: int64,
    batching,
    loadModel: () => null,
    runInference: (batch: readonly number[]) => {
      calls.push([...batch]);
      if (batch.some((n) => bad.includes(n))) throw new Error('bad');
      return batch.map((n) => n + 1);
    },
  });
  const good: number[] = [];
  const failed: number[] = [];
  const result = await runner.run((root) => {
    const outputs = root
      .apply(create(Array.from({ length: count }, (_, i) => i)))
      .apply(RunInference.of(handler).withDeadLetters({ threshold: 1 }));
    outputs.predictions.map(({ example, inference }) => {
      assert.equal(inference, example + 1);
      good.push(example);
    });
    outputs.failed.map(({ element }) => failed.push(element as number));
  });
  assert.deepEqual(
    [...good, ...failed].sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => i),
  );
  const metrics = await result.metrics();
  const counted = (name: string) => metrics.query({ name }).counters[0]?.value ?? 0;
  return {
    calls,
    failed: failed.sort((a, b) => a - b),
    inferences: counted('num_inferences'),
    failedCalls: counted('failed_batches_counter'),
  };
}

test('a call for each row is made once for each row, whichever fails', async () => {
  for (const bad of [[299], [0], [7, 8, 150]]) {
    const { calls, failed, inferences, failedCalls } = await score(300, bad, { maxSize: 1 });
    assert.equal(calls.length, 300);
    assert.deepEqual(failed, bad);
    assert.equal(inferences, 300 - bad.length);
    assert.equal(failedCalls, bad.length);
  }
});

test('only the call that failed is tried again in halves, and each prediction is counted once', async () => {
  const { calls, failed, inferences } = await score(40, [19], { minSize: 8, maxSize: 8 });
  assert.deepEqual(failed, [19]);
  assert.equal(inferences, 39);
  const sizes = calls.map((call) => call.length);
  // 16 to 23 fail, then 16 to 19, 18 and 19, 19.
  assert.deepEqual(sizes, [8, 8, 8, 4, 2, 2, 1, 1, 4, 8, 8]);
  assert.ok(calls.filter((call) => call.includes(0)).length === 1);
});

test('a prediction that refers to itself is refused by its type, be it in the only call or in one of several', async () => {
  for (const maxSize of [1, 2]) {
    const handler = modelHandler({
      name: 'cyclic',
      example: int64,
      inference: row({ score: int64 }),
      batching: { maxSize },
      loadModel: () => null,
      runInference: (batch: readonly number[]) =>
        batch.map((score) => {
          const prediction: { score: number; self?: unknown } = { score };
          prediction.self = prediction;
          return prediction;
        }),
    });
    const run = runner.run((root) => {
      root.apply(create([1, 2])).apply(RunInference.of(handler));
    });
    await assert.rejects(run, { code: 'INFERENCE_MISMATCH', message: /field inference\.self is/ });
  }
});

test('an example that cannot be weighed fails alone', async () => {
  const weightOf = (n: number) => {
    if (n === 5) throw new Error('weightless');
    return n === 9 ? Number.NaN : 1;
  };
  const { calls, failed } = await score(12, [], { maxWeight: 4, weightOf });
  assert.deepEqual(failed, [5, 9]);
  assert.deepEqual(calls, [[0, 1, 2, 3], [4], [6, 7, 8], [10, 11]]);
});
