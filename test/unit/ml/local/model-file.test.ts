// SPDX-License-Identifier: Apache-2.0
// A model that is kept while another takes its place at its path.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setLogSink } from '../../../../src/base/index.ts';
import { modelHandler } from '../../../../src/ml/index.ts';
import { ModelChoice } from '../../../../src/ml/local/model-choice.ts';
import { int64 } from '../../../../src/schema/index.ts';

/** More than the time between two looks. Milliseconds. */
const LATER_MS = 5000;

/** A folder, the warnings so far, and a clock that is set by hand. */
async function scene(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'model-file-'));
  const said: string[] = [];
  const restore = setLogSink(({ message }) => said.push(message));
  t.mock.timers.enable({ apis: ['Date'] });
  t.after(async () => {
    restore();
    await rm(folder, { recursive: true, force: true });
  });
  const loads: string[] = [];
  const handler = modelHandler({
    name: 'reads',
    modelUri: join(folder, 'own'),
    example: int64,
    inference: int64,
    async loadModel(path) {
      loads.push(path!);
      return await readFile(path!, 'utf8').catch(() => readFile(join(path!, 'weights'), 'utf8'));
    },
    runInference: (batch: readonly number[]) => batch,
  });
  const at = (name: string) => join(folder, name);
  await writeFile(at('own'), 'own');
  const choice = new ModelChoice(handler as never);
  t.after(() => choice.tearDown());
  await choice.setUp();
  const use = async (name: string) => {
    const { model, release } = await choice.choose([at(name)], () => assert.fail('it is there'));
    await release();
    t.mock.timers.tick(LATER_MS);
    return model;
  };
  /** As whole as a rename makes it. */
  const put = async (name: string, content: string) => {
    await writeFile(at('next'), content);
    await rename(at('next'), at(name));
  };
  return { at, put, use, said, loads };
}

const changed = (path: string) =>
  `the model at ${path} has changed since it was loaded, and the old one goes on: give each model a path of its own`;

test('a model whose file was replaced goes on with a warning, once', async (t) => {
  const { at, put, use, said, loads } = await scene(t);
  await put('a', 'one');
  assert.equal(await use('a'), 'one');
  assert.equal(await use('a'), 'one');
  assert.deepEqual(said, []);
  await put('a', 'two');
  for (let i = 0; i < 3; i++) assert.equal(await use('a'), 'one');
  assert.deepEqual(said, [changed(at('a'))]);
  assert.equal(loads.filter((path) => path === at('a')).length, 1);
});

test('the same behind other models, as long as it is kept', async (t) => {
  const { at, put, use, said } = await scene(t);
  for (const name of ['a', 'b', 'c']) await put(name, name);
  for (const name of ['a', 'b']) assert.equal(await use(name), name);
  await put('a', 'other');
  assert.equal(await use('a'), 'a');
  assert.deepEqual(said, [changed(at('a'))]);
  // Two are kept: by now `b` is loaded anew, and is what is there.
  assert.equal(await use('c'), 'c');
  await put('b', 'other');
  assert.equal(await use('b'), 'other');
  assert.equal(said.length, 1);
});

test("an update at the path of the handler's own model, too", async (t) => {
  const { at, put, use, said } = await scene(t);
  await put('own', 'another');
  t.mock.timers.tick(LATER_MS);
  assert.equal(await use('own'), 'own');
  assert.deepEqual(said, [changed(at('own'))]);
});

test('a file of a folder that is another, or gone, is a change; one that is put beside it is none', async (t) => {
  const { at, put, use, said } = await scene(t);
  for (const folder of ['a', 'b', 'c']) {
    await mkdir(at(join(folder, 'deep')), { recursive: true });
    await put(join(folder, 'weights'), folder);
    await put(join(folder, 'deep', 'words'), 'words');
  }
  await use('a');
  await put(join('a', 'cache'), 'what a loader left');
  await use('a');
  assert.deepEqual(said, []);
  await rm(at(join('a', 'deep', 'words')));
  await use('a');
  assert.deepEqual(said, [changed(at('a'))]);
  await use('b');
  await rename(at('b'), at('before'));
  await rename(at('c'), at('b'));
  assert.equal(await use('b'), 'b');
  assert.deepEqual(said, [changed(at('a')), changed(at('b'))]);
});

test('what is no local path is not looked at', async (t) => {
  const { said } = await scene(t);
  const handler = modelHandler({
    name: 'remote',
    example: int64,
    inference: int64,
    loadModel: (uri) => uri,
    runInference: (batch: readonly number[]) => batch,
  });
  const choice = new ModelChoice(handler as never);
  t.after(() => choice.tearDown());
  for (let i = 0; i < 2; i++) {
    const { model, release } = await choice.choose(['gs://models/a'], () => assert.fail());
    assert.equal(model, 'gs://models/a');
    await release();
    t.mock.timers.tick(LATER_MS);
  }
  assert.deepEqual(said, []);
});
