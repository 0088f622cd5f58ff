// SPDX-License-Identifier: Apache-2.0
// What the runner flink tells Beam's Flink runner, and what it asks of a cluster, whose REST is a server
// of this test.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { rawExternalTransform } from '../../../../src/external/index.ts';
import { type PCollection, Pipeline, Root } from '../../../../src/pipeline/index.ts';
import { ClusterJob } from '../../../../src/runners/flink/cluster-job.ts';
import { appNameOf, flinkOptions, masterOf } from '../../../../src/runners/flink/options.ts';
import { FlinkRest } from '../../../../src/runners/flink/rest.ts';
import { int64 } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import { create, periodicImpulse } from '../../../../src/transforms/index.ts';

const never = new AbortController().signal;

const pipelineOf = (build: (root: Root) => unknown) => {
  const pipeline = new Pipeline();
  build(new Root(pipeline));
  return pipeline;
};
const batch = pipelineOf((root) => root.apply(create([1])).map((x) => x));
const stream = pipelineOf((root) => root.apply(periodicImpulse({ interval: 10 })).map((x) => x));

test('a stream keeps its sources, since what is behind them runs as they end', () => {
  assert.equal(flinkOptions({}, stream).shutdownSourcesAfterIdleMs, 1_000_000_000);
  assert.equal(flinkOptions({}, stream).finishBundleBeforeCheckpointing, undefined);
  assert.equal(flinkOptions({}, batch).shutdownSourcesAfterIdleMs, undefined);
  const own = { shutdownSourcesAfterIdleMs: 5000 };
  assert.equal(flinkOptions(own, stream).shutdownSourcesAfterIdleMs, 5000);
});

test('sources of streams that are known to stop stay as long as the last of them, and the job ends', () => {
  const stop = Date.now() + 60_000;
  const kept = (...stops: (number | undefined)[]) =>
    flinkOptions(
      {},
      pipelineOf((root) => {
        for (const each of stops) {
          const until = each === undefined ? {} : { stop: each, bounded: false };
          root.apply(periodicImpulse({ interval: 10, ...until }));
        }
      }),
    ).shutdownSourcesAfterIdleMs as number;
  const left = kept(stop, stop - 50_000);
  assert.ok(left > 50_000 && left <= 61_000, String(left));
  assert.equal(kept(0), 1000);
  assert.equal(kept(stop, undefined), 1_000_000_000);
});

test('a script of elements ends by itself, and its sources are not kept', () => {
  const script = testStream(int64).addElements(1).advanceWatermarkToInfinity();
  const scripted = pipelineOf((root) => root.apply(script).map((x) => x));
  assert.ok(scripted.isStream);
  assert.equal(flinkOptions({}, scripted).shutdownSourcesAfterIdleMs, undefined);
  const both = pipelineOf((root) => {
    root.apply(script);
    root.apply(periodicImpulse({ interval: 10 }));
  });
  assert.equal(flinkOptions({}, both).shutdownSourcesAfterIdleMs, 1_000_000_000);
});

test('what another SDK expands to without an end keeps the sources too', () => {
  const source = rawExternalTransform('u', undefined, 'localhost:1', { output: int64 });
  const foreign = pipelineOf((root) => root.apply(source));
  assert.equal(flinkOptions({}, foreign).shutdownSourcesAfterIdleMs, undefined);
  foreign.hasEndlessExpansion = true;
  assert.equal(flinkOptions({}, foreign).shutdownSourcesAfterIdleMs, 1_000_000_000);
  const step = rawExternalTransform<PCollection<number>, PCollection<number>>(
    'u',
    undefined,
    'localhost:1',
    { output: int64 },
  );
  const behind = pipelineOf((root) => root.apply(testStream(int64).addElements(1)).apply(step));
  behind.hasEndlessExpansion = true;
  assert.equal(flinkOptions({}, behind).shutdownSourcesAfterIdleMs, undefined);
});

test('with checkpoints a bundle gives what it has before each', () => {
  const options = flinkOptions({ checkpointingInterval: 3000 }, stream);
  assert.equal(options.finishBundleBeforeCheckpointing, true);
  assert.equal(options.checkpointingInterval, 3000);
  const own = { checkpointingInterval: 3000, finishBundleBeforeCheckpointing: false };
  assert.equal(flinkOptions(own, stream).finishBundleBeforeCheckpointing, false);
  const off = flinkOptions({ checkpointingInterval: -1 }, stream);
  assert.equal(off.finishBundleBeforeCheckpointing, undefined);
});

test('each run has a name by which Flink tells it from others', () => {
  const [a, b] = [appNameOf({ appName: 'mine' }), appNameOf({ appName: 'mine' })];
  assert.match(a, /^mine-/);
  assert.notEqual(a, b);
});

test('flinkMaster is a Flink of one’s own or HOST:PORT', () => {
  assert.equal(masterOf({}), '[local]');
  assert.equal(masterOf({ flinkMaster: 'flink.example:8081' }), 'flink.example:8081');
  for (const flinkMaster of ['', 'local', '[auto]', 'http://flink:8081', 'flink']) {
    assert.throws(() => masterOf({ flinkMaster }), { code: 'INVALID_ARGUMENT', hint: /8081/ });
  }
});

/** A cluster with two jobs of one name, which obeys after `looks` more looks. */
async function cluster(looks = 2) {
  const asked: string[] = [];
  const states = new Map([
    ['a', 'RUNNING'],
    ['b', 'RUNNING'],
    ['c', 'FINISHED'],
  ]);
  /** What is answered to a wish to stop a job, and then of its savepoint. */
  const stop = {
    status: 202,
    accepted: '{"request-id":"r"}',
    operation: '{"location":"file:/s/1"}',
  };
  /** Tasks that Flink has yet to start. */
  const tasks = { RUNNING: 2, INITIALIZING: 0 };
  let left = Number.POSITIVE_INFINITY;
  let end = 'CANCELED';
  let obeys = '';
  const server = createServer(async (request, response) => {
    const { method, url = '' } = request;
    let body = '';
    for await (const chunk of request) body += String(chunk);
    asked.push(`${method} ${url}${body && ` ${body}`}`);
    const job = /^\/jobs\/([a-z])\b/.exec(url)?.[1] ?? '';
    if (method !== 'GET') obeys = job;
    if (method === 'PATCH') left = looks;
    if (url.endsWith('/stop')) {
      left = looks;
      end = 'FINISHED';
      response.writeHead(stop.status).end(stop.accepted);
      return;
    }
    if (/savepoints/.test(url)) {
      const isDone = left-- <= 0;
      const operation = isDone ? JSON.parse(stop.operation) : null;
      response.end(
        JSON.stringify({ status: { id: isDone ? 'COMPLETED' : 'IN_PROGRESS' }, operation }),
      );
      return;
    }
    if (method === 'GET' && job === obeys && !url.endsWith('/config') && left-- <= 0)
      states.set(job, end);
    const answer = url.endsWith('/overview')
      ? { jobs: [...states].map(([jid, state]) => ({ jid, state, name: 'beambridge-x' })) }
      : job && url.endsWith('/config')
        ? { 'execution-config': { 'user-config': { appName: `run-${job}` } } }
        : url === '/config'
          ? { 'flink-version': '1.19.3' }
          : { jid: job, state: states.get(job), vertices: [{ tasks }] };
    response.writeHead(method === 'PATCH' ? 202 : 200).end(JSON.stringify(answer));
  });
  const address = await listening(server);
  const jobOf = (appName: string, savepoints?: string) =>
    new ClusterJob(new FlinkRest(address), appName, savepoints);
  return { asked, states, stop, tasks, address, jobOf, close: () => server.close() };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a cancellation reaches the job of this run alone, and waits for Flink’s own word', async () => {
  const { asked, states, jobOf, close } = await cluster();
  try {
    await jobOf('run-b').ended(never);
    assert.deepEqual(Object.fromEntries(states), { a: 'RUNNING', b: 'CANCELED', c: 'FINISHED' });
    assert.deepEqual(
      asked.filter((each) => each.startsWith('PATCH')),
      ['PATCH /jobs/b?mode=cancel'],
    );
  } finally {
    close();
  }
});

test('a job that is over by the time of its cancellation is left alone', async () => {
  const { asked, states, jobOf, close } = await cluster();
  try {
    const job = jobOf('run-a');
    await job.arrived(never);
    states.set('a', 'FINISHED');
    await job.ended(never);
    assert.ok(!asked.some((each) => each.startsWith('PATCH')));
  } finally {
    close();
  }
});

test('a job that has yet to come is waited for, and then cancelled', async () => {
  const { states, jobOf, close } = await cluster();
  try {
    const ended = jobOf('run-d').ended(never);
    setTimeout(() => states.set('d', 'RUNNING'), 300);
    await ended;
    assert.equal(states.get('d'), 'CANCELED');
  } finally {
    close();
  }
});

test('whoever has no more time does not wait for a job that goes on, or never comes', async () => {
  const { jobOf, close } = await cluster(1000);
  const over = new AbortController();
  try {
    const cancelled = jobOf('run-a').ended(over.signal);
    const arrived = jobOf('run-z').arrived(over.signal);
    setTimeout(() => over.abort(), 300);
    await assert.rejects(cancelled, { name: 'AbortError' });
    await assert.rejects(arrived, { name: 'AbortError' });
  } finally {
    close();
  }
});

test('a stop gives the place of the savepoint once Flink says that the job is over', async () => {
  const { asked, states, jobOf, close } = await cluster();
  try {
    const accepted: (string | undefined)[] = [];
    const place = await jobOf('run-b', 's3://kept/here').stop(
      { drain: true, accepted: () => void accepted.push(states.get('b')) },
      never,
    );
    assert.equal(place, 'file:/s/1');
    assert.deepEqual(accepted, ['RUNNING']);
    assert.equal(states.get('b'), 'FINISHED');
    const stops = asked.filter((each) => each.startsWith('POST'));
    assert.deepEqual(stops, [
      'POST /jobs/b/stop {"drain":true,"targetDirectory":"s3://kept/here"}',
    ]);
    asked.length = 0;
    await jobOf('run-a').stop({ drain: false }, never);
    assert.ok(asked.includes('POST /jobs/a/stop {"drain":false}'));
  } finally {
    close();
  }
});

test('a stop waits for tasks that have yet to run, and comes too late for a job that is over', async () => {
  const { asked, tasks, states, jobOf, close } = await cluster();
  try {
    tasks.INITIALIZING = 1;
    const stopped = jobOf('run-a').stop({ drain: true }, never);
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.ok(!asked.some((each) => each.startsWith('POST')));
    tasks.INITIALIZING = 0;
    assert.equal(await stopped, 'file:/s/1');
    const late = jobOf('run-b');
    await late.arrived(never);
    states.set('b', 'FAILED');
    await assert.rejects(late.stop({ drain: true }, never), {
      code: 'JOB_FAILED',
      message: /the job b is FAILED already/,
    });
  } finally {
    close();
  }
});

test('a stop that Flink refuses, and one that it cannot make, are told with its reason', async () => {
  const { stop, states, jobOf, close } = await cluster();
  try {
    stop.operation = JSON.stringify({
      'failure-cause': {
        class: 'java.util.concurrent.CompletionException',
        'stack-trace':
          'java.util.concurrent.CompletionException: outer\n\tat a.b(C.java:1)\nCaused by: java.io.IOException: No space left on device\n\tat x.y(Z.java:2)\n',
      },
    });
    await assert.rejects(jobOf('run-a').stop({ drain: true }, never), {
      code: 'JOB_FAILED',
      message: /could not stop the job a: java\.io\.IOException: No space left on device/,
      hint: /The job goes on/,
    });
    assert.equal(states.get('a'), 'RUNNING');
    stop.status = 400;
    stop.accepted = JSON.stringify({
      errors: [
        'org.apache.flink.runtime.rest.handler.RestHandlerException: Config key [state.savepoints.dir] is not set.\n\tat a.b',
      ],
    });
    await assert.rejects(jobOf('run-b').stop({ drain: true }, never), {
      code: 'JOB_SERVICE_UNAVAILABLE',
      message: /status 400: Config key \[state\.savepoints\.dir\] is not set/,
    });
  } finally {
    close();
  }
});

test('a cluster tells its version; what is none, or is not there, is an error with its address', async () => {
  const { address, close } = await cluster();
  try {
    assert.equal(await new FlinkRest(address).version(never), '1.19');
  } finally {
    close();
  }
  await assert.rejects(new FlinkRest(address).version(never), {
    code: 'JOB_SERVICE_UNAVAILABLE',
    message: new RegExp(`${address} cannot be reached`),
    hint: /flinkMaster/,
  });
  for (const [status, body, message] of [
    [200, '{}', /is no Flink/],
    [200, '<html>', /does not answer as Flink does/],
    [500, 'broken', /status 500/],
  ] as const) {
    const server = createServer((_, response) => response.writeHead(status).end(body));
    const other = await listening(server);
    try {
      await assert.rejects(new FlinkRest(other).version(never), {
        code: 'JOB_SERVICE_UNAVAILABLE',
        message,
      });
    } finally {
      server.close();
    }
  }
});
