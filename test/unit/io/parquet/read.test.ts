// SPDX-License-Identifier: Apache-2.0
// Parquet files to typed rows, on the node runner in this process. The files are written by `hyparquet-writer`;
// those of pyarrow are read in test/integration/parquet-pyarrow.test.ts.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { createRunner } from '../../../../src/index.ts';
import {
  type FailedRecord,
  type ReadParquetOptions,
  readFromParquet,
} from '../../../../src/io/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  decimal,
  enumeration,
  float32,
  float64,
  int32,
  int64,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  string,
  tensor,
} from '../../../../src/schema/index.ts';
import { readRows } from '../../../helpers/row-files.ts';
import { file } from '../scratch.ts';

type Written = Parameters<typeof parquetWriteBuffer>[0];

function parquet(name: string, options: Written): string {
  const path = file(name, '');
  writeFileSync(path, Buffer.from(parquetWriteBuffer(options)));
  return path;
}

const rowsOf = <T>(path: string | string[], options: ReadParquetOptions<T>) =>
  readRows<T>(readFromParquet(path, options));

const ids = (length: number) => Array.from({ length }, (_, id) => id);
const two = (name = 'two.parquet') =>
  parquet(name, {
    columnData: [
      { name: 'id', data: [1, 2, 3], type: 'INT32', nullable: false },
      { name: 'note', data: ['a', null, '\ufeffc'], type: 'STRING' },
    ],
  });

test('the declared columns are read, in whatever order they are, and no other', async () => {
  const path = two();
  assert.deepEqual(await rowsOf(path, { schema: row({ note: nullable(string), id: int64 }) }), [
    { note: 'a', id: 1 },
    { note: null, id: 2 },
    { note: '\ufeffc', id: 3 },
  ]);
  assert.deepEqual(
    await rowsOf(path, { schema: row({ number: int32 }), columns: { number: 'id' } }),
    [{ number: 1 }, { number: 2 }, { number: 3 }],
  );
});

test('whole numbers of 64 bits are read without loss, or refused', async () => {
  const data = [1n, -(2n ** 63n), 2n ** 53n + 1n];
  const path = parquet('long.parquet', { columnData: [{ name: 'n', data, type: 'INT64' }] });
  assert.deepEqual(
    await rowsOf(path, { schema: row({ n: bigint64 }) }),
    data.map((n) => ({ n })),
  );
  await assert.rejects(rowsOf(path, { schema: row({ n: int64 }) }), {
    code: 'INT64_OUT_OF_RANGE',
    message: /long\.parquet, row 2, column n: .*outside the integers that a number holds/,
  });
  await assert.rejects(rowsOf(path, { schema: row({ n: float64 }) }), {
    code: 'INT64_OUT_OF_RANGE',
  });
});

test('rows that do not fit are set aside with file, row and column', async () => {
  const good: unknown[] = [];
  const bad: FailedRecord[] = [];
  const path = two();
  await createRunner().run((root) => {
    const { records, failed } = root.apply(
      readFromParquet(path, { schema: row({ id: int64, note: string }) }).withBadRecords(),
    );
    records.map((one) => void good.push(one));
    failed.map((one) => void bad.push(one));
  });
  assert.equal(good.length, 2);
  assert.deepEqual(bad, [
    {
      path,
      line: 2,
      column: 'note',
      record: '{"id":2,"note":null}',
      errorType: 'ROW_MISMATCH',
      message: `${path}, row 2, column note: it is null`,
    },
  ]);
});

test('rows come with their file, and with their number', async () => {
  const path = two();
  const seen: unknown[] = [];
  const schema = row({ id: int64 });
  await createRunner().run((root) => {
    root
      .apply(readFromParquet(path, { schema }).withPosition())
      .map(({ key, value }) => void seen.push([key, value]));
    root
      .apply(readFromParquet(path, { schema }).withFilename())
      .map(({ key, value }) => void seen.push([key, value]));
  });
  assert.equal(seen.length, 6);
  assert.ok(
    seen.some((one) => JSON.stringify(one) === JSON.stringify([{ path, line: 3 }, { id: 3 }])),
  );
  assert.ok(seen.some((one) => JSON.stringify(one) === JSON.stringify([path, { id: 3 }])));
});

test('each row group is of one range, however small the ranges are', async () => {
  const path = parquet('groups.parquet', {
    columnData: [{ name: 'id', data: ids(1000), type: 'INT32' }],
    rowGroupSize: 30,
  });
  for (const splitBytes of [300, 1000, 1_000_000]) {
    const rows = await rowsOf(path, { schema: row({ id: int32 }), splitBytes });
    assert.deepEqual(
      rows.map(({ id }) => id).sort((a, b) => a - b),
      ids(1000),
    );
  }
});

test('a file without rows gives none', async () => {
  const path = parquet('none.parquet', { columnData: [{ name: 'id', data: [], type: 'INT32' }] });
  assert.deepEqual(await rowsOf(path, { schema: row({ id: int64 }) }), []);
});

test('a file that lacks a column, or has it in another type, is refused before a row is read', async () => {
  const path = two();
  const right = two('right.parquet');
  const cases = [
    [row({ id: int64, other: nullable(int64) }), /two\.parquet: it has no column other/],
    [row({ id: string }), /its column id is INT32.*, and declared string/],
    [row({ note: bytes }), /its column note is BYTE_ARRAY \((UTF8|STRING)\), and declared bytes/],
    [row({ id: array(int64) }), /its column id/],
    [row({ id: row({ a: int64 }) }), /its column id/],
    [row({ id: map(string, int64) }), /its column id/],
    [row({ id: millisInstant }), /its column id/],
    [row({ id: boolean }), /its column id/],
  ] as const;
  for (const [schema, message] of cases) {
    await assert.rejects(rowsOf([right, path], { schema: schema as never }), {
      code: 'HEADER_MISMATCH',
      message: new RegExp(message.source.replace('two', '(two|right)')),
    });
  }
  const other = parquet('other.parquet', {
    columnData: [{ name: 'id', data: ['x'], type: 'STRING' }],
  });
  let rows = 0;
  await assert.rejects(
    createRunner().run((root) => {
      root
        .apply(readFromParquet([right, other], { schema: row({ id: int64 }) }))
        .map(() => void rows++);
    }),
    { code: 'HEADER_MISMATCH', message: /other\.parquet: its column id is BYTE_ARRAY/ },
  );
  assert.equal(rows, 0);
});

test('a file that is cut anywhere is no whole file', async () => {
  const whole = Buffer.from(
    parquetWriteBuffer({
      columnData: [{ name: 'id', data: ids(5000).map(BigInt), type: 'INT64', encoding: 'PLAIN' }],
    }),
  );
  for (let tenth = 0; tenth < 10; tenth++) {
    const path = file('cut.parquet', '');
    writeFileSync(path, whole.subarray(0, Math.floor((whole.length * tenth) / 10)));
    await assert.rejects(rowsOf(path, { schema: row({ id: int64 }) }), {
      code: 'MALFORMED_DATA',
      message: /cut\.parquet is no (whole )?Parquet file/,
    });
  }
});

test('a file whose middle is missing is refused, and so is what is no Parquet', async () => {
  const path = parquet('middle.parquet', {
    columnData: [{ name: 'id', data: ids(5000), type: 'INT32', encoding: 'PLAIN' }],
    codec: 'UNCOMPRESSED',
  });
  const whole = Buffer.from(
    parquetWriteBuffer({
      columnData: [{ name: 'id', data: ids(5000), type: 'INT32', encoding: 'PLAIN' }],
      codec: 'UNCOMPRESSED',
    }),
  );
  writeFileSync(path, Buffer.concat([whole.subarray(0, 1000), whole.subarray(15_000)]));
  const schema = row({ id: int64 });
  await assert.rejects(rowsOf(path, { schema }), { code: 'MALFORMED_DATA' });
  await assert.rejects(rowsOf(file('text.parquet', 'id\n1\n2\n3\n4\n5\n'), { schema }), {
    code: 'MALFORMED_DATA',
    message: /text\.parquet is no Parquet file/,
  });
  await assert.rejects(rowsOf(file('secret.parquet', 'PARE............PARE'), { schema }), {
    code: 'UNSUPPORTED',
  });
});

test('types that Parquet has no value for, and options that cannot be, are refused at once', () => {
  const read = (options: unknown) => () => readFromParquet('x.parquet', options as never);
  for (const type of [tensor(float32, [2]), map(float64, int64), row({})]) {
    assert.throws(read({ schema: row({ v: type as never }) }), { code: 'INVALID_SCHEMA' });
  }
  const schema = row({ id: int64 });
  assert.throws(read({ schema, columns: { other: 'x' } }), { code: 'INVALID_ARGUMENT' });
  assert.throws(read({ schema, encoding: 'utf8' }), { code: 'INVALID_ARGUMENT' });
  assert.throws(read({ schema: int64 }), { code: 'INVALID_SCHEMA' });
  for (const type of [decimal, microsInstant, float32, enumeration(['a'])])
    assert.doesNotThrow(read({ schema: row({ v: type as never }) }));
});
