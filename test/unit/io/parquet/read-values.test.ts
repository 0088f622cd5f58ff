// SPDX-License-Identifier: Apache-2.0
// Values that Parquet files hold in ways of their own: columns of nulls alone, times of 96 bits, whole numbers that are
// declared floats.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { readFromParquet } from '../../../../src/io/index.ts';
import {
  array,
  decimal,
  enumeration,
  float32,
  float64,
  int64,
  map,
  microsInstant,
  millisInstant,
  nullable,
  type RowType,
  row,
  string,
} from '../../../../src/schema/index.ts';
import { readRows } from '../../../helpers/row-files.ts';
import { file } from '../scratch.ts';

function parquet(name: string, options: Parameters<typeof parquetWriteBuffer>[0]): string {
  const path = file(name, '');
  writeFileSync(path, Buffer.from(parquetWriteBuffer(options)));
  return path;
}

const rowsOf = <T>(path: string, schema: RowType<T>) =>
  readRows<T>(readFromParquet(path, { schema }));

/** A column as pandas writes one without any value. */
const NOTHING = { type: 'INT32', logical_type: { type: 'NULL' } } as const;

function nothing(name: string, repetition_type: 'OPTIONAL' | 'REQUIRED', data: (number | null)[]) {
  return parquet(name, {
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'id', type: 'INT32', repetition_type: 'REQUIRED' },
      { name: 'note', repetition_type, ...NOTHING },
    ],
    columnData: [
      { name: 'id', data: data.map((_, id) => id) },
      { name: 'note', data },
    ],
  });
}

test('a column that the file says is of nulls alone is nulls of whatever type is declared', async () => {
  const path = nothing('nulls.parquet', 'OPTIONAL', [null, null]);
  const types = [
    string,
    int64,
    decimal,
    millisInstant,
    enumeration(['a']),
    array(string),
    map(string, int64),
    row({ a: row({ b: int64 }) }),
  ];
  for (const type of types) {
    assert.deepEqual(await rowsOf(path, row({ id: int64, note: nullable(type as never) })), [
      { id: 0, note: null },
      { id: 1, note: null },
    ]);
    await assert.rejects(rowsOf(path, row({ note: type as never })), {
      code: 'ROW_MISMATCH',
      message: /nulls\.parquet, row 1, column note: it is null/,
      hint: /nullable\(/,
    });
  }
  const none = nothing('no-rows.parquet', 'OPTIONAL', []);
  assert.deepEqual(await rowsOf(none, row({ id: int64, note: string })), []);
});

test('lists whose elements are of nulls alone are empty, or of nulls', async () => {
  const lists = (name: string, data: null[][]) =>
    parquet(name, {
      schema: [
        { name: 'root', num_children: 1 },
        { name: 'l', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', repetition_type: 'OPTIONAL', ...NOTHING },
      ],
      columnData: [{ name: 'l', data }],
    });
  const empty = lists('empty.parquet', [[], []]);
  assert.deepEqual(await rowsOf(empty, row({ l: array(string) })), [{ l: [] }, { l: [] }]);
  const nulls = lists('of-nulls.parquet', [[null, null], []]);
  assert.deepEqual(await rowsOf(nulls, row({ l: array(nullable(string)) })), [
    { l: [null, null] },
    { l: [] },
  ]);
  await assert.rejects(rowsOf(nulls, row({ l: array(string) })), { code: 'ROW_MISMATCH' });
});

test('a value in a column that is said to be of nulls alone is refused', async () => {
  const path = nothing('liar.parquet', 'REQUIRED', [1, 2]);
  await assert.rejects(rowsOf(path, row({ note: nullable(int64) })), {
    code: 'ROW_MISMATCH',
    message: /column note: the file says that its column is of nulls alone/,
  });
});

// By pyarrow 15.0.2, which counts the time of a day before 1970 back from the next day: with and without a dictionary.
const INT96 = [
  'UEFSMRUEFUgVSEwVBhUAEgAAADZlxP////+MPSUA6D1pnsjI//+jKCUAAMKaZFQDAADihCUAFQAVFBUULBUIFRAVBhUGHAAAAAIAAAADCwIDJAAmpgEcFQYZNQAGEBkYBGJvcm4VABYIFp4BFp4BJmwmCCksFQQVABUCABUAFRAVAgAAABUEGSw1ABgGc2NoZW1hFQIAFQYlAhgEYm9ybgAWCBkcGRwmpgEcFQYZNQAGEBkYBGJvcm4VABYIFp4BFp4BJmwmCCksFQQVABUCABUAFRAVAgAAABaeARYIJggWngEUAAAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMTUuMC4yGRwcAAAAiQAAAFBBUjE=',
  'UEFSMRUAFVQVVCwVCBUAFQYVBhwAAAACAAAAAwsANmXE/////4w9JQDoPWmeyMj//6MoJQAAwppkVAMAAOKEJQAmggEcFQYZJQYAGRgEYm9ybhUAFggWehZ6JghJHBUAFQAVAgAAABUEGSw1ABgGc2NoZW1hFQIAFQYlAhgEYm9ybgAWCBkcGRwmggEcFQYZJQYAGRgEYm9ybhUAFggWehZ6JghJHBUAFQAVAgAAABZ6FggmCBZ6FAAAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDE1LjAuMhkcHAAAAHsAAABQQVIx',
];
const BORN = [
  '1969-12-31T23:59:59.000000',
  '1955-05-06T07:08:09.000001',
  undefined,
  '2020-01-01T01:01:01.000000',
];

test('times of 96 bits are read right before 1970, whichever day they count from', async () => {
  const micros = BORN.map(
    (text) => text && BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1000n + BigInt(text.slice(20)),
  );
  for (const base64 of INT96) {
    const path = file('int96.parquet', '');
    writeFileSync(path, Buffer.from(base64, 'base64'));
    const rows = await rowsOf(path, row({ born: nullable(microsInstant) }));
    assert.deepEqual(
      rows.map(({ born }) => born?.micros),
      micros,
    );
    await assert.rejects(rowsOf(path, row({ born: nullable(millisInstant) })), {
      code: 'ROW_MISMATCH',
      message: /row 2, column born: .*finer than/,
    });
  }
});

test('a whole number that is declared a float is read where the float holds it exactly', async () => {
  const read = async (data: bigint[], type: typeof float64 | typeof float32) => {
    const path = parquet('whole.parquet', { columnData: [{ name: 'n', data, type: 'INT64' }] });
    return (await rowsOf(path, row({ n: nullable(type) }))).map(({ n }) => n);
  };
  const exact = [2n ** 53n, 2n ** 60n, -(2n ** 63n), 2n ** 53n + 2n, 2n ** 53n - 1n];
  assert.deepEqual(await read(exact, float64), exact.map(Number));
  assert.deepEqual(await read(exact.slice(0, 3), float32), exact.slice(0, 3).map(Number));
  for (const one of [2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 53n) - 1n])
    await assert.rejects(read([one], float64), { code: 'INT64_OUT_OF_RANGE', hint: /bigint64/ });
  await assert.rejects(read([2n ** 53n + 2n], float32), { code: 'ROW_MISMATCH' });
});
