// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/index.ts';
import {
  Decimal,
  decodeValue,
  encodeValue,
  JsCoder,
  ownCopy,
  StateBackedIterable,
} from '../../../src/coders/index.ts';
import { jsValues } from './arbitraries.ts';
import { hasCode, isMalformed } from './properties.ts';

const js = new JsCoder();
const sorted = new JsCoder({ deterministic: true });
const there = (value: unknown) => decodeValue(js, encodeValue(js, value));
const hex = (value: unknown) => Buffer.from(encodeValue(sorted, value)).toString('hex');

test('holes in arrays become undefined', () => {
  // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
  assert.deepEqual(there([1, , 3]), [1, undefined, 3]);
});

test('a field named __proto__ stays a field', () => {
  const value = JSON.parse('{"__proto__": {"polluted": true}}') as object;
  const back = there(value) as Record<string, unknown>;
  assert.deepEqual(Object.keys(back), ['__proto__']);
  assert.equal(back.polluted, undefined);
});

test('objects without a prototype become plain objects', () => {
  const bare = Object.assign(Object.create(null) as object, { a: 1 });
  assert.deepEqual(there(bare), { a: 1 });
});

test('a typed array that is part of a larger buffer travels alone', () => {
  const part = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
  const back = there(part) as Float32Array;
  assert.deepEqual(back, new Float32Array([2, 3]));
  assert.equal(back.buffer.byteLength, 8);
});

test('errors keep their class, message, stack and cause', () => {
  const error = new RangeError('too far', { cause: new TypeError('inner') });
  const back = there(error) as RangeError;
  assert.ok(back instanceof RangeError);
  assert.equal(back.message, 'too far');
  assert.equal(back.stack, error.stack);
  assert.ok(back.cause instanceof TypeError);
  assert.ok(!('cause' in (there(new Error('plain')) as Error)));
});

test('the grouped values of a key become an array, unless some must still be fetched', () => {
  const element = new JsCoder();
  assert.deepEqual(there({ key: 1, value: new StateBackedIterable([1, 2], element) }), {
    key: 1,
    value: [1, 2],
  });
  const more = new StateBackedIterable([1], element, new Uint8Array([9]));
  assert.throws(() => encodeValue(js, more), hasCode('UNSUPPORTED', 'for await'));
});

class Point {
  constructor(readonly x: number) {}
}

class Failure extends Error {}
class Table extends Map<unknown, unknown> {}
class Tags extends Set<unknown> {}
class Line extends Array {}
class Day extends Date {}
class Block extends ArrayBuffer {
  unit = 'b';
}
class Samples extends Float32Array {}
class Money extends Decimal {}

const refused: [string, unknown, string][] = [
  ['a function', () => 1, 'Functions and symbols'],
  ['a symbol', Symbol('s'), 'Functions and symbols'],
  ['a class', Point, 'Functions and symbols'],
  ['a promise', Promise.resolve(1), 'Await the promise'],
  ['a class instance', new Point(1), '{ ...value }'],
  ['an error class of the user', new Failure('x'), 'plain object'],
  ['a regular expression', /x/, 'Class instances'],
  ['a DataView', new DataView(new ArrayBuffer(2)), 'typed arrays'],
  ['a WeakMap', new WeakMap(), 'Class instances'],
  ['an instance of a class that extends Map', new Table([[1, 2]]), 'new Map(value)'],
  ['an instance of a class that extends Set', new Tags([1]), 'requireForSerialization'],
  ['an instance of a class that extends Array', Line.from([1]), '[...value]'],
  ['an instance of a class that extends Date', new Day(5), 'new Date(value)'],
  ['an instance of a class that extends ArrayBuffer', new Block(1), 'requireForSerialization'],
  ['an instance of a class that extends a typed array', new Samples(1), 'typed arrays'],
  ['an instance of a class that extends Decimal', new Money(1n, 0), 'requireForSerialization'],
  ['what is made of Buffer', Object.setPrototypeOf(Buffer.from('a'), {}), 'typed arrays'],
];

for (const [name, value, hint] of refused) {
  test(`${name} is refused with what to do instead, at any depth`, () => {
    assert.throws(() => encodeValue(js, value), hasCode('CODER_MISMATCH', hint));
    assert.throws(
      () => encodeValue(js, { deep: [new Map([[1, value]])] }),
      hasCode('CODER_MISMATCH', hint),
    );
  });
}

test('what extends an array is named by its class where it is refused', () => {
  assert.throws(() => encodeValue(js, Line.from([1, 2])), { message: /hold Line of 2/ });
});

test('arrays, and what a regular expression matched, may come from another realm', () => {
  const { list, match } = runInNewContext('({ list: [1, [2]], match: /(?<n>.)/.exec("a") })') as {
    list: unknown;
    match: RegExpExecArray;
  };
  assert.deepStrictEqual(there(list), [1, [2]]);
  const back = there(match) as RegExpExecArray;
  assert.deepEqual([back[1], back.index, back.groups?.n], ['a', 0, 'a']);
});

/** As fake timers make one. */
function clockDate(NativeDate: DateConstructor): DateConstructor {
  class ClockDate extends NativeDate {
    constructor(...at: unknown[]) {
      super(...(at as [number]));
      Object.defineProperty(this, 'constructor', { value: NativeDate, enumerable: false });
    }
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof NativeDate;
    }
  }
  return ClockDate as unknown as DateConstructor;
}

test('dates are dates while a test has put a clock in the place of Date, and afterwards', () => {
  const NativeDate = Date;
  const before = new NativeDate(1);
  const times = (dates: Date[]) => {
    for (const all of [there(dates), ownCopy(dates)] as Date[][]) {
      assert.deepEqual(all.map(Number), dates.map(Number));
      assert.ok(all.every((date, i) => date instanceof NativeDate && date !== dates[i]));
    }
  };
  globalThis.Date = clockDate(NativeDate);
  const during = new Date(2);
  try {
    times([before, during]);
  } finally {
    globalThis.Date = NativeDate;
  }
  times([before, during]);
});

test('a cyclic value is refused and named as such', () => {
  const ring: Record<string, unknown> = {};
  ring.self = ring;
  assert.throws(() => encodeValue(js, ring), hasCode('CODER_MISMATCH', 'refers to itself'));
});

test('bytes that nest without end are MALFORMED_DATA', () => {
  const out = new ByteWriter();
  // An array of one value, which is an array of one value, …
  for (let i = 0; i < 5000; i++) out.bytes(new Uint8Array([0x0b, 1]));
  assert.throws(() => decodeValue(js, out.take()), isMalformed);
});

test('a count beyond the bytes is MALFORMED_DATA before any memory is taken', () => {
  const out = new ByteWriter();
  out.byte(0x0b);
  out.varint(2 ** 40);
  assert.throws(() => decodeValue(js, out.take()), isMalformed);
});

test('the bytes of both forms stay as they are', () => {
  const value = {
    b: [1, -1, 300, 0.5, 'é'],
    a: new Map<unknown, unknown>([['k', null]]),
    n: 2n ** 64n,
  };
  assert.equal(
    Buffer.from(encodeValue(js, value)).toString('hex'),
    '0c03' +
      '4162' +
      '0b05' +
      '81' +
      '0500' +
      '04ac02' +
      '063fe0000000000000' +
      '42c3a9' +
      '4161' +
      '0e01' +
      '416b' +
      '01' +
      '416e' +
      '0709010000000000000000',
  );
  assert.equal(
    hex(value),
    '0c03' +
      '4161' +
      '0e01' +
      '416b' +
      '01' +
      '4162' +
      '0b05' +
      '81' +
      '0500' +
      '04ac02' +
      '063fe0000000000000' +
      '42c3a9' +
      '416e' +
      '0709010000000000000000',
  );
});

test('the deterministic form writes equal values with equal bytes', () => {
  assert.equal(hex({ a: 1, b: 2 }), hex({ b: 2, a: 1 }));
  assert.equal(hex(new Set([1, 'x', 2])), hex(new Set(['x', 2, 1])));
  assert.equal(
    hex(
      new Map([
        [1, { a: 1, b: 2 }],
        [2, {}],
      ] as never),
    ),
    hex(
      new Map([
        [2, {}],
        [1, { b: 2, a: 1 }],
      ] as never),
    ),
  );
  assert.equal(hex(-0), hex(0));
  assert.equal(hex([Number.NaN]), hex([Number.NaN]));
});

test('the deterministic form keeps different values apart', () => {
  const values = [
    0,
    '0',
    0n,
    null,
    undefined,
    false,
    [],
    {},
    new Set(),
    new Map(),
    '',
    new Date(0),
    [0],
    [[0]],
  ];
  assert.equal(new Set(values.map(hex)).size, values.length);
});

function shuffled(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(shuffled);
  if (value instanceof Map)
    return new Map([...value].map(([k, v]) => [shuffled(k), shuffled(v)] as const).reverse());
  if (value instanceof Set) return new Set([...value].map(shuffled).reverse());
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const back: Record<string, unknown> = {};
  for (const name of Object.keys(value).reverse()) {
    const item = shuffled((value as Record<string, unknown>)[name]);
    Object.defineProperty(back, name, {
      value: item,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return back;
}

test('the deterministic form does not depend on the order of names and entries', () => {
  fc.assert(
    fc.property(jsValues, (value) => {
      assert.equal(hex(shuffled(value)), hex(value));
    }),
  );
});

test('asDeterministic gives the deterministic form, which reads the same bytes', () => {
  assert.equal(js.deterministic, false);
  assert.equal(js.asDeterministic().deterministic, true);
  assert.deepEqual(decodeValue(sorted, encodeValue(js, { b: 1, a: 2 })), { a: 2, b: 1 });
});
