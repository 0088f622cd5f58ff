// SPDX-License-Identifier: Apache-2.0
// The models of this process: one of each, whoever comes while another goes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setLogSink } from '../../../src/base/index.ts';
import { modelHandler } from '../../../src/ml/index.ts';
import { acquireModel } from '../../../src/ml/local/loaded-models.ts';
import { int64 } from '../../../src/schema/index.ts';
import { time } from '../../helpers/time.ts';

test('a model is loaded anew once the one before it is closed, and another model at once', async () => {
  const calls: string[] = [];
  let close = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const handler = modelHandler({
    name: 'holds a file',
    example: int64,
    inference: int64,
    modelUri: 'a',
    loadModel: (uri) => {
      calls.push(`load ${uri}`);
      return uri;
    },
    runInference: (batch: readonly number[]) => batch,
    async closeModel(uri) {
      calls.push(`close ${uri}`);
      await closed;
      calls.push(`closed ${uri}`);
    },
  }) as unknown as Parameters<typeof acquireModel>[0];
  const first = await acquireModel(handler);
  const released = first.release();
  const second = acquireModel(handler);
  await acquireModel(handler, 'b');
  await turn();
  assert.deepEqual(calls, ['load a', 'close a', 'load b']);
  close();
  await released;
  assert.equal((await second).model, 'a');
  assert.deepEqual(calls, ['load a', 'close a', 'load b', 'closed a', 'load a']);
});

type Handler = Parameters<typeof acquireModel>[0];
/** A bundle that can be aborted. */
const bundle = () => {
  let error: Error | undefined;
  const abort = () => {
    error = new Error('aborted');
  };
  return { aborted: () => error, abort };
};
function handlerOf(loadModel: () => unknown, closed: unknown[] = []) {
  return modelHandler({
    name: 'it',
    example: int64,
    inference: int64,
    loadModel,
    runInference: (batch: readonly number[]) => batch,
    closeModel: (model) => void closed.push(model),
  }) as unknown as Handler;
}

test('a load that never ends keeps nobody: not its run, nor one that comes later, nor one that waited with it', async (t) => {
  const pass = time(t);
  const warnings: string[] = [];
  t.after(setLogSink(({ message }) => warnings.push(message)));
  let loads = 0;
  let comeBack: (model: string) => void = () => {};
  const first = new Promise<string>((resolve) => {
    comeBack = resolve;
  });
  const closed: unknown[] = [];
  const handler = handlerOf(() => (++loads === 1 ? first : `model ${loads}`), closed);
  const gone = bundle();
  const began = assert.rejects(acquireModel(handler, 'a', gone), /aborted/);
  const withIt = acquireModel(handler, 'a', bundle());
  await pass(100);
  gone.abort();
  await pass(200);
  await began;
  const later = await acquireModel(handler, 'a', bundle());
  assert.equal(later.model, 'model 2');
  await pass(5000);
  assert.equal((await withIt).model, 'model 2');
  // When it comes after all, nobody wants it.
  comeBack('model 1');
  await pass(100);
  assert.deepEqual(closed, ['model 1']);
  await later.release();
  await (await withIt).release();
  assert.deepEqual(closed, ['model 1', 'model 2']);
});

test('a load that nobody waits for any more is waited for a while by the next', async (t) => {
  const pass = time(t);
  const warnings: string[] = [];
  t.after(setLogSink(({ message }) => warnings.push(message)));
  let loads = 0;
  const handler = handlerOf(() => (++loads === 1 ? new Promise(() => {}) : `model ${loads}`));
  const gone = bundle();
  const began = assert.rejects(acquireModel(handler, 'a', gone), /aborted/);
  gone.abort();
  await pass(100);
  await began;
  const next = acquireModel(handler, 'a', bundle());
  await pass(9000);
  assert.equal(loads, 1);
  await pass(2000);
  assert.equal((await next).model, 'model 2');
  assert.match(warnings.join(), /of it does not end: its model is loaded again beside it/);
});

test('a model whose call does not come back, of a run that has ended, is left to it: others have a new one', async (t) => {
  const pass = time(t);
  const warnings: string[] = [];
  t.after(setLogSink(({ message }) => warnings.push(message)));
  let loads = 0;
  const closed: unknown[] = [];
  const handler = handlerOf(() => `model ${++loads}`, closed);
  const gone = bundle();
  const lost = await acquireModel(handler, 'a', gone);
  const call = await lost.turn(gone);
  const second = await acquireModel(handler, 'a', bundle());
  assert.equal(second.model, 'model 1');
  gone.abort();
  const waiting = second.turn(bundle());
  await pass(4000);
  assert.equal(second.isLeft(), false);
  await pass(2000);
  assert.equal(await waiting, undefined);
  assert.equal(second.isLeft(), true);
  await second.release();
  const third = await acquireModel(handler, 'a', bundle());
  assert.equal(third.model, 'model 2');
  assert.ok(await third.turn(bundle()));
  assert.equal(warnings.length, 1);
  // It is freed when it comes back after all.
  assert.deepEqual(closed, []);
  call!.end();
  await lost.release();
  assert.deepEqual(closed, ['model 1']);
  await third.release();
  assert.deepEqual(closed, ['model 1', 'model 2']);
});
