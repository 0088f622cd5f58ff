// SPDX-License-Identifier: Apache-2.0
// Values of PostgreSQL: which declared types have them, and none that is another one.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ArrayTexts, arrayText, parseArray } from '../../../../src/io/postgres/array-text.ts';
import { copyLine } from '../../../../src/io/postgres/copy-in.ts';
import { valueReader } from '../../../../src/io/postgres/read-values.ts';
import { isoOf, postgresOf } from '../../../../src/io/postgres/times.ts';
import { type Family, type PgType, scaleOf } from '../../../../src/io/postgres/types.ts';
import { valueWriter } from '../../../../src/io/postgres/write-values.ts';
import { Misfit } from '../../../../src/io/records/misfit.ts';
import { Unwritable } from '../../../../src/io/records/write-type.ts';
import {
  array,
  bigint64,
  byte,
  bytes,
  Decimal,
  decimal,
  enumeration,
  float32,
  float64,
  int16,
  int32,
  int64,
  MicrosInstant,
  microsInstant,
  millisInstant,
  nullable,
  row,
  type SchemaType,
  string,
  typedArray,
} from '../../../../src/schema/index.ts';

function column(base: string, family: Family = 'text', modifier = -1, element?: PgType): PgType {
  return { base, family, name: base, modifier, ...(element && { element }) };
}

const int2 = column('int2', 'whole');
const int4 = column('int4', 'whole');
const int8 = column('int8', 'whole');
const float4 = column('float4', 'float');
const float8 = column('float8', 'float');
const numeric = column('numeric', 'numeric');
const text = column('text');
const vector = column('vector', 'vector');
const arrayOf = (element: PgType) => column(`_${element.base}`, 'array', -1, element);

const read = (type: SchemaType, of: PgType, value: string | null) =>
  valueReader(type, of, 'x')!(value);
const write = (type: SchemaType, of: PgType, value: unknown) => valueWriter(type, of, 'x')!(value);

describe('reading', () => {
  test('columns go with types that have all their values, and with no other', () => {
    const fits: [SchemaType, PgType[]][] = [
      [byte, [int2, int4, int8, numeric]],
      [int64, [int2, int4, int8, numeric]],
      [bigint64, [int2, int4, int8, numeric]],
      [decimal, [int2, int4, int8, numeric]],
      [float32, [int2, float4]],
      [float64, [int2, int4, float4, float8]],
      [string, [text]],
      [enumeration(['a']), [text]],
    ];
    for (const [type, of] of fits) {
      for (const one of [int2, int4, int8, float4, float8, numeric, text, vector]) {
        const name = `${JSON.stringify(type)} of ${one.base}`;
        assert.equal(valueReader(type, one, 'x') !== undefined, of.includes(one), name);
        const isElement = valueReader(array(type), arrayOf(one), 'x') !== undefined;
        assert.equal(isElement, of.includes(one), `arrays, ${name}`);
        assert.equal(valueReader(type, arrayOf(one), 'x'), undefined, name);
      }
    }
    assert.ok(valueReader(array(float32), vector, 'x'));
    assert.equal(valueReader(array(int64), vector, 'x'), undefined);
  });

  test('numbers keep all digits, or are refused', () => {
    assert.equal(read(bigint64, int8, '-9223372036854775808'), -9223372036854775808n);
    assert.deepEqual(read(decimal, numeric, '0.10'), Decimal.from('0.10'));
    assert.equal(read(int64, numeric, '12.00'), 12);
    assert.equal(read(float64, float4, '0.1'), Math.fround(0.1));
    assert.ok(Number.isNaN(read(float64, float8, 'NaN')));
    assert.ok(Object.is(read(float32, float4, '-0'), -0));
    for (const [type, of, value] of [
      [int64, int8, '9007199254740993'],
      [int16, int4, '32768'],
      [int64, numeric, '1.5'],
      [decimal, numeric, 'NaN'],
      [int64, int8, null],
      [millisInstant, column('timestamptz', 'time'), '2026-01-01 00:00:00.0001+00'],
      [microsInstant, column('timestamp', 'time'), 'infinity'],
    ] as const)
      assert.throws(() => read(type, of, value), Misfit, `${value}`);
    assert.equal(read(nullable(int64), int8, null), null);
  });

  test('arrays, vectors and JSON are what was declared', () => {
    assert.deepEqual(read(array(nullable(string)), arrayOf(text), '{a,NULL,"NULL","{\\"x\\",}"}'), [
      'a',
      null,
      'NULL',
      '{"x",}',
    ]);
    assert.deepEqual(read(array(array(int32)), arrayOf(int4), '[0:1][1:1]={{1},{2}}'), [[1], [2]]);
    assert.deepEqual(read(typedArray('float32'), vector, '[1,0.1]'), new Float32Array([1, 0.1]));
    assert.deepEqual(read(array(float32), vector, '[]'), []);
    const json = column('jsonb', 'json');
    assert.deepEqual(read(row({ a: array(bigint64) }), json, '{"a": [9223372036854775807]}'), {
      a: [9223372036854775807n],
    });
    assert.equal(read(string, json, '{"a": 1}'), '{"a": 1}');
    for (const [type, value] of [
      [array(int32), '{{1},{2}}'],
      [array(array(int32)), '{1}'],
      [array(int32), '{1,NULL}'],
    ] as const)
      assert.throws(() => read(type as SchemaType, arrayOf(int4), value), Misfit, value);
  });
});

describe('writing', () => {
  test('texts are those of the values', () => {
    assert.equal(write(float32, float4, Math.fround(0.1)), '0.1');
    assert.equal(write(float32, float8, Math.fround(0.1)), '0.10000000149011612');
    assert.equal(write(float32, float8, -0), '-0');
    assert.equal(write(bytes, column('bytea', 'bytes'), new Uint8Array([1, 255])), '\\x01ff');
    assert.equal(write(array(array(int32)), arrayOf(int4), [[1, -2]]), '{{1,-2}}');
    assert.equal(
      write(array(nullable(string)), arrayOf(text), ['NULL', null, '"\\']),
      '{"NULL",NULL,"\\"\\\\"}',
    );
    assert.equal(write(typedArray('float32'), vector, new Float32Array([0.5])), '[0.5]');
    assert.equal(write(row({ a: int64 }), column('jsonb', 'json'), { a: 1 }), '{"a":1}');
    assert.equal(write(nullable(int64), int8, undefined), null);
    const at = column('timestamptz', 'time');
    assert.equal(write(microsInstant, at, new MicrosInstant(1n)), '1970-01-01 00:00:00.000001+00');
  });

  test('columns that would round, cut or lose are refused', () => {
    for (const [type, of] of [
      [float64, float4],
      [float64, numeric],
      [float64, int8],
      [bigint64, float8],
      [int64, float4],
      [int64, text],
      [string, int8],
      [decimal, float8],
      [array(float64), vector],
      [millisInstant, column('date', 'time')],
    ] as const)
      assert.equal(valueWriter(type as SchemaType, of, 'x'), undefined);
    const two = column('numeric', 'numeric', 4 + (5 << 16) + 2);
    const tens = column('numeric', 'numeric', 4 + (5 << 16) + 2047);
    assert.equal(scaleOf(two), 2);
    assert.equal(scaleOf(tens), -1);
    assert.equal(write(decimal, two, Decimal.from('1.230')), '1.230');
    assert.equal(write(int64, tens, 20), '20');
    const three = column('varchar', 'text', 7);
    for (const [type, of, value] of [
      [decimal, two, Decimal.from('1.234')],
      [int64, tens, 15],
      [int64, int2, -32_769],
      [string, three, 'abcd'],
      [string, text, '\0'],
      [microsInstant, column('timestamp', 'time', 3), new MicrosInstant(1n)],
      [array(array(int32)), arrayOf(int4), [[1], []]],
      [array(array(int32)), arrayOf(int4), [[1], [1, 2]]],
    ] as const)
      assert.throws(() => write(type as SchemaType, of, value), Misfit);
    assert.equal(write(string, three, '\u{1f426}'.repeat(3)), '\u{1f426}'.repeat(3));
    assert.throws(() => write(array(int32), arrayOf(int4), new Set([1])), Unwritable);
  });
});

test('arrays are read as they were written', () => {
  const element = fc.oneof(fc.constant(null), fc.string({ unit: 'binary' }));
  const matrix = fc.array(
    fc.tuple(element, element).map((pair) => [...pair]),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(fc.oneof(fc.array(element), matrix), (values) => {
      assert.deepEqual(parseArray(arrayText(values as ArrayTexts)), values);
    }),
  );
  for (const wrong of ['', '1', '{1', '{"a}', '{"a"b}'])
    assert.throws(() => parseArray(wrong), Misfit);
});

test('years before 1 and behind 9999 are those of the other form', () => {
  for (const [iso, postgres] of [
    ['2026-01-02T03:04:05.006Z', '2026-01-02 03:04:05.006+00'],
    ['+012345-01-02T03:04:05.000Z', '12345-01-02 03:04:05.000+00'],
    ['-000043-03-15T00:00:00.000Z', '0044-03-15 00:00:00.000+00 BC'],
  ] as const) {
    assert.equal(postgresOf(iso, '+00'), postgres);
    assert.equal(
      isoOf(postgres)
        .replace(' ', 'T')
        .replace(/[+]00$/, 'Z'),
      iso,
    );
  }
  assert.equal(postgresOf('0000-01-02T03:04:05.000Z', ''), '0001-01-02 03:04:05.000 BC');
});

test('a line of COPY has no letter that ends a value or a line', () => {
  assert.equal(copyLine(['a\tb', null, '\\N', '\r\n', '']), 'a\\tb\t\\N\t\\\\N\t\\r\\n\t\n');
});
