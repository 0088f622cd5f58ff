// SPDX-License-Identifier: Apache-2.0
// Pipelines as exported values, runners by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { BeamBridgeError, type ErrorCode, setLogSink } from '../../../src/base/index.ts';
import type { Root } from '../../../src/pipeline/index.ts';
import {
  constructPipeline,
  createRunner,
  dataflowRunner,
  defaultRunner,
  directRunner,
  loopbackRunner,
  type PipelineOptions,
  PortableRunner,
  pipeline,
  universalRunner,
} from '../../../src/runners/index.ts';
import { impulse, withName } from '../../../src/transforms/index.ts';

const withCode = (code: ErrorCode) => (error: unknown) =>
  error instanceof BeamBridgeError && error.code === code && error.hint !== undefined;

test('a definition keeps the module and the construction', () => {
  const construct = () => {};
  const definition = pipeline(import.meta.url, construct);
  assert.equal(definition.moduleUrl, import.meta.url);
  assert.equal(definition.construct, construct);
});

test('a definition without a module URL is refused', () => {
  assert.throws(() => pipeline('score', () => {}), withCode('INVALID_ARGUMENT'));
});

test('a construction gets the root and the options, and may be async', async () => {
  const graph = await constructPipeline(
    pipeline(import.meta.url, async (root, options) => {
      await Promise.resolve();
      assert.equal(options.tempLocation, 'x');
      root.apply(impulse());
    }),
    { tempLocation: 'x' },
  );
  assert.equal(graph.roots.length, 1);
});

test('an applyAsync that the builder does not wait for is refused, with its line', async () => {
  const slowly = (fail: boolean) =>
    withName('Slow', async (root: Root) => {
      await setTimeout(1);
      if (fail) throw new Error('nobody listens');
      return root.apply(impulse());
    });
  const refused = {
    code: 'INVALID_ARGUMENT',
    transform: 'Slow',
    message: /not awaited.*definition\.test\.ts:\d+.*Await applyAsync in the builder/s,
  };
  for (const fail of [false, true]) {
    const forgetful = (root: Root) => {
      root.applyAsync(slowly(fail));
    };
    await assert.rejects(constructPipeline(forgetful, {}), refused);
    await assert.rejects(createRunner().run(forgetful), refused);
  }
  const inner = (root: Root) =>
    root.applyAsync(
      withName('Outer', async () => {
        root.applyAsync(slowly(false));
      }),
    );
  await assert.rejects(constructPipeline(inner, {}), { ...refused, transform: 'Outer/Slow' });
  // Failures that nobody listens to would be told by now.
  await setTimeout(10);
});

test('an applyAsync that is awaited, or returned, is part of the pipeline', async () => {
  const source = async (root: Root) => {
    await setTimeout(1);
    return root.apply(impulse());
  };
  for (const construct of [
    (root: Root) => root.applyAsync(source),
    async (root: Root) => (await root.applyAsync(source)).map((bytes) => bytes.length),
  ]) {
    const graph = await constructPipeline(construct, {});
    assert.equal(graph.expanding.size, 0);
    assert.ok(graph.pcollections.length > 0);
  }
});

test('a pipeline with nothing in it is done at once, with a warning', async () => {
  const said: string[] = [];
  const restore = setLogSink(({ message }) => said.push(message));
  try {
    const result = await createRunner({ runner: 'direct' }).run(() => {});
    assert.equal(result.state, 'DONE');
    assert.deepEqual(await result.counters(), {});
    assert.equal(await result.waitUntilFinish(), 'DONE');
  } finally {
    restore();
  }
  assert.match(said.join('\n'), /nothing in it: apply a source/);
});

test('a runner that is named by text alone is refused, not taken for none', () => {
  assert.throws(
    () => createRunner('direct' as unknown as PipelineOptions),
    (error: BeamBridgeError) =>
      error.code === 'INVALID_ARGUMENT' && /runner: "direct"/.test(error.hint ?? ''),
  );
});

test('runners by the official names', () => {
  assert.equal(defaultRunner().constructor, createRunner({ runner: 'node' }).constructor);
  assert.equal(universalRunner().constructor, directRunner().constructor);
  assert.equal(loopbackRunner({ jobName: 'x' }).options.jobName, 'x');
  assert.equal(new PortableRunner('localhost:1').options.jobEndpoint, 'localhost:1');
  assert.equal(dataflowRunner({ region: 'x' }).options.region, 'x');
  // A text is enough of a type for a runner.
  const options = { runner: 'direct' };
  assert.equal(createRunner(options).constructor, directRunner().constructor);
});

test('what is no pipeline is refused', async () => {
  await assert.rejects(
    createRunner().run(undefined as unknown as () => void),
    withCode('INVALID_ARGUMENT'),
  );
});

test('an unknown runner is refused with the names that there are', () => {
  assert.throws(
    () => createRunner({ runner: 'drect' as 'direct' }),
    (error) => withCode('INVALID_ARGUMENT')(error) && String(error).includes('direct, portable'),
  );
});

test('the portable runner without an address says how to give one', async () => {
  await assert.rejects(
    createRunner({ runner: 'portable' }).run((root) => root.apply(impulse())),
    withCode('INVALID_ARGUMENT'),
  );
});

test('a job endpoint that is no address is refused', async () => {
  await assert.rejects(
    createRunner({ jobEndpoint: 'http://localhost:8099' }).run((root) => root.apply(impulse())),
    withCode('INVALID_ARGUMENT'),
  );
});
