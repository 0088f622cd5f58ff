// SPDX-License-Identifier: Apache-2.0
// The models of this process: one of each, whoever comes while another goes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { modelHandler } from '../../../src/ml/index.ts';
import { acquireModel } from '../../../src/ml/local/loaded-models.ts';
import { int64 } from '../../../src/schema/index.ts';

test('a model is loaded anew once the one before it is closed, and another model at once', async () => {
  const calls: string[] = [];
  let close = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const handler = modelHandler({
    name: 'holds a file',
    example: int64,
    inference: int64,
    modelUri: 'a',
    loadModel: (uri) => {
      calls.push(`load ${uri}`);
      return uri;
    },
    runInference: (batch: readonly number[]) => batch,
    async closeModel(uri) {
      calls.push(`close ${uri}`);
      await closed;
      calls.push(`closed ${uri}`);
    },
  }) as unknown as Parameters<typeof acquireModel>[0];
  const first = await acquireModel(handler);
  const released = first.release();
  const second = acquireModel(handler);
  await acquireModel(handler, 'b');
  await turn();
  assert.deepEqual(calls, ['load a', 'close a', 'load b']);
  close();
  await released;
  assert.equal((await second).model, 'a');
  assert.deepEqual(calls, ['load a', 'close a', 'load b', 'closed a', 'load a']);
});
