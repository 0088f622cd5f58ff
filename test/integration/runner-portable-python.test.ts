// SPDX-License-Identifier: Apache-2.0
// Python stages on a job service that is not our host: Beam's own local job service, a process that
// knows nothing of us. The managed host expands, and starts the workers that the service asks for.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BeamBridgeError, type LogRecord, setLogLevel, setLogSink } from '../../src/base/index.ts';
import {
  create,
  createRunner,
  pythonCallable,
  pythonTransform,
  type Root,
  type Runner,
  withSchema,
} from '../../src/index.ts';
import { RunInference } from '../../src/ml/index.ts';
import { createClient, fn, jobs, LoopbackServer } from '../../src/proto/index.ts';
import { array, int64, string } from '../../src/schema/index.ts';
import { getHost, type Service, startService, stopHosts } from '../../src/services/index.ts';
import { type Digits, linesOf, predictedByPython, trainedDigits } from '../helpers/digits.ts';

const KEYED_SKLEARN = `
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
from apache_beam.ml.inference.base import KeyedModelHandler
def get_model_handler(model_uri):
  return KeyedModelHandler(SklearnModelHandlerNumpy(model_uri))
`;

let digits: Digits;
let service: Service<string>;
let runner: Runner;

const startJobService = () =>
  startService({
    name: "Beam's local job service",
    command: digits.python,
    args: [fileURLToPath(new URL('../fixtures/programs/local_job_service.py', import.meta.url))],
    env: { PYTHONPATH: undefined },
    ready: (line) => /^ready (.*)$/.exec(line)?.[1],
  });

before(async () => {
  digits = await trainedDigits();
  service = await startJobService();
  runner = createRunner({ runner: 'portable', jobEndpoint: service.info });
});
after(async () => {
  await service?.stop();
  await stopHosts();
});

/** Worker processes of a host: forks of its helper, or children of its own. */
function workersOf(hostPid: number): number[] {
  const table = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
  const rows = table.split('\n').flatMap((line) => {
    const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid ? [{ pid: Number(pid), parent: Number(parent), args: args! }] : [];
  });
  const children = rows.filter(({ parent }) => parent === hostPid);
  const helpers = new Set(children.map(({ pid }) => pid));
  const forked = rows.filter(({ parent }) => helpers.has(parent));
  const own = children.filter(({ args }) => args.includes('beambridge_host.worker'));
  return [...own, ...forked].map(({ pid }) => pid);
}

async function noWorkers(hostPid: number): Promise<void> {
  for (let i = 0; workersOf(hostPid).length > 0; i++) {
    assert.ok(i < 200, 'workers are alive 10 s after their job');
    await delay(50);
  }
}

/** A runner that only listens for one worker. */
async function fakeRunner() {
  const server = new LoopbackServer();
  let connect!: (worker: { workerId: string; end(): void }) => void;
  const connected = new Promise<{ workerId: string; end(): void }>((resolve) => {
    connect = resolve;
  });
  server.add(fn.BeamFnControl, {
    control: (call) => {
      call.on('error', () => {});
      call.on('data', () => {});
      connect({ workerId: String(call.metadata.get('worker_id')[0]), end: () => call.end() });
    },
    getProcessBundleDescriptor: async () => ({}),
  });
  const address = await server.listen();
  return { address, connected, close: () => server.close() };
}

/** A Python transform whose stage says that it runs, and goes on running. */
const stuck = (root: Root) =>
  root
    .apply(create([1]))
    .apply(withSchema(int64))
    .apply(
      pythonTransform(
        'apache_beam.Map',
        [
          pythonCallable(
            "lambda x: [__import__('logging').warning('it runs'), __import__('time').sleep(60), x][2]",
          ),
        ],
        {},
        { output: int64 },
      ),
    );

/** Runs `stuck`, and `then` once its stage runs. */
async function interrupted(on: Runner, then: () => unknown): Promise<BeamBridgeError> {
  let heard!: () => void;
  const runs = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const restore = setLogSink(({ message }: LogRecord) => {
    if (String(message).includes('it runs')) heard();
  });
  try {
    const failed = on.run(stuck).then(
      () => assert.fail('the job did not fail'),
      (error: unknown) => error,
    );
    await Promise.race([runs, failed]);
    await then();
    const error = await failed;
    assert.ok(error instanceof BeamBridgeError, String(error));
    return error;
  } finally {
    restore();
  }
}

test('keyed digits get the label that scikit-learn gives, and no worker outlives the job', async () => {
  const out: string[] = [];
  await runner.run((root) =>
    root
      .apply(create(linesOf(digits.all)))
      .map((line) => {
        const [key = 0, ...value] = line.split(',').map(Number);
        return { key, value };
      })
      .apply(
        RunInference.ofKVs(
          KEYED_SKLEARN,
          { example: array(int64), inference: int64 },
          int64,
        ).withKwarg('model_uri', digits.model),
      )
      .map(({ key, value }) => out.push(`${key},${value.inference}`)),
  );
  assert.deepEqual(out.sort(), predictedByPython(digits, digits.all).sort());
  await noWorkers((await getHost({ extras: ['sklearn'] })).pid);
});

test('Python transforms, expanded early and late, run in a worker', async () => {
  const pids = new Set<string>();
  const pid = pythonCallable("lambda x: str(__import__('os').getpid())");
  await runner.run(async (root) => {
    const numbers = root.apply(create([1, 2, 3])).apply(withSchema(int64));
    numbers
      .apply(pythonTransform('apache_beam.Map', [pid], {}, { output: string }))
      .map((value) => pids.add(value));
    const early = await numbers.applyAsync(
      pythonTransform(
        'apache_beam.Map',
        [pythonCallable('lambda x: x * x')],
        {},
        { output: int64 },
      ),
    );
    early.map((value) => pids.add(`square ${value}`));
  });
  const host = await getHost({ isExact: true });
  assert.ok(pids.has('square 9'));
  assert.equal(pids.has(String(host.pid)), false);
  await noWorkers(host.pid);
});

test('what a Python worker logs arrives in our log, once, and so does its error in ours', async () => {
  const records: LogRecord[] = [];
  setLogLevel('info');
  const restore = setLogSink((record) => records.push(record));
  try {
    await assert.rejects(
      runner.run((root) =>
        root
          .apply(create([7]))
          .apply(withSchema(int64))
          .apply(
            pythonTransform(
              'apache_beam.Map',
              [
                pythonCallable(
                  "lambda x: (__import__('logging').warning('value %s', x), 1 // 0)[1]",
                ),
              ],
              {},
              { output: int64 },
            ),
          ),
      ),
      (error) => error instanceof BeamBridgeError && /ZeroDivisionError/.test(error.message),
    );
  } finally {
    restore();
    setLogLevel('warn');
  }
  const said = records.filter(({ message }) => String(message).includes('value 7'));
  assert.deepEqual(
    said.map(({ level, name }) => [level, name]),
    [['warn', 'python']],
  );
  await noWorkers((await getHost({ isExact: true })).pid);
});

test('the pool starts workers for nobody without the token of a running job', async () => {
  const host = await getHost({ isExact: true });
  const pool = createClient(fn.BeamFnExternalWorkerPool, host.pool);
  const request = { workerId: 'w', controlEndpoint: { url: '127.0.0.1:1' } };
  try {
    for (const params of [{}, { token: '' }, { token: 'wrong' }, { token: host.token }]) {
      const { error } = await pool.startWorker({ ...request, params });
      assert.match(error, /demands the token/);
    }
    assert.deepEqual(workersOf(host.pid), []);
  } finally {
    pool.close();
  }
  const stranger = createClient(jobs.JobService, host.address);
  const stream = stranger.getMessageStream({ jobId: `beambridge:workers:${'x'.repeat(40)}` });
  try {
    await assert.rejects(async () => {
      for await (const _ of stream as AsyncIterable<unknown>) assert.fail('a run was opened');
    }, /UNAUTHENTICATED/);
  } finally {
    stranger.close();
  }
});

test('workers of one id but two runners are two, and end with their own control streams', async () => {
  const host = await getHost({ isExact: true });
  const token = 'a token of a job that is not there';
  const client = createClient(jobs.JobService, host.address, { token: host.token });
  const pool = createClient(fn.BeamFnExternalWorkerPool, host.pool);
  const over = new AbortController();
  const stream = client.getMessageStream(
    { jobId: `beambridge:workers:${token}` },
    { signal: over.signal },
  );
  const events = (stream as AsyncIterable<jobs.JobMessagesResponse>)[Symbol.asyncIterator]();
  await events.next();
  const runners = [await fakeRunner(), await fakeRunner()];
  try {
    for (const { address } of runners) {
      const request = { workerId: 'w', controlEndpoint: { url: address }, params: { token } };
      assert.equal((await pool.startWorker(request)).error, '');
      assert.match((await pool.startWorker(request)).error, /runs already/);
    }
    const [first, second] = await Promise.all(runners.map((each) => each.connected));
    assert.deepEqual([first?.workerId, second?.workerId], ['w', 'w']);
    assert.equal(workersOf(host.pid).length, 2);
    // Which of them is meant cannot be known.
    await pool.stopWorker({ workerId: 'w' });
    first?.end();
    await delay(500);
    while (workersOf(host.pid).length > 1) await delay(50);
    assert.equal(workersOf(host.pid).length, 1);

    const third = await fakeRunner();
    runners.push(third);
    const request = { workerId: 'x', controlEndpoint: { url: third.address }, params: { token } };
    assert.equal((await pool.startWorker(request)).error, '');
    await third.connected;
    // Ids can be guessed, which tokens cannot.
    for (const metadata of [{}, { authorization: `Bearer ${host.token}` }]) {
      await pool.stopWorker({ workerId: 'x' }, { metadata });
    }
    await delay(500);
    assert.equal(workersOf(host.pid).length, 2);
    await pool.stopWorker({ workerId: 'x' }, { metadata: { authorization: `Bearer ${token}` } });
    while (workersOf(host.pid).length > 1) await delay(50);
    over.abort();
    await noWorkers(host.pid);
    assert.match((await pool.startWorker(request)).error, /demands the token/);
  } finally {
    over.abort();
    for (const each of runners) each.close();
    pool.close();
    client.close();
  }
});

test('a worker that is killed in the middle of a job is told', async () => {
  const { pid } = await getHost({ isExact: true });
  const error = await interrupted(runner, () => {
    for (const worker of workersOf(pid)) process.kill(worker, 'SIGKILL');
  });
  assert.equal(error.code, 'HOST_DIED');
  assert.match(error.message, /the Python worker .* is gone: ended by signal 9/);
  await noWorkers(pid);
});

test('a host that is killed in the middle of a job is told, and takes its workers along', async () => {
  const host = await getHost({ isExact: true });
  let workers: number[] = [];
  await using own = await startJobService();
  const error = await interrupted(createRunner({ jobEndpoint: own.info }), () => {
    workers = workersOf(host.pid);
    process.kill(host.pid, 'SIGKILL');
  });
  assert.equal(error.code, 'HOST_DIED');
  assert.match(error.message, /the Python host .* was ended by SIGKILL/);
  assert.equal(workers.length, 1);
  await assert.rejects(async () => {
    for (let i = 0; i < 200; i++) {
      process.kill(workers[0]!, 0);
      await delay(50);
    }
  }, /ESRCH/);
});

test('a cancelled job leaves no worker', async () => {
  const controller = new AbortController();
  const on = createRunner({ jobEndpoint: service.info, signal: controller.signal });
  const error = await interrupted(on, () => controller.abort());
  assert.equal(error.code, 'ABORTED');
  await noWorkers((await getHost({ isExact: true })).pid);
});
