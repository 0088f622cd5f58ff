// SPDX-License-Identifier: Apache-2.0
// Pipeline options: which win, and how they travel.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { mergeOptions, optionsToStruct } from '../../../src/runners/options.ts';
import { create } from '../../../src/transforms/index.ts';

test('options of a run win over those of the runner, and undefined does not count', () => {
  assert.deepEqual(
    mergeOptions(
      { jobName: 'a', tempLocation: '/tmp/x' },
      { jobName: 'b', tempLocation: undefined },
    ),
    { jobName: 'b', tempLocation: '/tmp/x' },
  );
});

test('unknown options are passed on under the names that Beam uses', () => {
  assert.deepEqual(
    optionsToStruct({
      runner: 'portable',
      signal: new AbortController().signal,
      jobEndpoint: 'localhost:1',
      maxNumWorkers: 3,
      streaming: true,
      experiments: ['a', 'b'],
      nested: { deep: [1, null], nothing: undefined },
      big: 7n,
      nothing: undefined,
    }),
    {
      'beam:option:job_endpoint:v1': 'localhost:1',
      'beam:option:max_num_workers:v1': 3,
      'beam:option:streaming:v1': true,
      'beam:option:experiments:v1': ['a', 'b'],
      'beam:option:nested:v1': { deep: [1, null] },
      'beam:option:big:v1': 7,
    },
  );
});

for (const [name, value] of Object.entries({
  function: () => 1,
  NaN: Number.NaN,
  'bigint beyond doubles': 2n ** 60n + 1n,
  Map: new Map(),
  symbol: Symbol('s'),
})) {
  test(`an option that is a ${name} is refused by its path`, () => {
    assert.throws(
      () => optionsToStruct({ outer: [{ inner: value }] }),
      (error) =>
        error instanceof BeamBridgeError &&
        error.code === 'INVALID_ARGUMENT' &&
        error.message.includes('outer[0].inner'),
    );
  });
}

test('options that only node has are refused by the other runners, and not left aside', async () => {
  for (const [runner, option] of [
    [createRunner({ runner: 'direct', pythonWorkers: 2 }), 'pythonWorkers'],
    [createRunner({ runner: 'direct', nodeWorkers: 2 }), 'nodeWorkers'],
    [createRunner({ runner: 'direct', workerStartTimeoutMs: 1000 }), 'workerStartTimeoutMs'],
    [createRunner({ jobEndpoint: 'localhost:1', pythonWorkers: 2 }), 'pythonWorkers'],
  ] as const) {
    await assert.rejects(
      runner.run((root) => root.apply(create([1]))),
      (error) =>
        error instanceof BeamBridgeError &&
        error.code === 'UNSUPPORTED' &&
        error.message.includes(`has no option ${option}`) &&
        /runner: 'node'/.test(error.hint ?? ''),
    );
  }
  const runner = createRunner({ runner: 'direct' });
  await assert.rejects(
    runner.run((root) => root.apply(create([1])), { pythonWorkers: 2 }),
    { code: 'UNSUPPORTED' },
  );
});
