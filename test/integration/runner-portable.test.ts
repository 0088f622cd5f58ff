// SPDX-License-Identifier: Apache-2.0
// The portable runner against Beam's own local job service, started as a process of its own. It
// knows nothing of us: no token, no marks, artifact staging as Beam does it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  BeamBridgeError,
  counter,
  create,
  createRunner,
  groupByKey,
  pythonCallable,
  pythonTransform,
  type Runner,
  withSchema,
} from '../../src/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { getHost, type Service, startService } from '../../src/services/index.ts';

let service: Service<string>;
let runner: Runner;

before(async () => {
  const { python } = await getHost();
  service = await startService({
    name: "Beam's local job service",
    command: python,
    args: [fileURLToPath(new URL('../fixtures/programs/local_job_service.py', import.meta.url))],
    ready: (line) => /^ready (.*)$/.exec(line)?.[1],
  });
  runner = createRunner({ jobEndpoint: service.info });
});
after(() => service?.stop());

test('stages of both languages run, and metrics come back', async () => {
  const seen: number[] = [];
  const result = await runner.run((root) =>
    root
      .apply(create([1, 2, 3]))
      .apply(withSchema(int64))
      .apply(
        pythonTransform(
          'apache_beam.Map',
          [pythonCallable('lambda x: x * x')],
          {},
          { output: int64 },
        ),
      )
      .map((x) => ({ key: x % 2, value: x }))
      .apply(groupByKey())
      .map(
        ({ value }, { n }) => {
          n.increment();
          return seen.push(...value);
        },
        { n: counter('groups') },
      ),
  );
  assert.equal(result.state, 'DONE');
  assert.deepEqual(seen.sort(), [1, 4, 9]);
  assert.deepEqual(await result.counters(), { groups: 2 });
});

test('what a function throws comes back as its own error', async () => {
  const thrown = new TypeError('not a digit');
  await assert.rejects(
    runner.run((root) =>
      root.apply(create([1])).map(() => {
        throw thrown;
      }),
    ),
    (error) =>
      error instanceof BeamBridgeError &&
      error.code === 'USER_CODE_FAILED' &&
      error.cause === thrown,
  );
});

test('a job service that is killed in the middle of a job is told', async () => {
  const own = await startService({
    name: "Beam's local job service",
    command: (await getHost()).python,
    args: [fileURLToPath(new URL('../fixtures/programs/local_job_service.py', import.meta.url))],
    ready: (line) => /^ready (.*)$/.exec(line)?.[1],
  });
  await assert.rejects(
    createRunner({ jobEndpoint: own.info }).run((root) =>
      root.apply(create([1])).map(async () => {
        await own.stop();
      }),
    ),
    (error) => error instanceof BeamBridgeError && error.code === 'JOB_SERVICE_UNAVAILABLE',
  );
});
