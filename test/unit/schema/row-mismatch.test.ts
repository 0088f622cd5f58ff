// SPDX-License-Identifier: Apache-2.0
// Rows that do not fit their type: the error names the field, the declared type and what it holds.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteWriter } from '../../../src/base/index.ts';
import { decodeValue, encodeValue, VarIntCoder } from '../../../src/coders/index.ts';
import {
  array,
  bigint64,
  boolean,
  byte,
  bytes,
  decimal,
  enumeration,
  fixedString,
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
  pythonCallableType,
  row,
  rowCoder,
  type SchemaType,
  string,
  tensor,
  typedArray,
  varBytes,
} from '../../../src/schema/index.ts';
import { hasCode, isMalformed } from '../coders/properties.ts';

const encode = (type: SchemaType, v: unknown) =>
  encodeValue(rowCoder(row({ v: type })), { v } as { v: unknown });

describe('a wrong value', () => {
  const cases: [SchemaType, unknown, ...string[]][] = [
    [int64, 1.5, 'field v is declared int64 but holds number 1.5', 'float64'],
    [int64, Number.NaN, 'NaN'],
    [int64, '1', 'string "1"'],
    [int64, 1n, 'bigint 1n', 'bigint64'],
    [int64, true, 'boolean true'],
    [int64, null, 'holds null', 'nullable(int64)'],
    [int64, undefined, 'is missing', 'nullable(int64)'],
    [int32, 2 ** 31, 'declared int32', '2147483648'],
    [int16, -32769, 'declared int16', 'wider'],
    [byte, 128, 'declared byte', '-128 to 127'],
    [byte, 0.5, 'number 0.5'],
    [float32, 1e39, 'declared float32', 'infinite'],
    [float32, '1', 'string "1"'],
    [float32, 2 ** 24 + 1, 'number 16777217', 'round this whole number'],
    [array(float32), Float64Array.of(1, 2 ** 31 - 1), 'field v[1]', 'float64'],
    [map(string, float32), { k: -(2 ** 24) - 1 }, 'field v["k"]'],
    [tensor(float32, [2]), [1, 2 ** 24 + 1], 'field v[1]', 'round this whole number'],
    [tensor(float32, [2]), Float64Array.of(1, 2 ** 24 + 1), 'field v[1]'],
    [float64, 1n, 'bigint'],
    [string, 1, 'number 1'],
    [string, '\udc00', 'surrogate'],
    [boolean, 0, 'number 0'],
    [bytes, 'text', 'string "text"'],
    [bytes, [1, 2], 'array of 2'],
    [array(int64), [1, 2, 'x'], 'field v[2] is declared int64 but holds string "x"'],
    [array(int64), new Set([1]), 'Set of 1'],
    [array(float32), [1, null], 'field v[1]'],
    [array(int64), new Float64Array([1, 0.5]), 'field v[1]', '0.5'],
    [iterable(int64), 'text', 'string "text"'],
    [iterable(int64), 5, 'number 5'],
    [typedArray('float32'), ['x'], 'field v[0]'],
    [array(array(int64)), [[1], [2, 'y']], 'field v[1][1]'],
    [map(string, int64), new Map([['k', 'x']]), 'field v["k"]'],
    [map(string, int64), { k: 'x' }, 'field v["k"]'],
    [map(string, int64), new Map([[1, 1]]), 'field v[key]'],
    [map(int64, int64), { 1: 1 }, 'A map is a Map'],
    [
      row({ inner: row({ deep: int64 }) }),
      { inner: { deep: 'x' } },
      'field v.inner.deep is declared int64',
    ],
    [array(row({ n: int64 })), [{ n: 1 }, {}], 'field v[1].n', 'is missing'],
    [row({ n: int64 }), [1], 'array of 1'],
    [row({ n: int64 }), 'x', 'string "x"'],
    [enumeration(['a', 'b']), 'c', 'enumeration("a", "b")', 'string "c"'],
    [fixedString(2), 'abc', '3 characters'],
    [varBytes(1), new Uint8Array(2), '2 bytes'],
    [millisInstant, 5, 'millis_instant', 'number 5'],
    [millisInstant, new Date(Number.NaN), 'invalid'],
    [microsInstant, 5n, 'MicrosInstant'],
    [microsInstant, new MicrosInstant(-(10n ** 25n)), '64 bits'],
    [decimal, 1.5, "Decimal.from('12.50')"],
    [pythonCallableType, 5, 'expr'],
    [bigint64, 2n ** 63n, '64 bits'],
    [bigint64, 1.5, 'bigint64'],
    [nullable(int64), 'x', 'declared int64'],
  ];
  for (const [type, value, ...words] of cases) {
    test(words[0]!, () => {
      assert.throws(() => encode(type, value), hasCode('ROW_MISMATCH', ...words));
    });
  }
});

test('an int64 outside the safe range is INT64_OUT_OF_RANGE, on the way out and in', () => {
  assert.throws(
    () => encode(array(int64), [1, 2 ** 53]),
    hasCode('INT64_OUT_OF_RANGE', 'field v[1]', 'bigint64'),
  );
  const bytes = encode(array(bigint64), [1n, 2n ** 60n]);
  const coder = rowCoder(row({ v: array(int64) }));
  assert.throws(
    () => decodeValue(coder, bytes),
    hasCode('INT64_OUT_OF_RANGE', 'field v[1]', '1152921504606846976n'),
  );
});

test('an extra field is named with the declared ones', () => {
  const coder = rowCoder(row({ a: int64, b: nullable(string) }));
  assert.throws(
    () => encodeValue(coder, { a: 1, b: null, c: 2 } as never),
    hasCode('ROW_MISMATCH', 'field c', 'Declared: a, b'),
  );
});

test('nullable fields may be null, undefined or left out', () => {
  const coder = rowCoder(row({ a: int64, b: nullable(string) }));
  const whole = { a: 1, b: null };
  for (const value of [whole, { a: 1 }, { a: 1, b: undefined }, { a: 1, b: null, c: undefined }]) {
    assert.deepEqual(decodeValue(coder, encodeValue(coder, value as typeof whole)), whole);
  }
});

test('a failed row leaves nothing behind in the buffer', () => {
  const out = new ByteWriter();
  new VarIntCoder().encode(7, out);
  assert.throws(() => rowCoder(row({ a: int64, b: int64 })).encode({ a: 1 } as never, out));
  assert.equal(out.length, 1);
});

describe('rows of another version of the schema', () => {
  const before = rowCoder(row({ a: int64 }));
  const after = rowCoder(row({ a: int64, b: nullable(string) }));

  test('fields added since are null', () => {
    assert.deepEqual(decodeValue(after, encodeValue(before, { a: 1 })), { a: 1, b: null });
  });

  test('an added field that is not nullable is ROW_MISMATCH', () => {
    const strict = rowCoder(row({ a: int64, b: string }));
    assert.throws(
      () => decodeValue(strict, encodeValue(before, { a: 1 })),
      hasCode('ROW_MISMATCH', 'field b'),
    );
  });

  test('fields that were removed are passed over in the outer context and refused in the nested one', () => {
    const bytes = encodeValue(after, { a: 1, b: 'x' });
    assert.deepEqual(decodeValue(before, bytes), { a: 1 });
    assert.throws(() => decodeValue(before, bytes, true), isMalformed);
  });

  test('a null for a field that is not nullable is ROW_MISMATCH', () => {
    const strict = rowCoder(row({ a: int64, b: string }));
    const bytes = encodeValue(after, { a: 1, b: null });
    assert.throws(() => decodeValue(strict, bytes), hasCode('ROW_MISMATCH', 'field b', 'null'));
  });
});

test('an enumeration refuses an unknown value on decode too', () => {
  const bytes = encode(string, 'new');
  const coder = rowCoder(row({ v: enumeration(['old']) }));
  assert.throws(() => decodeValue(coder, bytes), hasCode('ROW_MISMATCH', 'string "new"'));
});

test('numbers are taken from typed arrays of any kind that fits', () => {
  const coder = rowCoder(row({ i: array(int64), f: array(float32), d: typedArray('float64') }));
  const bytes = encodeValue(coder, {
    i: new Uint8Array([1, 255]),
    f: new Float32Array([0.5]),
    d: [1, 2],
  } as never);
  assert.deepEqual(decodeValue(coder, bytes), {
    i: [1, 255],
    f: [0.5],
    d: new Float64Array([1, 2]),
  });
});

test('lists whose length was unknown to their writer are read', () => {
  const coder = rowCoder(row({ v: array(int64) }));
  const bytes = Buffer.from('0100ffffffff02010201030100'.replace(/0100$/, '00'), 'hex');
  assert.deepEqual(decodeValue(coder, bytes), { v: [1, 2, 3] });
});
