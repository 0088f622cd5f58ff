// SPDX-License-Identifier: Apache-2.0
// Rows without a key, where RunInference.ofKVs takes keys: functions in front of the model do not make any.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KV } from '../../../src/coders/index.ts';
import { modelHandler, RunInference } from '../../../src/ml/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { int64, nullable } from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';

const handler = modelHandler({
  name: 'adds one',
  example: int64,
  inference: int64,
  loadModel: () => null,
  runInference: (batch: readonly number[]) => batch.map((n) => n + 1),
});
// Even a key that may be missing, and a function that takes anything.
const scoring = RunInference.ofKVs(handler, nullable(int64)).withPreprocess(
  (n: number | undefined) => n ?? 41,
);
const rows = [{ key: 1, value: 1 }, { id: 2 }, 3] as unknown as KV<number, number>[];

test('a row without a key is refused in front of a preprocessing function', async () => {
  await assert.rejects(
    createRunner({ progress: false }).run((root) => root.apply(create(rows)).apply(scoring)),
    { code: 'ROW_MISMATCH', message: /RunInference\.ofKVs takes \{ key, value \}/ },
  );
});

test('a dead letter of a row without a key is the row as it came', async () => {
  const predicted: unknown[] = [];
  const failed: unknown[] = [];
  await createRunner({ progress: false }).run((root) => {
    const results = root.apply(create(rows)).apply(scoring.withDeadLetters());
    results.predictions.map(({ key }) => void predicted.push(key));
    results.failed.map(({ element }) => void failed.push(element));
  });
  assert.deepEqual(predicted, [1]);
  assert.deepEqual(failed, [{ id: 2 }, 3]);
});
