// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { difference } from '../../../src/testing/difference.ts';

test('order and the order of fields do not matter', () => {
  assert.equal(difference([{ a: 1, b: 2 }, 'x', null], ['x', null, { b: 2, a: 1 }]), undefined);
  assert.equal(
    difference(
      [
        new Map([
          ['a', 1],
          ['b', 2],
        ]),
      ],
      [
        new Map([
          ['b', 2],
          ['a', 1],
        ]),
      ],
    ),
    undefined,
  );
  assert.equal(difference([], []), undefined);
});

test('how often an element is there matters', () => {
  assert.ok(difference([1, 1, 2], [1, 2, 2]));
  assert.ok(difference([1], [1, 1]));
});

test('types matter', () => {
  assert.ok(difference<unknown>([1], ['1']));
  assert.ok(difference<unknown>([null], [undefined]));
  assert.ok(difference<unknown>([{ a: undefined }], [{}]));
  assert.equal(difference([Number.NaN], [Number.NaN]), undefined);
});

test('the difference shows both sides', () => {
  const said = difference([{ name: 'ada' }], [{ name: 'alan' }]);
  assert.match(said!, /ada/);
  assert.match(said!, /alan/);
});
