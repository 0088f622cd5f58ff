// SPDX-License-Identifier: Apache-2.0
// Arrow files with bytes that are others than they were: an error, never fewer rows, and never the end of the process.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  Bool,
  Int32,
  type RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Table,
  tableFromArrays,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { Table as Metadata } from '../../../../src/io/arrow/flatbuffer.ts';
import { MESSAGE_SHAPE } from '../../../../src/io/arrow/metadata.ts';
import { readArrow } from '../../../../src/io/arrow/read-range.ts';
import { boolean, int32, nullable, row, string } from '../../../../src/schema/index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-arrow-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

type Rows = Record<string, unknown>[];

async function rowsOf(bytes: Uint8Array, schema: unknown): Promise<Rows> {
  const path = join(scratch, 'one.arrow');
  writeFileSync(path, bytes);
  const format = { schema: schema as never, names: {}, stores: undefined };
  const rows: Rows = [];
  const options = { withLines: false, withFailed: false };
  for await (const batch of readArrow<Rows[number]>(
    { path, start: 0, end: bytes.length } as never,
    format,
    options as never,
  ))
    rows.push(...batch.records);
  return rows;
}

const IDS = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const table = new Table({
  id: vectorFromArray(IDS, new Int32()),
  yes: vectorFromArray(
    IDS.map((id) => (id % 2 === 0 ? null : true)),
    new Bool(),
  ),
  text: vectorFromArray(
    IDS.map((id) => `${id}`.repeat(id)),
    new Utf8(),
  ),
});
const type = row({ id: int32, yes: nullable(boolean), text: nullable(string) });

/** The table twice, as two batches. */
function written(form: 'file' | 'stream'): Buffer {
  const writer = form === 'file' ? new RecordBatchFileWriter() : new RecordBatchStreamWriter();
  for (const batch of [...table.batches, ...table.batches]) writer.write(batch as RecordBatch);
  return Buffer.from(writer.finish().toUint8Array(true));
}

/** Where a number of 64 bits is, the last time that it is there behind another one. */
function placeOf(bytes: Buffer, ...numbers: number[]): number {
  const wanted = Buffer.concat(
    numbers.map((number) => {
      const one = Buffer.alloc(8);
      one.writeBigInt64LE(BigInt(number));
      return one;
    }),
  );
  const at = bytes.lastIndexOf(wanted);
  assert.ok(at > 0, `no ${numbers.join(', ')}`);
  return at;
}

test('rows are those that were written', async () => {
  for (const form of ['file', 'stream'] as const) {
    const rows = await rowsOf(written(form), type);
    assert.deepEqual(
      rows.map(({ id }) => id),
      [...IDS, ...IDS],
    );
    assert.deepEqual([rows[9]!.yes, rows[10]!.yes, rows[10]!.text], [true, null, '22']);
  }
});

test('a batch that the footer tells of outside of the file is an error', async () => {
  const bytes = written('file');
  const start = bytes.readInt32LE(bytes.length - 10);
  const footer = bytes.length - 10 - start;
  let changed = 0;
  for (let at = footer; at < bytes.length - 18; at++) {
    const offset = bytes.readBigInt64LE(at);
    if (offset < 64n || offset > footer || bytes.readInt32LE(Number(offset)) !== -1) continue;
    const other = Buffer.from(bytes);
    other.writeBigInt64LE(offset + 2n ** 20n, at);
    await assert.rejects(rowsOf(other, type), { code: 'MALFORMED_DATA' });
    changed++;
  }
  assert.ok(changed >= 1, `${changed} blocks`);
});

test('a batch that the footer does not tell of is an error', async () => {
  const bytes = written('file');
  const footer = bytes.length - 10 - bytes.readInt32LE(bytes.length - 10);
  let refused = 0;
  for (let at = footer; at < bytes.length - 14; at += 4) {
    // The length of the vector of batches.
    if (bytes.readInt32LE(at) !== 2) continue;
    const other = Buffer.from(bytes);
    other.writeInt32LE(1, at);
    const rows = await rowsOf(other, type).catch((error) => {
      if (/does not tell of the batch/.test(error.message)) refused++;
    });
    assert.ok(!rows || rows.length === 18, `${rows?.length} rows`);
  }
  assert.ok(refused > 0);
});

test('one bit that is another is an error or another value, never fewer rows, and ends', async () => {
  for (const form of ['file', 'stream'] as const) {
    const bytes = written(form);
    const known = ['MALFORMED_DATA', 'UNSUPPORTED', 'HEADER_MISMATCH', 'ROW_MISMATCH'];
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const other = Buffer.from(bytes);
      other[bit >> 3]! ^= 1 << (bit & 7);
      const rows = await rowsOf(other, type).catch((error) => {
        assert.ok(known.includes(error.code), `bit ${bit}: ${error.code}: ${error.message}`);
      });
      // Where a stream ends before its time is not known, as a stream may end without its mark.
      if (rows && form === 'file') assert.equal(rows.length, 18, `bit ${bit} of a ${form}`);
    }
  }
});

test('numbers of rows that columns do not have, and buffers outside of a batch, are errors', async () => {
  const bytes = written('stream');
  const lessRows = Buffer.from(bytes);
  lessRows.writeBigInt64LE(8n, placeOf(bytes, 9, 4));
  await assert.rejects(rowsOf(lessRows, row({ id: int32 })), {
    code: 'MALFORMED_DATA',
    message: /column yes has not 9 values/,
  });
  const schemaBytes = 8 + bytes.readInt32LE(4);
  const metadata = bytes.subarray(
    schemaBytes + 8,
    schemaBytes + 8 + bytes.readInt32LE(schemaBytes + 4),
  );
  const buffers = Metadata.root(metadata, MESSAGE_SHAPE).table(2)!.vector(2);
  assert.equal(buffers.length, 7);
  // The bitmap of nulls of the second column.
  const bitmap = schemaBytes + 8 + buffers.at + 2 * 16;
  for (const [place, more] of [
    [bitmap, 2n ** 32n],
    [bitmap, 3n],
    [bitmap, -1024n],
    [bitmap + 8, 2n ** 32n],
    [bitmap + 8, -bytes.readBigInt64LE(bitmap + 8)],
  ] as const) {
    const other = Buffer.from(bytes);
    other.writeBigInt64LE(other.readBigInt64LE(place) + more, place);
    await assert.rejects(rowsOf(other, type), { code: 'MALFORMED_DATA' }, `${more}`);
  }
});

test('another schema in a stream is an error, the same one goes on', async () => {
  const stream = (columns: Record<string, Int32Array>) => {
    const writer = new RecordBatchStreamWriter();
    for (const batch of tableFromArrays(columns).batches) writer.write(batch as RecordBatch);
    return Buffer.from(writer.finish().toUint8Array(true));
  };
  const [id, x] = [Int32Array.of(1, 2), Int32Array.of(100, 200)];
  const schema = row({ id: int32, x: int32 });
  const first = stream({ id, x }).subarray(0, -8);
  const twice = await rowsOf(Buffer.concat([first, stream({ id, x })]), schema);
  assert.deepEqual(
    twice.map((one) => one.id),
    [1, 2, 1, 2],
  );
  await assert.rejects(rowsOf(Buffer.concat([first, stream({ x, id })]), schema), {
    code: 'MALFORMED_DATA',
    message: /another schema is at/,
  });
});

test('a column without a name is read', async () => {
  const bytes = new RecordBatchFileWriter();
  for (const batch of tableFromArrays({ '': Int32Array.of(1, 2) }).batches) bytes.write(batch);
  assert.deepEqual(await rowsOf(bytes.finish().toUint8Array(true), row({ '': int32 })), [
    { '': 1 },
    { '': 2 },
  ]);
});
