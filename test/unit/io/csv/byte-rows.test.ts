// SPDX-License-Identifier: Apache-2.0
// Rows straight from bytes are the rows that records make, to the last bit, and typed arrays that share a buffer are
// arrays of their own to whoever holds one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteRows } from '../../../../src/io/csv/byte-rows.ts';
import { CsvRows, csvFields } from '../../../../src/io/csv/columns.ts';
import { checkDialect, type DialectOptions } from '../../../../src/io/csv/dialect.ts';
import { RecordScanner } from '../../../../src/io/csv/record-scanner.ts';
import { Misfit } from '../../../../src/io/records/misfit.ts';
import {
  array,
  bigint64,
  boolean,
  float32,
  float64,
  int16,
  int32,
  int64,
  nullable,
  type RowType,
  row,
  string,
  typedArray,
} from '../../../../src/schema/index.ts';

const LONGEST = 1000;

function rowsMaker(
  schema: RowType<never>,
  columns: object,
  width: number,
  options: DialectOptions,
) {
  const dialect = checkDialect('test', options);
  const fields = csvFields(schema, columns as never, false, new Set(['', 'NA', '7']));
  const format = { fields, dialect, maxRecordBytes: LONGEST };
  return { dialect, rows: new CsvRows(format, { names: undefined, width }, 'file') };
}

/** What is made of a text by the reader: rows, and lines with what is wrong with them. */
type Made = [line: number, row: unknown][];

/** The slow way for all lines, or for those that the fast one leaves. */
function made(
  text: string,
  { dialect, rows }: ReturnType<typeof rowsMaker>,
  ofBytes: ByteRows | undefined,
): { all: Made; taken: number } {
  const scanner = new RecordScanner(dialect, LONGEST, true);
  const all: Made = [];
  let taken = 0;
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    if (ofBytes && !scanner.isOpen) {
      const sink = { records: [] as unknown[], lines: [] as number[] };
      const count = ofBytes.take({ bytes, encoding: 'utf8' }, at, scanner.line + 1, sink);
      assert.equal(sink.records.length, count);
      scanner.line += count;
      taken += count;
      for (const [i, record] of sink.records.entries()) all.push([sink.lines[i]!, record]);
      at = ofBytes.at;
      if (at === bytes.length) break;
    }
    const newline = bytes.indexOf(10, at);
    const end = newline < 0 ? bytes.length : newline;
    const line = bytes.toString('utf8', at, end);
    at = end + 1;
    try {
      const record = scanner.push(line);
      if (record) all.push([record.line, rows.row(record)]);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      all.push([scanner.line, error]);
      // Where the structure is in doubt the reader ends.
      if (error.code === 'MALFORMED_DATA') break;
    }
  }
  return { all, taken };
}

const digits = fc.stringMatching(/^[0-9]{1,18}$/);
const number = fc.oneof(
  fc.double().map(String),
  fc.float().map(String),
  fc.integer().map(String),
  fc
    .tuple(fc.constantFrom('', '-', '+', ' '), digits, fc.constantFrom('', '.', '.0', 'e3', ' '))
    .map((all) => all.join('')),
  fc.tuple(fc.constantFrom('', '-'), digits, digits).map(([sign, a, b]) => `${sign}${a}.${b}`),
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '.5',
    '5.',
    '.',
    '-',
    '',
    '1e999',
    'nan',
    'inf',
    '-Infinity',
    '0x10',
    '1_0',
    '16777217',
    '33554433',
    '9007199254740993',
    '2147483648',
    '-2147483649',
    '32768',
    '00012',
    '7',
    '1.7976931348623157e308',
    '4.9e-324',
    '0.1',
    '123456789012345',
    '1234567890123456',
    '0.123456789012345',
    '0.1234567890123456',
  ),
);
const text = fc.oneof(
  number,
  fc.string(),
  fc.constantFrom(
    '"x"',
    '"a,b"',
    '"a\nb"',
    '"a""b"',
    'a"b',
    '"',
    'é',
    '€,',
    '#',
    '\r',
    'true',
    '"12"',
    '"" ',
    ' "1"',
  ),
);
const line = (width: number, plain: boolean) =>
  fc
    .tuple(
      fc.array(plain ? number : fc.oneof({ weight: 4, arbitrary: number }, text), {
        minLength: width,
        maxLength: width,
      }),
      fc.constantFrom('', '', '', '\r', ',1', '#'),
    )
    .map(([cells, end]) => cells.join(',') + end);

const SCHEMAS: [string, RowType<never>, object, number][] = [
  [
    'typed arrays',
    row({ a: typedArray('float32'), b: typedArray('float64') }) as never,
    { a: { from: 0, to: 2 }, b: [3, 2] },
    4,
  ],
  [
    'plain arrays',
    row({ a: array(float32), b: array(int64), c: int32 }) as never,
    { a: [0, 1], b: [2], c: 3 },
    5,
  ],
  [
    'whole numbers',
    row({
      a: typedArray('byte'),
      b: typedArray('int16'),
      c: typedArray('int32'),
      d: int16,
    }) as never,
    { a: [0], b: [1], c: [2], d: 3 },
    4,
  ],
  [
    'any type',
    row({ a: string, b: nullable(float64), c: boolean, d: array(nullable(string)) }) as never,
    { a: 0, b: 1, c: 2, d: [3, 4] },
    5,
  ],
  [
    'big ones',
    row({ a: typedArray('bigint64'), b: bigint64, c: float64, d: float32 }) as never,
    { a: [3], b: 1, c: 2, d: 0 },
    4,
  ],
  ['one column', row({ a: float64 }) as never, { a: 0 }, 1],
];

for (const [name, schema, columns, width] of SCHEMAS) {
  for (const plain of [true, false]) {
    test(`${name} of ${plain ? 'numbers' : 'any text'} are what records make`, () => {
      fc.assert(
        fc.property(
          fc.array(line(width, plain), { maxLength: 12 }),
          fc.boolean(),
          (lines, ends) => {
            const content = lines.join('\n') + (ends ? '\n' : '');
            const options = { comment: '#' };
            const maker = rowsMaker(schema, columns, width, options);
            const ofBytes = maker.rows.ofBytes();
            assert.ok(ofBytes);
            assert.deepStrictEqual(
              made(content, maker, ofBytes).all,
              made(content, rowsMaker(schema, columns, width, options), undefined).all,
            );
          },
        ),
        { numRuns: 300 },
      );
    });
  }
}

const digit = row({ label: int64, pixels: typedArray('float32') }) as never;

function digitsOf(count: number, cell: (row: number, at: number) => string | number) {
  const maker = rowsMaker(digit, { label: 0, pixels: { from: 1 } }, 5, {});
  const lines = Array.from({ length: count }, (_, i) =>
    [i, ...Array.from({ length: 4 }, (_, at) => cell(i, at))].join(','),
  );
  const { all, taken } = made(`${lines.join('\n')}\n`, maker, maker.rows.ofBytes());
  return { rows: all.map(([, one]) => one as { label: number; pixels: Float32Array }), taken };
}

test('every plain line is taken, also of numbers that need a second look', () => {
  const cells = ['1', '-2.5', '1e3', '0.12345678901234567', ' 4', '"5"', 'nan', '+7'];
  const { taken } = digitsOf(1000, (i, at) => cells[(i + at) % cells.length]!);
  assert.equal(taken, 1000);
});

test('who writes to the array of a row changes no other row, and none is larger than it says', () => {
  const { rows } = digitsOf(500, (i, at) => i * 4 + at);
  for (const { label, pixels } of rows) if (label % 2 === 0) pixels.fill(-1);
  for (const { label, pixels } of rows) {
    const own = [0, 1, 2, 3].map((at) => (label % 2 === 0 ? -1 : label * 4 + at));
    assert.deepEqual([...pixels], own);
    assert.ok(Object.getPrototypeOf(pixels) === Float32Array.prototype);
  }
});

test('a row that is kept keeps little of its neighbours', () => {
  const { rows } = digitsOf(10_000, (i) => i);
  assert.ok(Math.max(...rows.map(({ pixels }) => pixels.buffer.byteLength)) <= 16 * 1024);
});

test('marks that may be a part of a number, and columns that are in two fields, are left to records', () => {
  const of = (options: DialectOptions, columns: object = { a: 0, b: 1 }) =>
    rowsMaker(row({ a: float64, b: float64 }) as never, columns, 2, options).rows.ofBytes();
  assert.ok(of({}) instanceof ByteRows);
  assert.ok(of({ delimiter: '\t', quote: null }) instanceof ByteRows);
  for (const delimiter of ['.', '-', '||', '¦', 'e']) assert.equal(of({ delimiter }), undefined);
  assert.equal(of({}, { a: 1, b: 1 }), undefined);
  assert.equal(of({ comment: '€' }), undefined);
});
