// SPDX-License-Identifier: Apache-2.0
// Whole runs of the portable runner against a job service that does as it is told. Everything is in
// this process, and the fake executes nothing.

import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, type ErrorCode, setLogSink } from '../../../src/base/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { fn, jobs, LoopbackServer, pb, urns } from '../../../src/proto/index.ts';
import type { EngineJob } from '../../../src/runners/engine-job.ts';
import { constructPipeline, createRunner, pipeline, startRun } from '../../../src/runners/index.ts';
import { openService } from '../../../src/runners/portable/service.ts';
import { impulse, periodicImpulse } from '../../../src/transforms/index.ts';
import { type FakeBehaviour, FakeJobService, until } from '../../helpers/fake-job-service.ts';

const simple = (root: Root) => root.apply(impulse()).map((bytes) => bytes.length);
const withCode =
  (code: ErrorCode, part = '') =>
  (error: unknown) =>
    error instanceof BeamBridgeError && error.code === code && error.message.includes(part);

async function withFake(
  behaviour: FakeBehaviour,
  body: (fake: FakeJobService, runner: ReturnType<typeof createRunner>) => Promise<void>,
) {
  await using fake = await FakeJobService.start(behaviour);
  await body(fake, createRunner({ jobEndpoint: fake.address }));
}

test('a run resolves when the job is done, and leaves no signal handler behind', async () => {
  const before = process.listenerCount('SIGINT');
  await withFake({}, async (fake, runner) => {
    const result = await runner.run(simple, { jobName: 'simple', tempLocation: '/t' });
    assert.equal(result.state, 'DONE');
    assert.equal(result.jobId, 'job-1');
    assert.equal(fake.prepared?.jobName, 'simple');
    assert.equal(fake.prepared?.pipelineOptions?.['beam:option:temp_location:v1'], '/t');
  });
  assert.equal(process.listenerCount('SIGINT'), before);
});

test("this program's functions get an environment of an external worker pool", async () => {
  await withFake({}, async (fake, runner) => {
    await runner.run(pipeline(import.meta.url, simple));
    const environments = Object.values(fake.prepared?.pipeline?.components?.environments ?? {});
    assert.deepEqual(
      environments.map(({ urn }) => urn),
      [urns.StandardEnvironments_Environments.EXTERNAL],
    );
    assert.ok(environments[0]?.capabilities.length);
  });
});

test('metrics stay readable after the job service is gone', async () => {
  const info = {
    urn: urns.MonitoringInfoSpecs_Enum.USER_SUM_INT64,
    payload: new Uint8Array([7]),
    labels: { NAME: 'bad', NAMESPACE: 'ns', PTRANSFORM: 't2' },
  };
  await withFake({ metrics: { committed: [info] } }, async (fake, runner) => {
    const result = await runner.run(simple);
    fake.die();
    assert.deepEqual(await result.counters(), { bad: 7 });
    // Ids of transforms are turned into their unique names.
    assert.deepEqual(
      (await result.metrics()).query({ transform: 'map(simple)' }).counters.length +
        (await result.metrics()).query({ transform: 'map' }).counters.length,
      1,
    );
    assert.equal((await result.rawMetrics()).length, 1);
  });
});

test('a failed job rejects with what the runner said', async () => {
  const run: FakeBehaviour['run'] = (job) => {
    job.say(
      'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\nOSError: full',
    );
    job.become('FAILED');
  };
  await withFake({ run }, async (_, runner) => {
    await assert.rejects(runner.run(simple), withCode('PYTHON_EXCEPTION', 'OSError: full'));
    const result = await runner.runAsync(simple);
    await assert.rejects(result.waitUntilFinish(), withCode('PYTHON_EXCEPTION'));
    assert.equal(result.state, 'FAILED');
  });
});

test('a job service that dies half-way is told within seconds', async () => {
  await withFake({ run: () => {} }, async (fake, runner) => {
    const result = await runner.runAsync(simple);
    fake.die();
    await assert.rejects(
      result.waitUntilFinish(),
      withCode('JOB_SERVICE_UNAVAILABLE', fake.address),
    );
  });
});

test('waiting with a limit gives the state so far, and the job goes on', async () => {
  await withFake({ run: () => {} }, async (fake, runner) => {
    const result = await runner.runAsync(simple);
    assert.match(await result.waitUntilFinish(20), /^(STARTING|RUNNING)$/);
    fake.job.become('DONE');
    assert.equal(await result.waitUntilFinish(), 'DONE');
    assert.equal(await result.cancel(), 'DONE');
    assert.ok(!fake.calls.includes('cancel'));
  });
});

test('a limit of more than a timer holds is waited for, and one that is over is told at once', async () => {
  await withFake({ run: () => {} }, async (fake, runner) => {
    const result = await runner.runAsync(simple);
    const month = result.waitUntilFinish(30 * 24 * 3600 * 1000);
    const longest = result.waitUntilFinish(Number.MAX_VALUE);
    assert.match(await result.waitUntilFinish(-5), /^(STARTING|RUNNING)$/);
    await new Promise((resolve) => setTimeout(resolve, 20));
    fake.job.become('DONE');
    assert.deepEqual(await Promise.all([month, longest]), ['DONE', 'DONE']);
  });
});

for (const limit of [Number.NaN, '1000', null]) {
  test(`a limit of ${typeof limit} ${limit} is refused`, async () => {
    await withFake({}, async (_, runner) => {
      const result = await runner.runAsync(simple);
      await assert.rejects(result.waitUntilFinish(limit as number), withCode('INVALID_ARGUMENT'));
      assert.equal(await result.waitUntilFinish(), 'DONE');
    });
  });
}

test('cancel ends the job, and waiting for it is then no error', async () => {
  await withFake({ run: () => {} }, async (_, runner) => {
    const result = await runner.runAsync(simple);
    assert.equal(await result.cancel(), 'CANCELLED');
    assert.equal(await result.waitUntilFinish(), 'CANCELLED');
  });
});

test('a job that ignores its cancellation is given up', async () => {
  await withFake({ run: () => {}, cancel: () => {} }, async (_, runner) => {
    const result = await runner.runAsync(simple);
    assert.equal(await result.cancel(), 'CANCELLED');
  });
});

/** A pipeline whose outputs get their names when `commit` allows it. */
const committing = (commit: () => Promise<void>) => (root: Root) => {
  root.pipeline.commits.push(commit);
  return simple(root);
};

/** A promise and what settles it. */
function gate() {
  let open!: () => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

for (const how of ['cancel()', 'an abort'] as const) {
  for (const outcome of ['DONE', 'FAILED'] as const) {
    test(`${how} while outputs get their names is too late, and the state tells what became of them: ${outcome}`, async () => {
      await withFake({}, async (fake, runner) => {
        const committed = gate();
        const begun = gate();
        const controller = new AbortController();
        const result = await runner.runAsync(
          committing(() => {
            begun.open();
            return committed.promise;
          }),
          { signal: controller.signal },
        );
        await begun.promise;
        assert.equal(result.state, 'RUNNING');
        let isOver = false;
        const end = how === 'cancel()' ? result.cancel() : result.waitUntilFinish();
        end.catch(() => {});
        void end.finally(() => (isOver = true)).catch(() => {});
        if (how === 'an abort') controller.abort();
        assert.equal(await result.waitUntilFinish(50), 'RUNNING');
        assert.equal(isOver, false);
        if (outcome === 'DONE') committed.open();
        else committed.fail(new BeamBridgeError('OUTPUT_NOT_WRITABLE', 'full'));
        if (how === 'cancel()') assert.equal(await end, outcome);
        else if (outcome === 'DONE') assert.equal(await end, 'DONE');
        else await assert.rejects(end, withCode('OUTPUT_NOT_WRITABLE'));
        assert.equal(result.state, outcome);
        assert.ok(!fake.calls.includes('cancel'));
      });
    });
  }
}

test('a job that is cancelled names no outputs', async () => {
  let named = 0;
  await withFake({ run: () => {} }, async (_, runner) => {
    const result = await runner.runAsync(
      committing(async () => {
        named += 1;
      }),
    );
    assert.equal(await result.cancel(), 'CANCELLED');
    assert.equal(result.state, 'CANCELLED');
    assert.equal(named, 0);
  });
});

for (const isCancelled of [false, true]) {
  test(`a service that is lost when its job is done has done its part${isCancelled ? ', also for who cancels' : ''}`, async () => {
    let named = 0;
    // What it says of the end is under way for a moment: its messages do not end.
    const calls = { getMessageStream: () => {} };
    await using fake = await FakeJobService.start({ run: () => {}, calls });
    const lost = gate();
    const pipeline = new Pipeline();
    committing(async () => {
      named += 1;
    })(new Root(pipeline));
    const result = await startRun(pipeline, {}, async () => ({
      address: fake.address,
      name: 'the fake',
      token: undefined,
      logs: true,
      lost: lost.promise.then(() => new BeamBridgeError('HOST_DIED', 'gone')),
      resolveService: async () => assert.fail('nothing is expanded'),
      prepare: async () => {},
      abandon: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }));
    fake.job.become('DONE');
    await delay(100);
    assert.equal(result.state, 'RUNNING');
    if (isCancelled) void result.cancel();
    lost.open();
    assert.equal(await result.waitUntilFinish(), 'DONE');
    assert.equal(named, 1);
  });
}

/** An engine that has the job, and does nothing to it. */
const still: EngineJob = {
  arrived: async () => {},
  ended: async () => {},
  stop: async () => '',
};

test('an engine that takes its time to end a job is waited for, and not given up as a job service is', async () => {
  await using fake = await FakeJobService.start({ run: () => {} });
  let isGivenUp = false;
  let isEnded = false;
  const result = await startRun(
    await constructPipeline(simple, {}),
    { jobEndpoint: fake.address },
    async (...given) => ({
      ...(await openService(...given)),
      abandon: async () => {
        isGivenUp = true;
      },
      engine: {
        ...still,
        ended: async () => {
          await delay(5000);
          isEnded = true;
        },
      },
    }),
  );
  assert.equal(await result.cancel(), 'CANCELLED');
  assert.deepEqual({ isEnded, isGivenUp }, { isEnded: true, isGivenUp: false });
});

test('a run has begun when the engine has its job, or its service says that it is over', async () => {
  await using fake = await FakeJobService.start({ run: () => {} });
  const graph = await constructPipeline(simple, {});
  let arrive = () => {};
  let isSeen = false;
  const run = startRun(graph, { jobEndpoint: fake.address }, async (...given) => ({
    ...(await openService(...given)),
    engine: {
      ...still,
      arrived: () => {
        isSeen = true;
        return new Promise<void>((resolve) => {
          arrive = resolve;
        });
      },
    },
  }));
  let hasBegun = false;
  void run.then(() => {
    hasBegun = true;
  });
  await until(() => isSeen);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(hasBegun, false);
  arrive();
  assert.equal(await (await run).cancel(), 'CANCELLED');
  const never = { ...still, arrived: () => new Promise<void>(() => {}) };
  await using other = await FakeJobService.start();
  const ended = await startRun(
    await constructPipeline(simple, {}),
    { jobEndpoint: other.address },
    async (...given) => ({
      ...(await openService(...given)),
      engine: never,
    }),
  );
  assert.equal(await ended.waitUntilFinish(), 'DONE');
});

test('cancel resolves when the engine says that the job is over, where its service says so before', async () => {
  const order: string[] = [];
  let isOver = () => {};
  const over = new Promise<void>((resolve) => {
    isOver = resolve;
  });
  await using fake = await FakeJobService.start({ run: () => {} });
  const graph = await constructPipeline(simple, {});
  const result = await startRun(graph, { jobEndpoint: fake.address }, async (...given) => ({
    ...(await openService(...given)),
    engine: {
      ...still,
      ended: async () => {
        order.push(result.state);
        await over;
      },
    },
  }));
  const cancelled = result.cancel().then((state) => order.push(`resolved ${state}`));
  await until(() => order.length > 0);
  assert.deepEqual(order, ['CANCELLED']);
  isOver();
  await cancelled;
  assert.deepEqual(order, ['CANCELLED', 'resolved CANCELLED']);
});

/** A stream on a job service whose engine ends the job when it is asked to stop it, or says why not. */
async function startStream(
  service: FakeJobService,
  stop: EngineJob['stop'],
  options: Record<string, unknown> = {},
) {
  const graph = await constructPipeline((root) => {
    root.apply(periodicImpulse({ interval: 1000 }));
  }, {});
  const endpoint = { jobEndpoint: service.address, ...options };
  const result = await startRun(graph, endpoint, async (...given) => ({
    ...(await openService(...given)),
    engine: { ...still, stop },
  }));
  await until(() => result.state === 'RUNNING');
  return result;
}

test('a stream is drained by its engine, once, and is DRAINED then', async () => {
  await using fake = await FakeJobService.start({ run: () => {} });
  const wishes: boolean[] = [];
  const result = await startStream(fake, async ({ drain, accepted }) => {
    wishes.push(drain);
    accepted?.();
    assert.equal(result.state, 'DRAINING');
    fake.job?.become('DONE');
    return '';
  });
  const [one, two] = await Promise.all([result.drain(), result.drain()]);
  assert.deepEqual([one, two, result.state, wishes], ['DRAINED', 'DRAINED', 'DRAINED', [true]]);
  assert.equal(await result.drain(), 'DRAINED');
});

test('an engine that cannot stop a job says why, and the job goes on', async () => {
  await using fake = await FakeJobService.start({ run: () => {} });
  const refusal = new BeamBridgeError('JOB_FAILED', 'no place for it');
  const result = await startStream(fake, async () => {
    throw refusal;
  });
  await assert.rejects(result.drain(), refusal);
  await assert.rejects(result.stopWithSavepoint(), refusal);
  assert.equal(result.state, 'RUNNING');
  assert.equal(await result.cancel(), 'CANCELLED');
  await assert.rejects(result.stopWithSavepoint(), withCode('INVALID_ARGUMENT'));
});

test('a job that is stopped with a savepoint is not done', async () => {
  await using fake = await FakeJobService.start({ run: () => {} });
  const result = await startStream(fake, async ({ drain }) => {
    assert.equal(drain, false);
    fake.job?.become('DONE');
    return 'file:/savepoint-1';
  });
  assert.equal(await result.stopWithSavepoint(), 'file:/savepoint-1');
  assert.equal(result.state, 'CANCELLED');
  assert.equal(await result.waitUntilFinish(), 'CANCELLED');
});

test('a service that counts at the end alone is not believed before', async () => {
  await using fake = await FakeJobService.start({ run: () => {} });
  const graph = await constructPipeline(simple, {});
  const result = await startRun(graph, { jobEndpoint: fake.address }, async (...given) => ({
    ...(await openService(...given)),
    countsAtEnd: true,
  }));
  await assert.rejects(result.counters(), withCode('UNSUPPORTED'));
  fake.job.become('DONE');
  assert.equal(await result.waitUntilFinish(), 'DONE');
  assert.deepEqual(await result.counters(), {});
});

test('what would never be drained, or keeps no state, is refused', async () => {
  await withFake({ run: () => {} }, async (_, runner) => {
    const result = await runner.runAsync((root) => root.apply(periodicImpulse({ interval: 1000 })));
    await assert.rejects(result.drain(), withCode('UNSUPPORTED'));
    await assert.rejects(result.stopWithSavepoint(), withCode('UNSUPPORTED'));
    await result.cancel();
  });
});

test('what an engine must be told is submitted with the options', async () => {
  await using fake = await FakeJobService.start();
  const graph = await constructPipeline(simple, {});
  const options = { jobEndpoint: fake.address, mine: 1 };
  const result = await startRun(graph, options, async (...given) => ({
    ...(await openService(...given)),
    withDefaults: (all) => ({ keepsSources: true, ...all }),
  }));
  await result.waitUntilFinish();
  assert.equal(fake.prepared?.pipelineOptions?.['beam:option:keeps_sources:v1'], true);
  assert.equal(fake.prepared?.pipelineOptions?.['beam:option:mine:v1'], 1);
});

test('a job that goes on on its engine after all is told, and not waited for', async () => {
  const warnings: string[] = [];
  const restore = setLogSink(({ level, message }) => {
    if (level === 'warn') warnings.push(message);
  });
  try {
    await using fake = await FakeJobService.start({ run: () => {} });
    const graph = await constructPipeline(simple, {});
    const result = await startRun(graph, { jobEndpoint: fake.address }, async (...given) => ({
      ...(await openService(...given)),
      engine: {
        ...still,
        ended: async () => {
          throw new Error('the engine cannot be reached');
        },
      },
    }));
    assert.equal(await result.cancel(), 'CANCELLED');
    assert.ok(warnings.some((message) => message.includes('the job may still run')));
  } finally {
    restore();
  }
});

test('a job that somebody else cancels is an error of run', async () => {
  await withFake({ run: (job) => job.become('CANCELLED') }, async (_, runner) => {
    await assert.rejects(runner.run(simple), withCode('JOB_CANCELLED'));
  });
});

test('an abort signal cancels the job and rejects with its reason as cause', async () => {
  await withFake({ run: () => {} }, async (fake, runner) => {
    const controller = new AbortController();
    const run = runner.run(simple, { signal: controller.signal });
    run.catch(() => {});
    await until(() => fake.calls.includes('run'));
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(
      run,
      (error) => withCode('ABORTED')(error) && (error as Error).cause === reason,
    );
    assert.ok(fake.calls.includes('cancel'));
  });
});

test('a signal that fires while the job is being started still cancels it', async () => {
  const controller = new AbortController();
  await withFake({ run: () => controller.abort() }, async (fake, runner) => {
    await assert.rejects(runner.run(simple, { signal: controller.signal }), withCode('ABORTED'));
    assert.ok(fake.calls.includes('cancel'));
  });
});

test('a signal that fired before the run keeps the job from being submitted', async () => {
  await withFake({}, async (fake, runner) => {
    await assert.rejects(runner.run(simple, { signal: AbortSignal.abort() }), withCode('ABORTED'));
    assert.ok(!fake.calls.includes('prepare'));
  });
});

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const unavailable = (address: string) => (error: unknown) =>
  withCode('JOB_SERVICE_UNAVAILABLE', address)(error) &&
  (error as BeamBridgeError).hint !== undefined;

test('an address where nothing listens is named', async () => {
  const server = createServer();
  const jobEndpoint = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(createRunner({ jobEndpoint }).run(simple), unavailable(jobEndpoint));
});

test('a server of web pages is no job service', async () => {
  const server = createHttpServer((_, response) => response.end('hello'));
  const jobEndpoint = await listening(server);
  try {
    await assert.rejects(createRunner({ jobEndpoint }).run(simple), unavailable(jobEndpoint));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a server that never says a word is given up', async () => {
  const server = createServer(() => {});
  const jobEndpoint = await listening(server);
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  try {
    await assert.rejects(createRunner({ jobEndpoint }).run(simple), unavailable(jobEndpoint));
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

test('a gRPC server of something else is no job service', async () => {
  const server = new LoopbackServer().add(fn.BeamFnExternalWorkerPool, {
    startWorker: async () => ({}),
    stopWorker: async () => ({}),
  });
  const jobEndpoint = await server.listen();
  try {
    await assert.rejects(
      createRunner({ jobEndpoint }).run(simple),
      withCode('JOB_SERVICE_UNAVAILABLE', 'is not a job service'),
    );
  } finally {
    server.close();
  }
});

test('a job service that does not list its jobs is still one', async () => {
  const getJobs = async () => {
    throw Object.assign(new Error('x'), { code: 12, details: 'unimplemented' });
  };
  await withFake({ calls: { getJobs } }, async (_, runner) => {
    assert.equal((await runner.run(simple)).state, 'DONE');
  });
});

test('an unbounded pipeline is submitted as streaming', async () => {
  await withFake({}, async (fake, runner) => {
    await runner.run((root) => {
      const all = simple(root);
      all.node.bounded = false;
    });
    assert.equal(fake.prepared?.pipelineOptions?.['beam:option:streaming:v1'], true);
    const pcollections = Object.values(fake.prepared?.pipeline?.components?.pcollections ?? {});
    assert.ok(pcollections.some((each) => each.isBounded === pb.IsBounded_Enum.UNBOUNDED));
    assert.equal(jobs.JobState_Enum[fake.job.state], 'DONE');
  });
});
