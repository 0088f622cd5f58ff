// SPDX-License-Identifier: Apache-2.0
// Several columns as one array: read many rows at once where all of them are plain, and one by one where not.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { create, createRunner } from '../../../../src/index.ts';
import {
  type FailedRecord,
  type ReadParquetOptions,
  readAllFromParquet,
  readFromParquet,
} from '../../../../src/io/index.ts';
import {
  array,
  float32,
  float64,
  int16,
  int64,
  nullable,
  row,
  string,
  typedArray,
} from '../../../../src/schema/index.ts';
import { readRows } from '../../../helpers/row-files.ts';
import { file } from '../scratch.ts';

type Written = Parameters<typeof parquetWriteBuffer>[0];

function parquet(name: string, options: Written): string {
  const path = file(name, '');
  writeFileSync(path, Buffer.from(parquetWriteBuffer(options)));
  return path;
}

const rowsOf = <T>(path: string, options: ReadParquetOptions<T>) =>
  readRows<T>(readFromParquet(path, options));

type Column = Written['columnData'][number];
const required = (
  name: string,
  type: NonNullable<Column['type']>,
  data: Column['data'],
): Column => ({
  name,
  type,
  data,
  nullable: false,
});

const three = () =>
  parquet('three.parquet', {
    columnData: [
      required('a', 'FLOAT', [0.5, 1.5, -0]),
      required('n', 'INT32', [1, 2, 3]),
      required('b', 'DOUBLE', [0.1, 2 ** 24 + 0.5, Number.NaN]),
      { name: 'word', type: 'STRING', data: ['x', null, 'z'] },
    ],
  });

test('columns are the elements of an array in the order in which they are named', async () => {
  const path = three();
  assert.deepEqual(
    await rowsOf(path, {
      schema: row({ features: typedArray('float32'), word: nullable(string) }),
      columns: { features: ['b', 'a', 'n', 'a'] },
    }),
    [
      { features: Float32Array.of(0.1, 0.5, 1, 0.5), word: 'x' },
      { features: Float32Array.of(2 ** 24 + 0.5, 1.5, 2, 1.5), word: null },
      { features: Float32Array.of(Number.NaN, -0, 3, -0), word: 'z' },
    ],
  );
  assert.deepEqual(
    await rowsOf(path, {
      schema: row({ words: array(nullable(string)), fine: array(float64), short: array(float32) }),
      columns: { words: ['word', 'word'], fine: ['b', 'a'], short: ['b'] },
    }),
    [
      { words: ['x', 'x'], fine: [0.1, 0.5], short: [Math.fround(0.1)] },
      { words: [null, null], fine: [2 ** 24 + 0.5, 1.5], short: [Math.fround(2 ** 24 + 0.5)] },
      { words: ['z', 'z'], fine: [Number.NaN, -0], short: [Number.NaN] },
    ],
  );
});

test('arrays of many rows and pages are those of the columns, whatever their types', async () => {
  const number = fc.oneof(
    fc.integer({ min: -32768, max: 32767 }),
    fc.constantFrom(0, -1, 40_000, 2 ** 24, 2 ** 24 + 1, -(2 ** 31)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 3000 }),
      fc.constantFrom('byte', 'int16', 'int32', 'float32', 'float64', 'int64'),
      fc.integer({ min: 200, max: 5000 }),
      async (pairs, kind, pageSize) => {
        const path = parquet('many.parquet', {
          columnData: [
            required(
              'a',
              'INT32',
              pairs.map(([a]) => a),
            ),
            required(
              'b',
              'INT64',
              pairs.map(([, b]) => BigInt(b)),
            ),
          ],
          pageSize,
          rowGroupSize: 1700,
        });
        const isTyped = kind !== 'int64';
        const good: unknown[] = [];
        const bad: FailedRecord[] = [];
        await createRunner().run((root) => {
          const { records, failed } = root.apply(
            readFromParquet(path, {
              schema: row({
                pair: (isTyped ? typedArray(kind as 'int16') : array(int64)) as never,
              }),
              columns: { pair: ['a', 'b'] } as never,
            }).withBadRecords(),
          );
          records.map((one) => void good.push(one));
          failed.map((one) => void bad.push(one));
        });
        const least = { byte: -128, int16: -32768 }[kind as 'byte'] ?? -Infinity;
        const most = { byte: 127, int16: 32767 }[kind as 'byte'] ?? Infinity;
        const fits = (value: number) =>
          value >= least && value <= most && (kind !== 'float32' || Math.fround(value) === value);
        const fitting = pairs.filter((pair) => pair.every(fits));
        const shown = (pair: unknown) => [...(pair as number[])].join();
        assert.deepEqual(
          good.map((one) => shown((one as { pair: unknown }).pair)).sort(),
          fitting.map(shown).sort(),
        );
        const misfits = pairs.flatMap((pair, at) => (pair.every(fits) ? [] : [at + 1]));
        assert.deepEqual(
          bad.map(({ line }) => line).sort((x, y) => x! - y!),
          misfits,
        );
      },
    ),
    { numRuns: 25 },
  );
});

test('an element that does not fit is told by its own column', async () => {
  const path = three();
  await assert.rejects(
    rowsOf(path, {
      schema: row({ all: array(int16) }),
      columns: { all: ['n', 'word'] },
    }),
    { code: 'HEADER_MISMATCH', message: /column word/ },
  );
  const gaps = parquet('gaps.parquet', {
    columnData: [
      required('a', 'FLOAT', [1, 2]),
      { name: 'b', type: 'FLOAT', data: [1, null], nullable: true },
    ],
  });
  await assert.rejects(
    rowsOf(gaps, {
      schema: row({ both: typedArray('float32') }),
      columns: { both: ['a', 'b'] },
    }),
    { code: 'ROW_MISMATCH', message: /gaps\.parquet, row 2, column b: it is null/ },
  );
});

test('several columns for what is no array, none, and a pattern are refused at once', () => {
  const schema = row({ a: float64, all: array(float64) });
  const refused = (columns: unknown, hint: RegExp) =>
    assert.throws(() => readFromParquet('x', { schema, columns: columns as never }), {
      code: 'INVALID_ARGUMENT',
      hint,
    });
  refused({ a: ['a', 'b'] }, /declare it one/);
  refused({ all: [] }, /features: \['alcohol'/);
  refused({ all: [1] }, /features: \['alcohol'/);
  refused({ all: /^a/ }, /List the names/);
  refused({ b: 'b' }, /names of columns by field/);
});

test('files that come one by one may have their columns in any order', async () => {
  const one = parquet('one.parquet', {
    columnData: [required('x', 'DOUBLE', [1]), required('y', 'DOUBLE', [2])],
  });
  const other = parquet('other.parquet', {
    columnData: [required('y', 'DOUBLE', [4]), required('x', 'DOUBLE', [3])],
  });
  const seen: number[][] = [];
  await createRunner().run((root) =>
    root
      .apply(create([one, other]))
      .apply(
        readAllFromParquet({
          schema: row({ point: typedArray('float64') }),
          columns: { point: ['x', 'y'] },
        }),
      )
      .map(({ point }) => void seen.push([...point])),
  );
  assert.deepEqual(seen.sort(), [
    [1, 2],
    [3, 4],
  ]);
});
