// SPDX-License-Identifier: Apache-2.0
// Copies that their owners may change.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownCopy, Tensor } from '../../../src/coders/index.ts';

class Counter extends Map<string, number> {
  plus() {
    return 1;
  }
}
class Point {
  x = 1;
}

test('a copy shares nothing that can be changed with what it is of', () => {
  const value = {
    list: [1, [2]],
    map: new Map([['a', { n: 1 }]]),
    set: new Set([1]),
    at: new Date(5),
    bytes: Buffer.from('ab'),
    numbers: new Float32Array([1, 2]),
    tensor: new Tensor('float32', [2], new Float32Array([1, 2])),
  };
  const copy = ownCopy(value);
  assert.deepEqual(copy, value);
  for (const name of Object.keys(value) as (keyof typeof value)[]) {
    assert.notEqual(copy[name], value[name], name);
  }
  assert.notEqual(copy.list[1], value.list[1]);
  assert.notEqual(copy.map.get('a'), value.map.get('a'));
  assert.notEqual(copy.tensor.data, value.tensor.data);
});

test('of a view only what it shows is copied', () => {
  const view = new Float32Array(new ArrayBuffer(1 << 20), 0, 4);
  assert.equal(ownCopy(view).buffer.byteLength, 16);
});

test('instances of other classes stay themselves, wherever they are', () => {
  const point = new Point();
  assert.equal(ownCopy(new Map([['p', point]])).get('p'), point);
  assert.equal(ownCopy(new Counter()).plus(), 1);
});
