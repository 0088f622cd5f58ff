// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../../src/base/index.ts';
import { fromPlainError, toPlainError } from '../../../../src/worker/threads/plain-error.ts';

const there = (error: unknown) => fromPlainError(structuredClone(toPlainError(error)));

test('an error of this package is the same in another thread', () => {
  const cause = Object.assign(new TypeError('no'), { code: 'E1', keep: { a: [1n] } });
  const error = new BeamBridgeError('USER_CODE_FAILED', 'TypeError: no', {
    transform: 'map(f)',
    appliedAt: 'a.ts:1:2',
    hint: 'Do not.',
    detail: 'at f',
    cause,
  });
  const found = there(error) as BeamBridgeError;
  assert.ok(found instanceof BeamBridgeError);
  for (const name of ['code', 'message', 'shortMessage', 'transform', 'hint', 'stack'] as const) {
    assert.equal(found[name], error[name]);
  }
  assert.equal(found.detail, 'at f');
  const inner = found.cause as typeof cause;
  assert.ok(inner instanceof TypeError);
  assert.deepEqual([inner.code, inner.keep, inner.stack], ['E1', { a: [1n] }, cause.stack]);
});

test('an error of a class of the program keeps its name, and what can travel of its fields', () => {
  class Mine extends Error {
    override readonly name = 'Mine';
    readonly callback = () => 1;
    readonly at = new Date(5);
  }
  const found = there(new Mine('x', { cause: 'a text' })) as Mine;
  assert.ok(found instanceof Error);
  assert.deepEqual(
    [found.name, found.message, found.at, found.cause],
    ['Mine', 'x', new Date(5), 'a text'],
  );
  assert.equal(typeof found.callback, 'string');
});

test('what is no error, and errors that cause each other, travel', () => {
  assert.deepEqual(there({ a: 1 }), { a: 1 });
  assert.equal(there(undefined), undefined);
  const one = new Error('one');
  one.cause = new Error('two', { cause: one });
  assert.equal((there(one) as Error).message, 'one');
});
