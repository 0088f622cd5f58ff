// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findExport } from '../../../src/worker/exported.ts';
import { exportsSoFar, loadModule } from '../../../src/worker/namespace.ts';
import { found } from '../../fixtures/worker/awaiting.ts';
import { first, hidden, second } from '../../fixtures/worker/exports.ts';

test('a pipeline is found by its identity among the exports of its module', async () => {
  const moduleUrl = new URL('../../fixtures/worker/exports.ts', import.meta.url).href;
  assert.deepEqual(await findExport(second), { moduleUrl, exportName: 'second' });
  assert.equal((await findExport(first)).moduleUrl, moduleUrl);
});

test('a pipeline is found by a module that still runs', () => {
  assert.equal(found.exportName, 'score');
});

test('a function written inline is refused, with the word to export it', async () => {
  await assert.rejects(
    findExport(() => {}),
    (error: Error & { code: string }) =>
      error.code === 'PIPELINE_NOT_EXPORTED' && /export const score = pipeline/.test(error.message),
  );
});

test('a pipeline that its module does not export is refused', async () => {
  await assert.rejects(findExport(hidden()), { code: 'PIPELINE_NOT_EXPORTED' });
});

test('what a module has not come to is not among its exports, and no error', async () => {
  const url = `data:text/javascript,${encodeURIComponent(
    'export const early = 1; await new Promise((resolve) => { globalThis.goOn = resolve; }); export const late = 2;',
  )}`;
  const { linked, loaded } = loadModule(url);
  const namespace = await linked;
  while (!('goOn' in globalThis)) await new Promise(setImmediate);
  assert.deepEqual([...exportsSoFar(namespace)], [['early', 1]]);
  (globalThis as unknown as { goOn: () => void }).goOn();
  await loaded;
  assert.deepEqual(
    [...exportsSoFar(namespace)],
    [
      ['early', 1],
      ['late', 2],
    ],
  );
});

test('a module that cannot be linked, and one that throws, reject', async () => {
  const none = loadModule('file:///nowhere/at/all.mjs');
  await assert.rejects(none.linked);
  await assert.rejects(none.loaded);
  const throws = loadModule("data:text/javascript,throw new TypeError('no')");
  await assert.rejects(throws.loaded, TypeError);
});
