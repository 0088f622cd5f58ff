// SPDX-License-Identifier: Apache-2.0
// Expansion services that a program starts itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rawExternalTransform, type ServiceProvider } from '../../../src/external/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { expansionResolver } from '../../../src/runners/expansion-services.ts';
import { int64 } from '../../../src/schema/index.ts';

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
