// SPDX-License-Identifier: Apache-2.0
// What waiting for a run leaves behind.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { PipelineResult } from '../../../src/runners/result.ts';
import type { JobState } from '../../../src/runners/state.ts';

/** A job that runs until it is told what became of it, and how often its end was followed. */
function running() {
  let resolve = (_: JobState) => {};
  let reject = (_: unknown) => {};
  const promise = new Promise<JobState>((...settle) => {
    [resolve, reject] = settle;
  });
  const followed = mock.method(promise, 'then').mock;
  const job = { jobId: 'job', state: 'RUNNING', finished: promise };
  return { result: new PipelineResult(job as never), resolve, reject, followed };
}

test('a program that looks again and again follows the end of a run once', async () => {
  const { result, resolve, followed } = running();
  for (let i = 0; i < 5; i++) assert.equal(await result.waitUntilFinish(1), 'RUNNING');
  assert.equal(followed.callCount(), 1);
  const waits = [result.waitUntilFinish(60_000), result.waitUntilFinish(50_000)];
  resolve('DONE');
  assert.deepEqual(await Promise.all(waits), ['DONE', 'DONE']);
  assert.equal(await result.waitUntilFinish(0), 'DONE');
});

test('whoever waits for a time hears of a failure', async () => {
  const { result, reject } = running();
  const waits = [result.waitUntilFinish(60_000), result.waitUntilFinish(50_000)];
  const failure = new Error('the reason');
  reject(failure);
  for (const wait of waits) await assert.rejects(wait, failure);
  await assert.rejects(result.waitUntilFinish(0), failure);
});
