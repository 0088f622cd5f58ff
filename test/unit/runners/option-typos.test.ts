// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRunner } from '../../../src/runners/index.ts';

test('a misspelt option is refused, with the nearest that there is', async () => {
  const typos = {
    runer: 'runner',
    pythonWorker: 'pythonWorkers',
    nodeWorker: 'nodeWorkers',
    jobNmae: 'jobName',
    pyhton: 'python',
    job_endpoint: 'jobEndpoint',
    handleSignal: 'handleSignals',
    stagingLocaton: 'stagingLocation',
    tempLocaton: 'tempLocation',
    temp_location: 'tempLocation',
    projct: 'project',
    regoin: 'region',
    sparkMastr: 'sparkMaster',
    flinkSavepoint: 'flinkSavepoints',
    savepointPth: 'savepointPath',
    appNam: 'appName',
    shutdownSourceAfterIdleMs: 'shutdownSourcesAfterIdleMs',
  };
  for (const [name, nearest] of Object.entries(typos)) {
    const refused = { code: 'INVALID_ARGUMENT', hint: `Did you mean ${nearest}?` };
    assert.throws(() => createRunner({ [name]: 'x' }), refused);
    await assert.rejects(async () => createRunner().run(() => {}, { [name]: 'x' }), refused);
  }
});

test('options of other runners pass', () => {
  createRunner({
    tempLocation: 'x',
    streaming: true,
    parallelism: 2,
    sdk_worker_parallelism: 1,
    jobPort: 1,
    region: 'x',
  });
});

test('an option of another type is refused before anything runs', () => {
  for (const [options, message] of [
    [{ signal: 5 }, /signal is no AbortSignal/],
    [{ python: 3 }, /python is 3/],
    [{ runner: 'drect' }, /Did you mean direct\?/],
    [{ signal: new AbortController() }, /signal is no AbortSignal/],
    [{ handleSignals: 'no' }, /handleSignals is true or false, and not "no"/],
    [{ progress: 0 }, /progress is true or false, and not 0/],
    [{ progress: 1n }, /progress is true or false, and not 1/],
    [{ parallelism: 'four' }, /parallelism is "four"/],
    [{ parallelism: 1.5 }, /parallelism is 1.5/],
    [{ nodeWorkers: -1 }, /nodeWorkers is -1/],
    [{ nodeWorkers: 'all' }, /nodeWorkers is "all"/],
    [{ checkpointingInterval: '5s' }, /checkpointingInterval is "5s"/],
    [{ flinkMaster: 'localhost:8081' }, /flinkMaster is an option of the runner flink, and no/],
    [{ runner: null, flinkMaster: '[local]' }, /flinkMaster is an option of the runner flink/],
    [{ prismBinary: 'prism' }, /prismBinary is an option of the runner prism, and no runner/],
  ] as const) {
    assert.throws(() => createRunner(options as never), { code: 'INVALID_ARGUMENT', message });
  }
  createRunner({ signal: AbortSignal.timeout(10), handleSignals: false });
  createRunner({ signal: null } as never);
  createRunner({ runner: 'node', flinkMaster: 'localhost:8081', parallelism: -1 });
  createRunner({ flinkMaster: null } as never);
  createRunner({ jobEndpoint: 'localhost:1', flinkMaster: 'localhost:8081' });
});
