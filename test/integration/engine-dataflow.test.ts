// SPDX-License-Identifier: Apache-2.0
// Google Cloud Dataflow as far as it goes without an account: Beam's runner of it translates the job and stops
// before it submits (`dryRun`). Starts Python with the extra gcp, and no network.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before, test } from 'node:test';
import { type BeamBridgeError, packagePath } from '../../src/base/index.ts';
import { createRunner, type PipelineOptions } from '../../src/runners/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { alone, count } from '../fixtures/worker/cloud.ts';

const OPTIONS: PipelineOptions = {
  runner: 'dataflow',
  project: 'my-project',
  region: 'europe-west1',
  tempLocation: 'gs://my-bucket/temp',
  environmentConfig: 'registry.example/team/beambridge-worker:1',
  pythonEnvironmentConfig: 'registry.example/team/beambridge-python:1',
  output: 'gs://my-bucket/out/counts',
  dryRun: true,
};

let python: string;
before(async () => {
  ({ python } = await ensurePythonEnvironment({ extras: ['gcp'] }));
});

test('the job service submits what it should, and follows what Dataflow says', () => {
  const { status, stderr } = spawnSync(
    python,
    ['-m', 'unittest', '--buffer', 'tests.test_dataflow'],
    {
      cwd: packagePath('python-env'),
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
      encoding: 'utf8',
    },
  );
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /skipped/);
});

test('a pipeline of two languages is translated for Dataflow, each with its image', async () => {
  const result = await createRunner(OPTIONS).run(count);
  assert.equal(result.state, 'DONE');
  // Zeros would be wrong.
  await assert.rejects(result.counters(), /the metrics of a job on Dataflow are in its console/);
});

test('a pipeline without Python needs no image for it', async () => {
  const { pythonEnvironmentConfig: _, ...options } = OPTIONS;
  assert.equal((await createRunner(options).run(alone)).state, 'DONE');
});

test('what Dataflow’s own checks refuse is told with their words', async () => {
  await assert.rejects(
    createRunner({ ...OPTIONS, numWorkers: 'many' }).run(alone),
    (error: BeamBridgeError) => {
      assert.match(error.message, /num_workers|many/);
      return true;
    },
  );
});

test('without credentials nothing is submitted, and what is missing is told at once', async () => {
  const { GOOGLE_APPLICATION_CREDENTIALS: before } = process.env;
  process.env.GOOGLE_APPLICATION_CREDENTIALS = '/there/is/no/such/file.json';
  try {
    await assert.rejects(createRunner({ ...OPTIONS, dryRun: false }).run(alone), {
      code: 'CREDENTIALS_MISSING',
      message: /no credentials of Google's cloud/,
    });
  } finally {
    if (before === undefined) delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
    else process.env.GOOGLE_APPLICATION_CREDENTIALS = before;
  }
});
