// SPDX-License-Identifier: Apache-2.0
// Columns built a value at a time against the bytes as they are described, worked out in the plainest
// way from all values at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/index.ts';
import { ColumnCodec } from '../../../src/ml/packing/columns.ts';
import { PendingColumn } from '../../../src/ml/packing/pending-column.ts';
import {
  array,
  byte,
  float32,
  float64,
  int16,
  int32,
  int64,
  iterable,
  type RowType,
  row,
  type SchemaType,
  string,
  typedArray,
} from '../../../src/schema/index.ts';

const WHOLE: Record<string, [least: number, greatest: number]> = {
  byte: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};
const MAX_FLOAT32 = 3.4028234663852886e38;

function fits(kind: string, value: unknown): boolean {
  const range = WHOLE[kind];
  if (typeof value !== 'number') return false;
  if (range) return Number.isInteger(value) && range[0] <= value && value <= range[1];
  if (kind === 'float64' || !Number.isFinite(value)) return true;
  const rounded = Math.fround(value);
  return Number.isFinite(rounded) && (rounded === value || !Number.isSafeInteger(value));
}

/** The code and the bytes of numbers in the narrowest type that holds all. */
function numbers(kind: string, given: readonly number[]): [code: number, bytes: Buffer] {
  const all = kind === 'float32' ? given.map(Math.fround) : given;
  const narrowest = Object.entries(WHOLE).find(([name]) => all.every((value) => fits(name, value)));
  // Fractions travel as whole numbers where all of them are, and short: a negative zero is none.
  const areShort =
    (narrowest?.[0] === 'byte' || narrowest?.[0] === 'int16') &&
    all.length > 0 &&
    !all.some((value) => Object.is(value, -0));
  const name = kind in WHOLE || areShort ? narrowest![0] : kind;
  const writers: Record<
    string,
    [code: number, size: number, write: (b: Buffer, v: number) => void]
  > = {
    byte: [0, 1, (b, v) => b.writeInt8(v)],
    int16: [1, 2, (b, v) => b.writeInt16LE(v)],
    int32: [2, 4, (b, v) => b.writeInt32LE(v)],
    int64: [5, 8, (b, v) => b.writeDoubleLE(v)],
    float32: [4, 4, (b, v) => b.writeFloatLE(v)],
    float64: [5, 8, (b, v) => b.writeDoubleLE(v)],
  };
  const [code, size, write] = writers[name]!;
  const each = all.map((value) => {
    const bytes = Buffer.alloc(size);
    write(bytes, value);
    return bytes;
  });
  return [code, Buffer.concat(each)];
}

function uint32(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    bytes.writeUInt32LE(value, 4 * i);
  });
  return bytes;
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

/** The column; undefined when a value does not fit. */
function plain(type: SchemaType, values: readonly unknown[]): Buffer | undefined {
  if (type.kind !== 'array' && type.kind !== 'iterable') {
    if (!values.every((value) => fits(type.kind, value))) return undefined;
    const [code, bytes] = numbers(type.kind, values as number[]);
    return Buffer.concat([Buffer.of(1, code), bytes]);
  }
  const { kind } = type.element;
  const lists: unknown[][] = [];
  for (const value of values) {
    if (!isList(value)) return undefined;
    lists.push(Array.from(value));
  }
  const all = lists.flat();
  if (!all.every((value) => fits(kind, value))) return undefined;
  const [code, bytes] = numbers(kind, all as number[]);
  const lengths = lists.map((list) => list.length);
  const isEqual = lists.length > 0 && lengths.every((length) => length === lengths[0]);
  return isEqual
    ? Buffer.concat([Buffer.of(2, code), uint32(lengths.slice(0, 1)), bytes])
    : Buffer.concat([Buffer.of(3, code), uint32(lengths), bytes]);
}

function built(type: SchemaType, values: readonly unknown[]): Buffer | undefined {
  const builder = new ColumnCodec('example', type).builder()!;
  for (const [i, value] of values.entries()) {
    assert.equal(builder.count, i);
    if (!builder.add(value)) return undefined;
  }
  return Buffer.concat(builder.parts());
}

const EDGES = [0, 1, 7, 8, 15, 16, 31, 32, 52, 53].flatMap((bits) =>
  [-(2 ** bits) - 1, -(2 ** bits), 2 ** bits - 1, 2 ** bits].map((edge) => edge),
);
const number = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -128, max: 127 }) },
  fc.constantFrom(...EDGES),
  fc.constant(-0),
  fc.integer(),
  fc.maxSafeInteger(),
);
const fraction = fc.oneof(
  number,
  fc.double(),
  fc.float(),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, MAX_FLOAT32, 3.4028235e38, 5e-324),
);
const bad = fc.constantFrom<unknown>('1', 1n, null, undefined, true, [1], {}, new Date(0), 0.5);
const kinds: [SchemaType, fc.Arbitrary<number>][] = [
  [byte, number],
  [int16, number],
  [int32, number],
  [int64, number],
  [float32, fraction],
  [float64, fraction],
];

/** Mostly values that fit, so that whole columns do, too. */
function mostly(kind: string, values: fc.Arbitrary<number>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 200, arbitrary: values.filter((value) => fits(kind, value)) },
    { weight: 1, arbitrary: values },
    { weight: 1, arbitrary: bad },
  );
}

for (const [type, values] of kinds) {
  const element = mostly(type.kind, values);
  const lists = fc.oneof(
    fc.array(fc.array(element), { maxLength: 30 }),
    fc
      .nat(20)
      .chain((length) => fc.array(fc.array(element, { minLength: length, maxLength: length }))),
  );

  test(`a column of ${type.kind}, and of lists of it, has the bytes that it should have`, () => {
    fc.assert(
      fc.property(fc.array(element, { maxLength: 600 }), lists, (column, listColumn) => {
        assert.deepEqual(built(type, column), plain(type, column));
        assert.deepEqual(built(array(type), listColumn), plain(array(type), listColumn));
      }),
      { numRuns: 200 },
    );
  });

  test(`a value that is no ${type.kind} changes nothing of what was there`, () => {
    fc.assert(
      fc.property(fc.array(fc.array(element)), (column) => {
        const good = new ColumnCodec('example', array(type)).builder()!;
        const fitting = column.filter((list) => good.add(list));
        assert.deepEqual(Buffer.concat(good.parts()), plain(array(type), fitting));
      }),
      { numRuns: 100 },
    );
  });
}

/** As {@link plain}, of rows. */
function plainRows(type: RowType<unknown>, values: readonly unknown[]): Buffer | undefined {
  const names = type.fields.map((field) => field.name);
  const parts: Uint8Array[] = [Buffer.of(6)];
  for (const value of values) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    if (Object.keys(value).some((name) => !names.includes(name))) return undefined;
  }
  for (const field of type.fields) {
    const column = plain(
      field.type,
      values.map((value) => (value as Record<string, unknown>)[field.name]),
    );
    if (!column) return undefined;
    const size = new ByteWriter();
    size.varint(column.length);
    parts.push(size.take(), column);
  }
  return Buffer.concat(parts);
}

test('rows of numbers and of lists of them are a column for each field', () => {
  const type = row({ a: int32, b: array(float32), c: int16 });
  const fields = {
    a: mostly('int32', number),
    b: fc.array(mostly('float32', fraction), { maxLength: 5 }),
    c: mostly('int16', number),
  };
  const rows = fc.oneof(
    { weight: 100, arbitrary: fc.record(fields, { noNullPrototype: true }) },
    { weight: 1, arbitrary: fc.record({ ...fields, d: number }, { noNullPrototype: true }) },
    { weight: 1, arbitrary: bad },
  );
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 40 }), (column) => {
      const expected = plainRows(type, column);
      assert.deepEqual(built(type, column), expected);
      // A row that is refused leaves nothing in the columns of its first fields.
      const codec = new ColumnCodec('example', type);
      const builder = codec.builder()!;
      const fitting = column.filter((value) => builder.add(value));
      assert.deepEqual(
        codec.read(Buffer.concat(builder.parts()), fitting.length),
        codec.read(plainRows(type, fitting)!, fitting.length),
      );
    }),
    { numRuns: 300 },
  );
  assert.equal(new ColumnCodec('example', row({ a: int64, b: string })).builder(), undefined);
});

test('fractions that travel as whole numbers come back as they were', () => {
  for (const type of [float32, float64]) {
    for (const column of [
      [0, -1, 127, -128],
      [0, 200, -32768, 32767],
      [0, 1, 32768],
      [0, -0, 1],
      [-0],
      [1, 300, -0],
      [0.5, 1],
      [1, 2, 300, 0.25],
      [Number.NaN, 1],
      [1, Infinity],
      [],
    ]) {
      const codec = new ColumnCodec('example', type);
      const bytes = built(type, column)!;
      assert.deepEqual(codec.read(bytes, column.length), column);
      const isWhole = column.every((value) => Number.isInteger(value) && !Object.is(value, -0));
      const isShort = isWhole && column.every((value) => Math.abs(value + 0.5) < 2 ** 15);
      assert.equal(bytes[1]! <= 1, isShort && column.length > 0, `${type.kind} ${column}`);
    }
  }
  const lists = [Float32Array.of(1, 2), Float32Array.of(3, 255)];
  const codec = new ColumnCodec('example', typedArray('float32'));
  assert.deepEqual(codec.read(built(typedArray('float32'), lists)!, 2), lists);
});

test('small whole numbers, others and typed arrays follow each other in any order', () => {
  const small = fc.array(fc.integer({ min: -130, max: 130 }), { maxLength: 80 });
  const any = fc.array(fraction, { maxLength: 4 });
  const list = fc.oneof(
    { weight: 4, arbitrary: small },
    { weight: 1, arbitrary: any },
    { weight: 1, arbitrary: small.map((values) => Float32Array.from(values)) },
    { weight: 1, arbitrary: small.map((values) => Float64Array.from(values)) },
    { weight: 1, arbitrary: any.map((values) => Float32Array.from(values)) },
  );
  fc.assert(
    fc.property(fc.array(list, { maxLength: 12 }), fc.array(fc.nat(11)), (lists, dropped) => {
      for (const type of [float32, float64]) {
        const builder = new ColumnCodec('example', array(type)).builder()!;
        const taken: unknown[] = [];
        for (const [at, one] of lists.entries()) {
          if (!builder.add(one)) continue;
          if (dropped.includes(at)) builder.drop();
          else taken.push(one);
        }
        assert.deepEqual(Buffer.concat(builder.parts()), plain(array(type), taken));
      }
    }),
    { numRuns: 500 },
  );
});

test('typed arrays are taken like arrays, other views and iterables are not', () => {
  const rows = [Int16Array.of(1, -300), Float64Array.of(5, -0), [2 ** 40, 1], Uint8Array.of(1, 2)];
  assert.deepEqual(built(array(int64), rows), plain(array(int64), rows));
  assert.deepEqual(built(typedArray('float32'), rows), plain(typedArray('float32'), rows));
  for (const refused of [new DataView(new ArrayBuffer(8)), new Set([1]), BigInt64Array.of(1n)]) {
    assert.equal(built(iterable(int64), [[1], refused]), undefined);
  }
});

test('a row is as it was when it came, whatever becomes of its array', () => {
  const column = new PendingColumn(new ColumnCodec('example', array(int64)));
  const row = [1, 2];
  column.add(row);
  row.fill(9);
  column.add(row);
  assert.deepEqual(column.values(), [
    [1, 2],
    [9, 9],
  ]);
});

test('values that cannot be built keep what came before, and are kept as they come', () => {
  const codec = new ColumnCodec('example', iterable(int64));
  const column = new PendingColumn(codec);
  const odd = new Set([7]);
  column.add([1]);
  column.add([300, -5]);
  assert.ok(column.isBuilt);
  column.add(odd);
  column.add([2]);
  assert.ok(!column.isBuilt);
  assert.deepEqual(codec.read(Buffer.concat(column.bytes()), 4), [[1], [300, -5], [7], [2]]);
  assert.equal(column.values()[2], odd);
});
