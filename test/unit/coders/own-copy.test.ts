// SPDX-License-Identifier: Apache-2.0
// Copies that their owners may change.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import {
  decodeValue,
  encodeValue,
  GlobalWindow,
  JsCoder,
  ownCopy,
  ownCopyOr,
  StateBackedIterable,
  Tensor,
  transcode,
} from '../../../src/coders/index.ts';
import {
  array,
  coderOf,
  int64,
  iterable,
  map,
  row,
  type SchemaType,
  string,
} from '../../../src/schema/index.ts';
import { everyJsValue } from './arbitraries.ts';

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

/** All objects in a value, and the memory of what is bytes. */
function partsOf(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null || found.has(value)) return found;
  if (value === GlobalWindow.INSTANCE) return found;
  found.add(value);
  // Small Buffers are parts of one pool.
  if (ArrayBuffer.isView(value) && !Buffer.isBuffer(value)) found.add(value.buffer);
  if (value instanceof Map) Map.prototype.forEach.call(value, (v, k) => partsOf([k, v], found));
  if (value instanceof Set) Set.prototype.forEach.call(value, (v) => partsOf(v, found));
  if (value instanceof Error) partsOf([value.cause], found);
  if (!ArrayBuffer.isView(value)) for (const part of Object.values(value)) partsOf(part, found);
  return found;
}

test('a copy is what the JavaScript coder makes of the value, and shares nothing with it', () => {
  const js = new JsCoder();
  fc.assert(
    fc.property(everyJsValue, (value) => {
      const copy = ownCopy(value);
      assert.deepStrictEqual(copy, decodeValue(js, encodeValue(js, value)));
      assert.deepEqual(encodeValue(js, copy), encodeValue(js, value));
      const parts = partsOf(value);
      for (const part of partsOf(copy)) assert.ok(!parts.has(part), 'a part is shared');
    }),
    { numRuns: 500 },
  );
});

test('what only the coder knows how to read is copied as it reads it', () => {
  // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
  assert.deepStrictEqual(ownCopy([1, , 3]), [1, undefined, 3]);
  assert.deepStrictEqual(ownCopy(Object.assign(Object.create(null) as object, { a: 1 })), { a: 1 });
  const row = { n: 1 };
  const copy = ownCopy(new StateBackedIterable([row], new JsCoder())) as Iterable<object>;
  assert.deepStrictEqual(copy, [{ n: 1 }]);
  assert.notEqual([...copy][0], row);
  const more = new StateBackedIterable([row], new JsCoder(), new Uint8Array([9]));
  assert.equal(ownCopy(more), more);
});

test('arrays, and what a regular expression matched, may come from another realm', () => {
  const { list, match } = runInNewContext('({ list: [1, [2]], match: /(?<n>.)/.exec("a") })') as {
    list: unknown;
    match: RegExpExecArray;
  };
  assert.deepStrictEqual(ownCopy(list), [1, [2]]);
  const copy = ownCopy(match);
  assert.deepEqual([copy[1], copy.index, copy.groups?.n], ['a', 0, 'a']);
});

test('a Buffer and the Buffer of a tensor have memory of their own, and so has a DataView', () => {
  const bytes = Buffer.from([1, 2]);
  const tensor = new Tensor('uint8', [2], bytes);
  const view = new DataView(new ArrayBuffer(8), 4, 2);
  const copies = ownCopy({ bytes, tensor, view });
  bytes[0] = 9;
  view.setInt8(0, 9);
  assert.equal(copies.bytes[0], 1);
  assert.equal(copies.tensor.data[0], 1);
  assert.deepEqual([copies.view.getInt8(0), copies.view.byteLength], [0, 2]);
  assert.equal(copies.view.buffer.byteLength, 2);
});

test('instances of classes that nobody declared stay themselves, wherever they are', () => {
  const point = new Point();
  assert.equal(ownCopy(new Map([['p', point]])).get('p'), point);
  assert.equal(ownCopy(new Counter()).plus(), 1);
});

test('what extends an array, bytes or a tensor is copied although its class is not known', () => {
  class List extends Array<number> {}
  class Vector extends Float32Array {}
  class Bytes extends Uint8Array {}
  const list = List.from([1, 2]);
  const vector = Vector.from([1, 2]);
  for (const value of [list, vector, Bytes.from([1, 2])] as ArrayLike<number>[]) {
    const copy = ownCopy(value) as number[];
    assert.deepEqual([...copy], [1, 2]);
    copy[0] = 9;
    assert.equal(value[0], 1);
  }
  class Grid extends Tensor {}
  const grid = new Grid('float32', [2], Float32Array.from([1, 2]));
  const copy = ownCopy(grid);
  copy.data[0] = 9;
  assert.equal(grid.data[0], 1);
});

class Account {
  #cents = 0;
  set cents(cents: number) {
    this.#cents = cents;
  }
  get cents() {
    return this.#cents;
  }
}
class Bag {
  held = [1];
  *[Symbol.iterator]() {
    yield* this.held;
  }
}
const account = new Account();
account.cents = 1;
const own = {
  held: [1],
  *[Symbol.iterator]() {
    yield* this.held;
  },
};

const declared: [string, SchemaType, unknown, unknown][] = [
  ['an instance', row({ cents: int64 }), account, { cents: 1 }],
  ['one in a row', row({ of: row({ cents: int64 }) }), { of: account }, { of: { cents: 1 } }],
  ['one in an array', array(row({ cents: int64 })), [account], [{ cents: 1 }]],
  ['what inherits', row({ x: int64 }), Object.create({ x: 1 }), { x: 1 }],
  ['a class that extends Map', map(string, int64), new Counter([['a', 1]]), new Map([['a', 1]])],
  ['an iterable of a class', iterable(int64), new Bag(), [1]],
  ['an object with an iterator', iterable(int64), own, [1]],
  ['a generator', iterable(int64), new Bag()[Symbol.iterator](), [1]],
];
for (const [what, type, value, wanted] of declared) {
  test(`${what} of a declared type is copied as its coder does it`, () => {
    const coder = coderOf(type);
    assert.deepStrictEqual(
      ownCopyOr(value, (whole) => transcode(coder, whole)),
      wanted,
    );
  });
}

test('what structure tells is not encoded, and what no coder takes is refused', () => {
  const coder = new JsCoder();
  const never = () => assert.fail('encoded');
  const plain = { a: [1, new Map([['b', new Date(1)]])], w: GlobalWindow.INSTANCE };
  assert.deepStrictEqual(ownCopyOr<unknown>(plain, never), plain);
  assert.throws(() => ownCopyOr<unknown>([new Point()], (value) => transcode(coder, value)), {
    code: 'CODER_MISMATCH',
  });
  // Of another value before, nothing is left.
  assert.deepStrictEqual(ownCopyOr<unknown>({ a: 1 }, never), { a: 1 });
});
