// SPDX-License-Identifier: Apache-2.0
// The worker pool over real gRPC on loopback, asked by runners that the test plays itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setLogSink } from '../../src/base/index.ts';
import { WorkerPool } from '../../src/harness/index.ts';
import type { PCollection } from '../../src/pipeline/index.ts';
import { createClient, fn, fromBinary, pb } from '../../src/proto/index.ts';
import { FakeRunner } from '../fixtures/harness/fake-runner.ts';
import { SOURCE, stageOf } from '../unit/harness/support.ts';

function stageFor(runner: FakeRunner, add: number) {
  const stage = stageOf(
    (input: PCollection<never>) => ({ out: (input as PCollection<number>).map((x) => x + add) }),
    { url: runner.address },
  );
  runner.register(stage.descriptor);
  return stage;
}

async function ask(pool: WorkerPool, runner: FakeRunner, workerId: string, token = pool.token) {
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  try {
    return await client.startWorker({
      workerId,
      controlEndpoint: { url: runner.address },
      loggingEndpoint: { url: runner.address },
      params: { token },
    });
  } finally {
    client.close();
  }
}

async function stop(pool: WorkerPool, workerId: string) {
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  try {
    return await client.stopWorker({ workerId });
  } finally {
    client.close();
  }
}

async function runBundle(runner: FakeRunner, stage: ReturnType<typeof stageFor>, id: string) {
  const answer = runner.process(id, 'stage');
  await runner.send(id, SOURCE, stage.encode([1]));
  await runner.send(id, SOURCE, new Uint8Array(), true);
  assert.equal((await answer).error, '');
  return stage.decode('out', runner.sink(id, 'out')).map(({ value }) => value);
}

test('the environment says where the pool is and what a runner must show', async () => {
  await using pool = await WorkerPool.start({ functions: new Map() });
  const environment = pool.environment();
  assert.equal(environment.urn, 'beam:env:external:v1');
  const payload = fromBinary(pb.ExternalPayloadSchema, environment.payload!);
  assert.equal(payload.endpoint?.url, pool.address);
  assert.deepEqual(payload.params, { token: pool.token });
  assert.match(pool.address, /^127\.0\.0\.1:\d+$/);
  assert.ok(environment.capabilities?.includes('beam:coder:row:v1'));
});

test('two pools in one process serve two runners', async () => {
  const runners = [await FakeRunner.start(), await FakeRunner.start()] as const;
  const stages = [stageFor(runners[0], 1), stageFor(runners[1], 100)] as const;
  const pools = [
    await WorkerPool.start({ functions: stages[0].pipeline.functions }),
    await WorkerPool.start({ functions: stages[1].pipeline.functions }),
  ] as const;
  for (const i of [0, 1] as const) assert.equal((await ask(pools[i], runners[i], 'w')).error, '');
  assert.deepEqual(await Promise.all([0, 1].map((i) => runBundle(runners[i]!, stages[i]!, 'b'))), [
    [2],
    [101],
  ]);
  for (const pool of pools) await pool[Symbol.asyncDispose]();
  for (const runner of runners) {
    await runner.controlEnded;
    runner[Symbol.dispose]();
  }
});

test('a request without the right token gets no worker', async (t) => {
  const warnings: string[] = [];
  t.after(setLogSink(({ message }) => warnings.push(message)));
  using runner = await FakeRunner.start();
  await using pool = await WorkerPool.start({ functions: new Map() });
  assert.match((await ask(pool, runner, 'w', 'guessed')).error, /token/);
  assert.match((await ask(pool, runner, 'w', '')).error, /token/);
  assert.equal(runner.workerIds.size, 0);
  assert.equal(warnings.length, 2);
});

test('StopWorker, which carries no token, ends no worker: its control stream does', async () => {
  using runner = await FakeRunner.start();
  const stage = stageFor(runner, 1);
  await using pool = await WorkerPool.start({ functions: stage.pipeline.functions });
  assert.equal((await ask(pool, runner, 'w')).error, '');
  assert.match((await ask(pool, runner, 'w')).error, /runs already/);
  assert.equal((await stop(pool, 'w')).error, '');
  assert.deepEqual(await runBundle(runner, stage, 'b'), [2]);
  await runner.hangUp();
  await runner.controlEnded;
  assert.equal((await stop(pool, 'never started')).error, '');
});

test('two runners may use one worker id: stopping one leaves the other alone', async () => {
  using first = await FakeRunner.start();
  using second = await FakeRunner.start();
  const stage = stageFor(second, 1);
  await using pool = await WorkerPool.start({ functions: stage.pipeline.functions });
  await ask(pool, first, '5-1');
  await ask(pool, second, '5-1');
  await stop(pool, '5-1');
  await first.hangUp();
  await first.controlEnded;
  await stop(pool, '5-1');
  assert.deepEqual(await runBundle(second, stage, 'b'), [2]);
});

test('an aborted signal ends the pool', async () => {
  using runner = await FakeRunner.start();
  const controller = new AbortController();
  const pool = await WorkerPool.start({ functions: new Map(), signal: controller.signal });
  await ask(pool, runner, 'w');
  controller.abort();
  await runner.controlEnded;
  await pool[Symbol.asyncDispose]();
  await assert.rejects(WorkerPool.start({ functions: new Map(), signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
});
