// SPDX-License-Identifier: Apache-2.0
// Rows that are written as they come, without their coder: the same values as those that their coder makes of them, and
// what the coder refuses is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { transcode } from '../../../../src/coders/index.ts';
import { parquetRows } from '../../../../src/io/parquet/write-type.ts';
import { holdsPlainValues, strictRender } from '../../../../src/io/records/write-type.ts';
import {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  coderOf,
  Decimal,
  decimal,
  enumeration,
  float32,
  float64,
  int16,
  int32,
  int64,
  iterable,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  type RowType,
  row,
  string,
  tensor,
  typedArray,
} from '../../../../src/schema/index.ts';

const TYPES = {
  boolean,
  byte,
  int16,
  int32,
  int64,
  bigint64,
  float32,
  float64,
  string,
  bytes,
  decimal,
  millisInstant,
  microsInstant,
  enumeration: enumeration(['a', 'b']),
  nullable: nullable(int64),
  array: array(float32),
  gaps: array(nullable(string)),
  deep: array(array(int16)),
  typed: typedArray('float32'),
  iterable: iterable(int64),
  map: map(string, nullable(int64)),
  tensor: tensor(float32, [2]),
};

const single = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, '', 'a', '\ud800', 0, -0, 1, -1, 127, 128, 0.1),
  fc.constantFrom<unknown>(
    2 ** 31,
    2 ** 53,
    1e300,
    Number.NaN,
    Infinity,
    1n,
    -(2n ** 63n),
    2n ** 63n,
  ),
  fc.constantFrom<unknown>(
    new Date(5),
    new Date(Number.NaN),
    new MicrosInstant(7n),
    {},
    Symbol.iterator,
  ),
  fc.constantFrom<unknown>(
    Decimal.from('1.50'),
    Decimal.from('1e30'),
    Uint8Array.of(1, 2),
    Buffer.from('x'),
  ),
);
const value = fc.oneof(
  { weight: 3, arbitrary: single },
  fc.array(single, { maxLength: 3 }),
  fc.constantFrom<unknown>(
    [1, 2],
    [[1], []],
    // biome-ignore lint/suspicious/noSparseArray: holes are what is tried
    [1, , 2],
    Float32Array.of(0.5, -0),
    Float64Array.of(0.1, 1e300),
    Int16Array.of(1, 2),
    BigInt64Array.of(1n),
    new Set([1, 2]),
    new Map<unknown, unknown>([['a', 1]]),
    new Map<unknown, unknown>([[1, null]]),
    new DataView(new ArrayBuffer(2)),
  ),
);

function outcome(make: () => unknown): unknown {
  try {
    return make();
  } catch {
    return 'refused';
  }
}

test('a row is written as its coder would have made it, or refused where its coder refuses it', () => {
  const names = Object.keys(TYPES) as (keyof typeof TYPES)[];
  const extra = fc.constantFrom<Record<string, unknown>>({}, {}, {}, { more: 1 }, { v: 1 });
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      value,
      extra,
      fc.boolean(),
      (name, one, more, isMissing) => {
        const type = row({ v: TYPES[name], w: nullable(int64) } as never) as RowType<unknown>;
        const { row: render } = parquetRows(type, {});
        const element = isMissing ? { v: one } : { v: one, w: 1, ...more };
        const strictly = outcome(() => strictRender(type, render)(element));
        const before = outcome(() => render(transcode(coderOf(type) as never, element)));
        assert.deepEqual(strictly, before);
      },
    ),
    { numRuns: 5000 },
  );
});

test('rows with fields that a program may change later are looked at by their coder', () => {
  const plain = row({ a: nullable(int64), b: string, c: decimal, d: microsInstant, e: float32 });
  assert.equal(holdsPlainValues(plain as never), true);
  const others = [row({ b: int64 }), array(int64), bytes, map(string, int64), millisInstant];
  for (const type of [...others, tensor(float32, [2])]) {
    assert.equal(holdsPlainValues(row({ a: type as never }) as never), false);
    assert.equal(holdsPlainValues(row({ a: nullable(type as never) }) as never), false);
  }
});
