// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/index.ts';
import { ColumnCodec } from '../../../src/ml/packing/columns.ts';
import {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  float32,
  float64,
  int16,
  int32,
  int64,
  iterable,
  map,
  nullable,
  row,
  type SchemaType,
  string,
  type Tensor,
  tensor,
  typedArray,
  uint8,
} from '../../../src/schema/index.ts';
import { SIMPLE } from '../schema/arbitraries.ts';

function write(type: SchemaType, values: readonly unknown[]): Uint8Array {
  const out = new ByteWriter();
  new ColumnCodec('example', type).write(values, out);
  return out.take();
}
function roundTrip(type: SchemaType, values: readonly unknown[]): unknown[] {
  return new ColumnCodec('example', type).read(write(type, values), values.length);
}

const safe = fc.maxSafeInteger();
const wide = fc.double({ noNaN: false });
const narrow = fc.float({ noNaN: false });
const kinds: [string, SchemaType, fc.Arbitrary<unknown>][] = [
  ['int64', int64, safe],
  ['int32', int32, fc.integer()],
  ['int16', int16, fc.integer({ min: -32768, max: 32767 })],
  ['byte', byte, fc.integer({ min: -128, max: 127 })],
  ['float64', float64, wide],
  ['float32', float32, narrow],
  ['bigint64', bigint64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  ['string', string, fc.string()],
  ['boolean', boolean, fc.boolean()],
  ['nullable', nullable(int64), fc.option(safe)],
  ['map', map(string, int64), fc.array(fc.tuple(fc.string(), safe)).map((e) => new Map(e))],
  [
    'row',
    row({ a: int64, b: string }),
    fc.record({ a: safe, b: fc.string() }, { noNullPrototype: true }),
  ],
  ['nested lists', array(array(float64)), fc.array(fc.array(wide))],
];
// Whole numbers have no negative zero.
const plain = (value: unknown): unknown =>
  Object.is(value, -0) ? 0 : Array.isArray(value) ? value.map(plain) : value;

for (const [name, type, values] of kinds) {
  const isWhole = /int|byte/.test(name);
  test(`columns of ${name} and of lists of it come back equal`, () => {
    fc.assert(
      fc.property(fc.array(values), fc.array(fc.array(values)), (column, lists) => {
        const same = (a: unknown) => (isWhole ? plain(a) : a);
        assert.deepEqual(roundTrip(type, column), same(column));
        assert.deepEqual(roundTrip(array(type), lists), same(lists));
        assert.deepEqual(roundTrip(iterable(type), lists), same(lists));
      }),
      { numRuns: 50 },
    );
  });
}

test('whole numbers take as many bytes as the largest needs', () => {
  const size = (largest: number) => write(int64, [0, largest]).length - 2;
  assert.deepEqual([127, 128, 32768, 2 ** 31, 2 ** 50].map(size), [2, 4, 8, 16, 16]);
  assert.deepEqual([-128, -129].map(size), [2, 4]);
});

test('typed arrays are taken and, where declared, given', () => {
  assert.deepEqual(roundTrip(array(float32), [Float32Array.of(1, 2)]), [[1, 2]]);
  assert.deepEqual(roundTrip(typedArray('float32'), [[1, 2], Float32Array.of(3)]), [
    Float32Array.of(1, 2),
    Float32Array.of(3),
  ]);
  assert.deepEqual(roundTrip(typedArray('bigint64'), [BigInt64Array.of(5n)]), [
    BigInt64Array.of(5n),
  ]);
  assert.deepEqual(roundTrip(bytes, [Uint8Array.of(1)]), [Uint8Array.of(1)]);
});

test('typed arrays that share a buffer are arrays of their own, of whatever length', () => {
  const lengths = [0, 3, 4096, 1, 0, 5000, 7, 4095, 2, 0];
  const lists = lengths.map((length, i) => Float32Array.from({ length }, (_, at) => i * 7 + at));
  for (const many of [
    lists,
    lists.filter((list) => list.length === 3),
    Array(3000).fill(lists[1]),
  ]) {
    const back = roundTrip(typedArray('float32'), many) as Float32Array[];
    assert.deepEqual(back, many);
    for (const [i, list] of back.entries()) if (i % 2 === 0) list.fill(-1);
    for (const [i, list] of back.entries()) {
      assert.deepEqual(list, i % 2 === 0 ? new Float32Array(list.length).fill(-1) : many[i]);
      // What is kept with one that is kept.
      assert.ok(list.buffer.byteLength <= Math.max(16 * 1024, list.byteLength));
    }
  }
});

test('an iterable that is no array is taken', () => {
  assert.deepEqual(roundTrip(iterable(int64), [new Set([1, 2])]), [[1, 2]]);
});

test('a value of another type is refused by its path, whatever stands before it', () => {
  const refused: [SchemaType, unknown, RegExp][] = [
    [int64, 1.5, /field example is declared int64 but holds number 1\.5/],
    [int64, '1', /field example/],
    [int64, null, /field example/],
    [int64, undefined, /field example.*missing/],
    [int32, 2 ** 31, /field example/],
    [float32, 1e300, /field example/],
    [float64, '1', /field example/],
    [array(int64), [1, 'x'], /field example\[1\]/],
    [array(float64), [1, null], /field example\[1\]/],
    [array(int64), 5, /field example/],
    [row({ a: int64 }), { a: 'x' }, /field example\.a/],
    [row({ a: int64 }), { a: 1, b: 2 }, /b/],
    [row({ a: int64 }), {}, /field example\.a/],
  ];
  for (const [type, value, message] of refused) {
    assert.throws(() => write(type, [value]), { code: 'ROW_MISMATCH', message });
  }
  for (const type of [int64, array(int64), row({ a: int64 }), row({ a: int64, b: string })]) {
    assert.throws(() => write(type, new Array(2)), { code: 'ROW_MISMATCH' });
  }
  assert.throws(() => write(int64, [2 ** 53]), { code: 'INT64_OUT_OF_RANGE' });
  assert.throws(() => write(array(int64), [[-(2 ** 60)]]), { code: 'INT64_OUT_OF_RANGE' });
});

test('a 64-bit number of Python’s that a number cannot hold is an error, or a bigint', () => {
  const bytes64 = (value: bigint) =>
    Uint8Array.of(1, 3, ...new Uint8Array(BigInt64Array.of(value).buffer));
  const codec = new ColumnCodec('inference', int64);
  assert.deepEqual(codec.read(bytes64(2n ** 53n - 1n), 1), [2 ** 53 - 1]);
  assert.throws(() => codec.read(bytes64(2n ** 53n), 1), {
    code: 'INT64_OUT_OF_RANGE',
    message: /inference/,
  });
  assert.deepEqual(new ColumnCodec('inference', bigint64).read(bytes64(2n ** 62n), 1), [2n ** 62n]);
});

test('bytes that are cut are an error', () => {
  const codec = new ColumnCodec('example', int64);
  assert.throws(() => codec.read(Uint8Array.of(1, 2, 0, 0, 0), 1), { code: 'MALFORMED_DATA' });
  assert.throws(() => codec.read(Uint8Array.of(1, 9), 0), { code: 'MALFORMED_DATA' });
});

test('tensors come back equal, in columns as in rows', () => {
  const cases = SIMPLE.filter(({ type }) => type.kind === 'tensor');
  assert.ok(cases.length > 10);
  for (const { type, values } of cases) {
    fc.assert(
      fc.property(fc.array(values), (column) => {
        const rows = column.map((value) => ({ id: 1, it: value }));
        assert.deepEqual(roundTrip(type, column), column);
        assert.deepEqual(roundTrip(row({ id: int64, it: type }), rows), rows);
        assert.deepEqual(roundTrip(nullable(type), [...column, null]), [...column, null]);
      }),
      { numRuns: 20 },
    );
  }
});

test('tensors of one shape have one header, and elements from a multiple of eight on', () => {
  const two = [
    [1, 2],
    [3, 4],
  ];
  const column = write(tensor(float32, [2, 2]), [two, two]);
  assert.deepEqual([...column.subarray(0, 12)], [4, 4, 2, 0, 2, 0, 0, 0, 2, 0, 0, 0]);
  assert.equal(column.length, 16 + 2 * 16);
  const ragged = write(tensor(uint8, [null]), [[1], [2, 3]]);
  assert.deepEqual([...ragged], [5, 6, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
  // Whole numbers take as many bytes as the largest needs.
  assert.equal(write(tensor(int64, [2]), [[1, 300]]).length, 8 + 4);
});

test('tensors of a batch share its memory', () => {
  const [first, second] = roundTrip(tensor(float32, [2]), [
    [1, 2],
    [3, 4],
  ]) as Tensor<'float32'>[];
  assert.equal(first!.data.buffer, second!.data.buffer);
});

test('a tensor that does not fit is refused by its path', () => {
  const inputs = row({ ids: tensor(int64, [2]), mask: tensor(boolean, [2]) });
  const refused: [SchemaType, unknown, RegExp][] = [
    [
      tensor(float32, [2]),
      [1],
      /field example is declared tensor<float32, \[2\]> but has the shape \[1\]/,
    ],
    [inputs, { ids: [1, 2], mask: [true, 0] }, /field example\.mask\[1\] is declared boolean/],
    [inputs, { ids: [1, 2] }, /field example\.mask is declared/],
    [inputs, { ids: [1], mask: [true, true] }, /field example\.ids .* shape \[1\]/],
    [inputs, { ids: [1, 2], mask: [true, true], extra: 1 }, /extra/],
    [inputs, [1], /field example/],
  ];
  for (const [type, value, message] of refused) {
    assert.throws(() => write(type, [value]), { code: 'ROW_MISMATCH', message });
  }
});

test('a column of tensors that is cut is an error', () => {
  const type = tensor(float32, [null]);
  const column = write(type, [[1, 2], [3]]);
  const codec = new ColumnCodec('example', type);
  for (const end of [1, 3, 10, column.length - 4, column.length - 1]) {
    assert.throws(() => codec.read(column.subarray(0, end), 2), { code: 'MALFORMED_DATA' });
  }
});

test('a column whose counts or kind do not fit is refused, and no row is undefined', () => {
  const u32 = (...values: number[]) => [...new Uint8Array(Uint32Array.from(values).buffer)];
  const damaged: readonly [SchemaType, number, readonly number[]][] = [
    [int64, 3, [1, 0, 7]],
    [int64, 1, [1, 0, 7, 8]],
    [int64, 1, [2, 0, ...u32(1), 7]],
    [int64, 1, [9, 0, 7]],
    [string, 1, [1, 0, 7]],
    [array(int64), 1, [2, 0, 255, 255, 255, 255]],
    [array(int64), 2, [2, 0, ...u32(1), 7]],
    [array(int64), 2, [3, 0, ...u32(1, 2), 7, 8]],
    [array(int64), 2, [3, 0, ...u32(1, 1), 7, 8, 9]],
    [array(int64), 1, [1, 0, 7]],
    [tensor(float32, [2]), 2, [4, 4, 1, 0, ...u32(2), ...u32(0, 0)]],
    [tensor(float32, [2]), 1_000_000_000, [4, 4, 1, 0, ...u32(1), ...u32(0, 0)]],
    [tensor(float32, [2]), 1, [4, 4, 2, 0, ...u32(1, 1), 0, 0, 0, 0, ...u32(0)]],
    [tensor(int64, [2]), 1, [1, 0, 7]],
    [row({ a: int64 }), 2, [6, 3, 1, 0, 7]],
  ];
  for (const [type, count, data] of damaged) {
    const read = () => new ColumnCodec('x', type).read(Uint8Array.from(data), count);
    assert.throws(read, { code: 'MALFORMED_DATA' }, `${type.kind} ${data}`);
  }
});
