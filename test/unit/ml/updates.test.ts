// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/index.ts';
import {
  CurrentModels,
  fromFolder,
  keyIdBy,
  readUpdates,
  timedUpdate,
  writeUpdates,
} from '../../../src/ml/updates/updates.ts';
import {
  bytes,
  coderOf,
  float64,
  nullable,
  row,
  type SchemaType,
  string,
} from '../../../src/schema/index.ts';

const paths = (models: CurrentModels, timestamp: number, key?: unknown) =>
  models.at(timestamp, key).updates.map(({ path }) => path);

test('the latest update that is not after the row is first, older ones follow', () => {
  const models = new CurrentModels([
    timedUpdate({ modelPath: 'c' }, 30),
    timedUpdate({ modelPath: 'a' }, 10),
    timedUpdate({ modelPath: 'b', modelName: 'B' }, 20),
    timedUpdate({ modelPath: 'a' }, 40),
  ]);
  assert.deepEqual(paths(models, 9), []);
  assert.deepEqual(paths(models, 10), ['a']);
  assert.deepEqual(paths(models, 29), ['b', 'a']);
  assert.deepEqual(paths(models, 40), ['a', 'c', 'b']);
  assert.equal(models.at(25, undefined), models.at(29, undefined));
});

test('updates for some keys, and back to the own model', () => {
  const models = new CurrentModels([
    timedUpdate({ modelPath: 'all' }, 0),
    timedUpdate({ modelPath: 'mine', keys: ['k', 5] }, 10),
    timedUpdate({ modelPath: '', keys: [{ a: 1 }] }, 10),
  ]);
  assert.deepEqual(paths(models, 10, 'k'), ['mine', 'all']);
  assert.deepEqual(paths(models, 10, 5), ['mine', 'all']);
  assert.deepEqual(paths(models, 10, 'other'), ['all']);
  assert.deepEqual(paths(models, 10, { a: 1 }), []);
});

test('what is current does not depend on the order in which updates arrive', () => {
  const update = fc.record({
    path: fc.constantFrom('a', 'b', 'c', ''),
    at: fc.integer({ min: 0, max: 5 }),
  });
  fc.assert(
    fc.property(
      fc.array(update, { maxLength: 12 }),
      fc.integer({ min: 0, max: 5 }),
      (updates, at) => {
        const timed = updates.map((one) => timedUpdate({ modelPath: one.path }, one.at));
        const found = paths(new CurrentModels(timed), at);
        assert.deepEqual(paths(new CurrentModels(timed.toReversed()), at), found);
        const latest = Math.max(...updates.filter((one) => one.at <= at).map((one) => one.at));
        if (found.length > 0)
          assert.ok(updates.some((one) => one.path === found[0] && one.at <= latest));
      },
    ),
  );
});

test('updates on the wire', () => {
  const updates = [
    { path: '/models/é', name: 'new' },
    { path: 'gs://b/o', name: '' },
  ];
  const out = new ByteWriter();
  writeUpdates(updates, out);
  assert.deepEqual(readUpdates(out.take()), updates);
  assert.deepEqual(readUpdates(new Uint8Array()), []);
});

test('what is no update, and what is no path', () => {
  for (const given of [null, {}, { modelPath: 5 }, { modelPath: 'a', keys: 'k' }]) {
    assert.throws(() => timedUpdate(given as never, 0), { code: 'INVALID_ARGUMENT' });
  }
  assert.equal(fromFolder('gs://bucket/model', '/home'), 'gs://bucket/model');
  assert.equal(fromFolder('bert-base', '/home'), 'bert-base');
  assert.equal(fromFolder('./m.pkl', '/home'), '/home/m.pkl');
  assert.equal(fromFolder('', '/home'), '');
});

test('keys of updates are compared as where rows are grouped, under the type of the keys', () => {
  const current = (type: SchemaType, updateKey: unknown, rowKey: unknown) =>
    paths(
      new CurrentModels(
        [{ modelPath: '/new', keys: [updateKey], at: 0, order: 0 }],
        keyIdBy(coderOf(type)),
      ),
      1,
      rowKey,
    ).length > 0;
  const pair = row({ a: string, b: nullable(string) });
  for (const [type, updateKey, rowKey] of [
    [nullable(string), 'null', null],
    [float64, Number.POSITIVE_INFINITY, Number.NaN],
    [float64, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    [pair, { a: 'x', b: 'y' }, { a: 'x', b: null }],
  ] as const) {
    assert.equal(current(type as SchemaType, updateKey, rowKey), false, String(updateKey));
  }
  for (const [type, updateKey, rowKey] of [
    [pair, { b: 'y', a: 'x' }, { a: 'x', b: 'y' }],
    [pair, { a: 'x' }, { a: 'x', b: null }],
    [bytes, Buffer.from('k'), new Uint8Array([107])],
    [float64, Number.NaN, Number.NaN],
  ] as const) {
    assert.equal(current(type as SchemaType, updateKey, rowKey), true, String(updateKey));
  }
  assert.throws(() => current(string, 7, 'x'), { code: 'CODER_MISMATCH' });
});
