// SPDX-License-Identifier: Apache-2.0
// Expansion services that a program starts itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rawExternalTransform, type ServiceProvider } from '../../../src/external/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { expansionResolver } from '../../../src/runners/expansion-services.ts';
import { type Construct, createRunner } from '../../../src/runners/index.ts';
import { int64 } from '../../../src/schema/index.ts';
import { testStream } from '../../../src/testing/index.ts';

function applied(provider: ServiceProvider) {
  const pipeline = new Pipeline();
  new Root(pipeline).apply(
    rawExternalTransform('a:source', undefined, provider, { output: int64 }),
  );
  const { service } = pipeline.transforms.find((node) => node.external)!.external!;
  return { pipeline, resolve: () => expansionResolver(pipeline, {})(service) };
}

test('it is started when it is asked, once for each pipeline, and ended with its run', async () => {
  const calls: string[] = [];
  const provider = async () => ({
    start: async () => {
      calls.push('start');
      return 'localhost:8097';
    },
    stop: async () => {
      calls.push('stop');
    },
  });
  const { pipeline, resolve } = applied(provider);
  assert.deepEqual(calls, []);
  assert.deepEqual(await Promise.all([resolve(), resolve()]), [
    { address: 'localhost:8097' },
    { address: 'localhost:8097' },
  ]);
  for (const cleanUp of pipeline.cleanUps) await cleanUp();
  assert.deepEqual(calls, ['start', 'stop']);
  // Nobody asked: nothing to end.
  const idle = applied(provider);
  for (const cleanUp of idle.pipeline.cleanUps) await cleanUp();
  assert.deepEqual(calls, ['start', 'stop']);
});

test('what is no service, and what gives no address, is told', async () => {
  const none = applied((async () => 'localhost:1') as unknown as ServiceProvider);
  await assert.rejects(none.resolve(), { code: 'INVALID_ARGUMENT', message: /start\(\)/ });
  const silent = applied(() => ({ start: async () => 'somewhere', stop: async () => {} }));
  await assert.rejects(silent.resolve(), { code: 'INVALID_ARGUMENT', message: /HOST:PORT/ });
});

/** A service whose calls are noted; `start` says how its start ends. */
function noted(start: () => Promise<string>) {
  const calls: string[] = [];
  const provider: ServiceProvider = () => ({
    start: () => {
      calls.push('start');
      return start();
    },
    stop: async () => {
      calls.push('stop');
    },
  });
  return { calls, provider };
}

const failingStarts: [how: string, start: () => Promise<string>, message: RegExp][] = [
  ['start() fails', () => Promise.reject(new Error('no port is free')), /no port is free/],
  ['its address is none', async () => 'somewhere', /HOST:PORT/],
];
for (const [how, start, message] of failingStarts) {
  test(`when ${how} it is stopped, once`, async () => {
    const { calls, provider } = noted(start);
    const { pipeline, resolve } = applied(provider);
    await assert.rejects(resolve(), message);
    assert.deepEqual(calls, ['start', 'stop']);
    for (const cleanUp of pipeline.cleanUps) await cleanUp();
    assert.deepEqual(calls, ['start', 'stop']);
  });
}

test('a start() that fails is told, also when stop() then fails', async () => {
  const { resolve } = applied(() => ({
    start: () => Promise.reject(new Error('no port is free')),
    stop: () => Promise.reject(new Error('nothing to stop')),
  }));
  await assert.rejects(resolve(), /no port is free/);
});

const unrun: [what: string, construct: Construct, message: RegExp][] = [
  [
    'whose construction fails afterwards',
    async () => {
      throw new Error('a mistake of the program');
    },
    /a mistake of the program/,
  ],
  [
    'that its runner refuses',
    (root) => {
      root.apply(testStream(int64).advanceWatermarkToInfinity());
    },
    /plays no test streams/,
  ],
];
for (const [what, construct, message] of unrun) {
  test(`it is stopped with a pipeline ${what}`, async () => {
    const { calls, provider } = noted(async () => 'localhost:8097');
    await assert.rejects(
      createRunner({ runner: 'direct' }).run(async (root, options) => {
        root.apply(rawExternalTransform('a:source', undefined, provider, { output: int64 }));
        // As applyAsync does, which expands while the pipeline is constructed.
        const { service } = root.pipeline.transforms.at(-1)!.external!;
        await expansionResolver(root.pipeline, {})(service);
        await construct(root, options);
      }),
      { message },
    );
    assert.deepEqual(calls, ['start', 'stop']);
  });
}

test('a run that is aborted does not wait for a start that never ends', async () => {
  const { provider } = noted(() => new Promise(() => {}));
  const { pipeline } = applied(provider);
  const { service } = pipeline.transforms.find((node) => node.external)!.external!;
  const aborting = new AbortController();
  const asked = expansionResolver(pipeline, {})(service, aborting.signal);
  aborting.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
});
