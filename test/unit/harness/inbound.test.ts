// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InboundData } from '../../../src/harness/worker/inbound.ts';
import { create, fn } from '../../../src/proto/index.ts';

function elements(instructionId: string, transformId: string, size: number, isLast = false) {
  return create(fn.ElementsSchema, {
    data: [{ instructionId, transformId, data: new Uint8Array(size), isLast }],
  });
}

function inbound(budgetBytes = 100) {
  const pauses: boolean[] = [];
  const data = new InboundData({ budgetBytes, onPause: (paused) => pauses.push(paused) });
  return { data, pauses };
}

test('chunks come in order, and the end when every source had its last', async () => {
  const { data } = inbound();
  data.accept(elements('i', 'a', 1));
  const input = data.open('i', ['a', 'b']);
  assert.deepEqual(input.next(), { transformId: 'a', data: new Uint8Array(1) });
  const second = input.next();
  assert.ok(second instanceof Promise);
  data.accept(elements('i', 'b', 2, true));
  assert.equal((await second)?.transformId, 'b');
  const end = input.next();
  data.accept(elements('i', 'a', 0, true));
  assert.equal(await end, undefined);
});

test('a stage without sources has no data', () => {
  assert.equal(inbound().data.open('i', []).next(), undefined);
});

test('data may come before the bundle is known', () => {
  const { data } = inbound();
  data.accept(elements('i', 'a', 3));
  data.accept(elements('i', 'a', 0, true));
  const input = data.open('i', ['a']);
  assert.equal((input.next() as { data: Uint8Array }).data.length, 3);
  assert.equal(input.next(), undefined);
});

test('data for an instruction that is over is dropped', () => {
  const { data } = inbound();
  data.accept(elements('i', 'a', 50));
  data.close('i');
  data.accept(elements('i', 'a', 50));
  assert.equal(data.queuedBytes, 0);
});

test('reading pauses above the budget and goes on below it', () => {
  const { data, pauses } = inbound(100);
  const input = data.open('i', ['a']);
  data.accept(elements('i', 'a', 80));
  assert.deepEqual(pauses, []);
  data.accept(elements('i', 'a', 80));
  assert.deepEqual(pauses, [true]);
  input.next();
  assert.deepEqual(pauses, [true, false]);
});

test('reading goes on while some bundle waits for data, whatever is queued', () => {
  const { data, pauses } = inbound(100);
  data.open('slow', ['a']);
  data.accept(elements('slow', 'a', 500));
  assert.deepEqual(pauses, [true]);
  const waiting = data.open('hungry', ['a']).next();
  assert.ok(waiting instanceof Promise);
  assert.deepEqual(pauses, [true, false]);
  data.accept(elements('hungry', 'a', 1));
  assert.deepEqual(pauses, [true, false, true]);
});

test('reading does not pause before any bundle runs', () => {
  const { data, pauses } = inbound(10);
  data.accept(elements('early', 'a', 500));
  assert.deepEqual(pauses, []);
  assert.equal(data.queuedBytes, 500);
});

test('dropping a bundle frees what it had queued', () => {
  const { data, pauses } = inbound(10);
  data.open('i', ['a']);
  data.accept(elements('i', 'a', 500));
  data.close('i');
  assert.deepEqual(pauses, [true, false]);
});

test('whoever waits when the stream fails gets its error', async () => {
  const { data } = inbound();
  const waiting = data.open('i', ['a']).next();
  data.fail(new TypeError('gone'));
  await assert.rejects(Promise.resolve(waiting), { message: 'gone' });
});
