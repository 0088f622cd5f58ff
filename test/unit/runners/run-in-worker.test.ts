// SPDX-License-Identifier: Apache-2.0
// What becomes of a run in a process that is a worker.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setThisWorker } from '../../../src/base/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { create } from '../../../src/transforms/index.ts';

afterEach(() => setThisWorker(undefined));

test('a run that the start of a program comes to never begins, and is told of', async () => {
  const reached: unknown[] = [];
  setThisWorker({ isStart: () => true, runReached: (pipeline) => reached.push(pipeline) });
  const construct = () => assert.fail('it was constructed');
  const run = createRunner().run(construct);
  assert.equal(
    await Promise.race([run, new Promise((resolve) => setImmediate(resolve, 'nothing'))]),
    'nothing',
  );
  assert.deepEqual(reached, [construct]);
});

test('a run in a function of a pipeline is an error there', async () => {
  setThisWorker({ isStart: () => false, runReached: () => assert.fail('it was no start') });
  await assert.rejects(
    createRunner().run((root) => root.apply(create([1]))),
    { code: 'UNSUPPORTED' },
  );
});
