// SPDX-License-Identifier: Apache-2.0
// What each range of a file costs before a row of it is read: counted, not timed.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { matchColumn } from '../../../../src/io/parquet/columns.ts';
import { inParquetFile, type ParquetFile } from '../../../../src/io/parquet/file.ts';
import { treeOf } from '../../../../src/io/parquet/file-schema.ts';
import { FooterCache } from '../../../../src/io/parquet/footer.ts';
import { inspectParquet } from '../../../../src/io/parquet/read-range.ts';
import { int64, type RowType, row } from '../../../../src/schema/index.ts';
import { file } from '../scratch.ts';

const formatOf = (schema: RowType<unknown>) => ({ schema, names: Object.create(null) });

async function opened(path: string, format: ReturnType<typeof formatOf>): Promise<ParquetFile> {
  const looks = inParquetFile(path, undefined, format, async function* look(one) {
    yield one;
  });
  const seen: ParquetFile[] = [];
  for await (const one of looks) seen.push(one);
  return seen[0]!;
}

function ids(path: string, data: number[]): void {
  const columnData = [{ name: 'id', data, type: 'INT32' as const, nullable: false }];
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 2 })));
}

test('what was made of a footer is used for all ranges of its file, and for no other contents', async () => {
  const path = file('often.parquet', '');
  ids(path, [1, 2, 3, 4, 5]);
  const format = formatOf(row({ id: int64 }));
  await inspectParquet(path, format);
  const first = await opened(path, format);
  const again = await opened(path, format);
  assert.equal(first.groups.length, 3);
  assert.equal(again.groups, first.groups);
  assert.equal(again.fields, first.fields);
  const other = await opened(path, formatOf(row({ id: int64 })));
  assert.notEqual(other.groups, first.groups);
  ids(path, [1, 2, 3]);
  assert.equal((await opened(path, format)).groups.length, 2);
});

test('the last few footers are kept, of so many bytes together', () => {
  const cache = new FooterCache<object>(3 * 5000);
  const made: number[] = [];
  const get = (of: number, length = 900) =>
    cache.of(new Uint8Array(length).fill(of), 100, () => ({ of: made.push(of) }));
  const one = get(1);
  get(2);
  get(3);
  assert.equal(get(1), one);
  assert.deepEqual(made, [1, 2, 3]);
  get(4);
  get(1);
  assert.deepEqual(made, [1, 2, 3, 4]);
  get(2);
  assert.deepEqual(made, [1, 2, 3, 4, 2]);
  // A large one is kept alone.
  const large = get(5, 100_000);
  assert.equal(get(5, 100_000), large);
  get(1);
  assert.deepEqual(made, [1, 2, 3, 4, 2, 5, 1]);
  assert.throws(() =>
    cache.of(new Uint8Array(3), 100, () => {
      throw new Error('none');
    }),
  );
  // The same bytes in a file of another size are another footer.
  assert.notEqual(
    cache.of(new Uint8Array(9), 100, () => ({})),
    cache.of(new Uint8Array(9), 101, () => ({})),
  );
});

test('columns of a wide file are found by their names, each without a look at the others', () => {
  const width = 3000;
  let looks = 0;
  const columns = Array.from({ length: width }, (_, at) => ({
    type: 'INT64',
    repetition_type: 'REQUIRED',
    get name() {
      looks++;
      return `c${at}`;
    },
  }));
  const tree = treeOf([{ name: 'root', num_children: width }, ...columns]);
  for (let at = 0; at < width; at++) matchColumn('field', `c${at}`, int64, tree);
  assert.ok(looks <= 10 * width, `${looks}`);
});

test('a column that is there twice, or not at all, is told with what there is', () => {
  const leaf = (name: string) => ({ name, type: 'INT64', repetition_type: 'REQUIRED' });
  const tree = treeOf([{ name: 'root', num_children: 3 }, leaf('a'), leaf('b'), leaf('a')]);
  assert.throws(() => matchColumn('a', 'a', int64, tree), {
    code: 'HEADER_MISMATCH',
    message: /it has a column a twice/,
    hint: 'It has: a, b, a.',
  });
  assert.throws(() => matchColumn('c', 'c', int64, tree), { message: /it has no column c/ });
});

test('a footer that is larger than what is read at first is read whole', async () => {
  const path = file('large.parquet', '');
  const columnData = Array.from({ length: 1500 }, (_, at) => ({
    name: `column number ${at}`,
    data: [at],
    type: 'INT32' as const,
  }));
  const whole = Buffer.from(parquetWriteBuffer({ columnData }));
  assert.ok(whole.readUInt32LE(whole.length - 8) > 64 * 1024);
  writeFileSync(path, whole);
  const type = row({ 'column number 1499': int64 });
  const { groups } = await opened(path, formatOf(type));
  assert.equal(groups[0]!.rows, 1);
  whole.writeUInt32LE(whole.length, whole.length - 8);
  writeFileSync(path, whole);
  await assert.rejects(opened(path, formatOf(type)), {
    code: 'MALFORMED_DATA',
    message: /large\.parquet: its footer cannot be read: it is to have/,
  });
});
