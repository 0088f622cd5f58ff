// SPDX-License-Identifier: Apache-2.0
// Pages to columns: levels and indexes as bytes, lists that go on in the next page, and what is damaged. Whole files are
// compared in test/integration/parquet-decode.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { ChunkBytes } from '../../../../src/io/parquet/chunk-bytes.ts';
import { flatOf, listsOf } from '../../../../src/io/parquet/decode/assemble.ts';
import { onlyRun, readHybrid, roomFor } from '../../../../src/io/parquet/decode/hybrid.ts';
import { type Page, readPages } from '../../../../src/io/parquet/decode/pages.ts';
import { type LeafShape, shapeOf } from '../../../../src/io/parquet/decode/shape.ts';
import { pageDecoders } from '../../../../src/io/parquet/package.ts';
import { columnOfPackage } from '../../../../src/io/parquet/package-column.ts';

/** Numbers as runs: each with how many follow of it, or a group of any. */
function hybrid(
  parts: readonly (readonly [number, number] | readonly number[][])[],
  width: number,
) {
  const bytes: number[] = [];
  const varint = (value: number) => {
    let left = value;
    for (; left > 127; left >>>= 7) bytes.push((left & 127) | 128);
    bytes.push(left);
  };
  for (const part of parts) {
    if (typeof part[0] === 'number') {
      const [value, count] = part as readonly [number, number];
      varint(count * 2);
      for (let at = 0; at < width; at += 8) bytes.push((value >>> at) & 255);
      continue;
    }
    const values = (part as readonly number[][]).flat();
    varint((values.length / 8) * 2 + 1);
    const packed = new Array<number>((values.length * width) / 8).fill(0);
    values.forEach((value, at) => {
      for (let bit = 0; bit < width; bit++) {
        const to = at * width + bit;
        packed[to >> 3]! |= ((value >>> bit) & 1) << (to & 7);
      }
    });
    bytes.push(...packed);
  }
  return Uint8Array.from(bytes);
}

test('numbers of so many bits are read from runs and groups, as many as are wanted', () => {
  const wide = fc.integer({ min: 1, max: 24 });
  fc.assert(
    fc.property(
      wide.chain((width) => {
        const value = fc.integer({ min: 0, max: 2 ** width - 1 });
        const run = fc.tuple(value, fc.integer({ min: 1, max: 300 }));
        const eight = fc.array(value, { minLength: 8, maxLength: 8 });
        const groups = fc.array(eight, { minLength: 1, maxLength: 5 });
        const parts = fc.array(fc.oneof(run, groups), { minLength: 1, maxLength: 6 });
        return fc.record({
          width: fc.constant(width),
          parts,
          left: fc.integer({ min: 0, max: 7 }),
        });
      }),
      ({ width, parts, left }) => {
        const all = parts.flatMap((part) =>
          typeof part[0] === 'number'
            ? new Array<number>(part[1] as number).fill(part[0])
            : (part as number[][]).flat(),
        );
        // The last group may be for fewer than it has room for.
        const isGroup = typeof parts.at(-1)![0] !== 'number';
        const wanted = all.slice(0, all.length - (isGroup ? left : 0));
        const bytes = hybrid(parts, width);
        const out = roomFor(wanted.length, width);
        readHybrid(bytes, width, out);
        assert.deepEqual(Array.from(out), wanted);
        if (onlyRun(bytes, width, wanted.length) !== undefined)
          assert.equal(new Set(wanted).size, 1);
        assert.throws(() =>
          readHybrid(bytes.subarray(0, -1 - width), width, roomFor(all.length, width)),
        );
        assert.throws(() => readHybrid(bytes, width, roomFor(all.length + 1, width)));
      },
    ),
  );
});

test('levels that are all of one run are known without each of them', () => {
  for (const count of [1, 63, 64, 5000, 2 ** 20])
    assert.equal(onlyRun(hybrid([[2, count]], 2), 2, count), 2);
  assert.equal(onlyRun(hybrid([[2, 5]], 2), 2, 6), undefined);
  assert.equal(onlyRun(hybrid([[[1, 1, 1, 1, 1, 1, 1, 1]]], 1), 1, 8), undefined);
  assert.equal(onlyRun(Uint8Array.of(0x80), 1, 8), undefined);
});

const page = (repetition: number[], definition: number[], values: readonly unknown[]): Page => ({
  count: repetition.length,
  repetition: Uint8Array.from(repetition),
  definition: Uint8Array.from(definition),
  values,
});
const list = (repetition_type: string, element: string): LeafShape =>
  shapeOf([
    { name: 'v', repetition_type, num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: element, type: 'INT32' },
  ])!;

const rowsOf = (pages: Page[], shape: LeafShape, rows: number) => {
  const lists = listsOf(pages, shape, rows);
  return Array.from({ length: rows }, (_, row) => lists.at(row));
};

test('a list goes on in the next page, and is null, empty, or has nulls', () => {
  const pages = [
    page([0, 1, 0], [3, 3, 0], [1, 2]),
    page([0, 0, 1, 1], [1, 3, 2, 3], [3, 4]),
    page([1, 1, 0], [2, 3, 2], [5]),
  ];
  const rows = [[1, 2], undefined, [], [3, null, 4, null, 5], [null]];
  assert.deepEqual(rowsOf(pages, list('OPTIONAL', 'OPTIONAL'), 5), rows);
  const typed = pages.map((one) => ({ ...one, values: Int32Array.from(one.values as number[]) }));
  assert.deepEqual(rowsOf(typed, list('OPTIONAL', 'OPTIONAL'), 5), rows);
});

test('lists in the forms of other writers: of two levels, and a field that is repeated', () => {
  const two = shapeOf([
    { name: 'v', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'array', repetition_type: 'REPEATED', type: 'INT32' },
  ])!;
  const pages = [page([0, 0, 0, 1], [0, 1, 2, 2], [7, 8])];
  assert.deepEqual(rowsOf(pages, two, 3), [undefined, [], [7, 8]]);
  const bare = shapeOf([{ name: 'v', repetition_type: 'REPEATED', type: 'INT32' }])!;
  assert.deepEqual(rowsOf([page([0, 0, 1], [0, 1, 1], [7, 8])], bare, 2), [[], [7, 8]]);
  const group = { name: 'v', repetition_type: 'OPTIONAL', num_children: 1 };
  const nested = { name: 'a', repetition_type: 'REPEATED', num_children: 1 };
  const leaf = { name: 'b', repetition_type: 'REPEATED', type: 'INT32' };
  assert.equal(shapeOf([group, leaf]), undefined);
  assert.equal(shapeOf([{ ...group, converted_type: 'LIST' }, nested, leaf]), undefined);
  assert.equal(shapeOf([{ ...group, converted_type: 'MAP' }, nested, leaf, leaf]), undefined);
});

test('levels that are of no list, or of other rows, are refused', () => {
  const shape = list('OPTIONAL', 'OPTIONAL');
  const bad: [Page, number][] = [
    [page([1], [3], [1]), 1],
    [page([0, 1], [1, 3], [1]), 1],
    [page([0, 1], [0, 2], []), 1],
    [page([0, 1], [3, 1], [1]), 1],
    [page([0], [4], []), 1],
    [page([0, 0], [3, 3], [1, 2]), 1],
    [page([0], [3], [1]), 2],
  ];
  for (const [one, rows] of bad) assert.throws(() => listsOf([one], shape, rows));
  const flat = shapeOf([{ name: 'v', repetition_type: 'OPTIONAL', type: 'INT32' }])!;
  assert.deepEqual(flatOf([page([0, 0], [1, 0], [5])], flat, 2), [5, null]);
  assert.throws(() => flatOf([page([0, 0], [1, 2], [5])], flat, 2));
  assert.throws(() => flatOf([page([0], [1], [5])], flat, 2));
});

test('pages of which bytes are missing, or that have more values than told, are refused', async () => {
  const decoders = (await pageDecoders())!;
  const data = Array.from({ length: 100 }, (_, at) => at % 7);
  for (const encoding of ['PLAIN', 'RLE_DICTIONARY', 'DELTA_BINARY_PACKED'] as const) {
    const column = { name: 'v', data, type: 'INT32' as const, nullable: false, encoding };
    const file = new Uint8Array(
      parquetWriteBuffer({ columnData: [column], codec: 'UNCOMPRESSED' }),
    );
    const shape = shapeOf([{ name: 'v', repetition_type: 'REQUIRED', type: 'INT32' }])!;
    const kind = { ...shape, asNumbers: false };
    const read = (bytes: Uint8Array, count: number) =>
      readPages({ bytes, codec: 'UNCOMPRESSED', count }, shape, kind, {}, decoders);
    assert.deepEqual(Array.from(read(file.subarray(4), 100)[0]!.values), data, encoding);
    assert.throws(() => read(file.subarray(4), 99), encoding);
    assert.throws(() => read(file.subarray(4, 44), 100), encoding);
  }
});

test('chunks that lie side by side are read at once, and no longer held than needed', async () => {
  const content = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251);
  const asked: [number, number][] = [];
  const file = {
    byteLength: content.length,
    slice: async (start: number, end = content.length) => {
      asked.push([start, end]);
      return content.slice(start, end).buffer;
    },
  };
  const chunks = [
    { start: 500, end: 600 },
    { start: 4, end: 400 },
    { start: 90_000, end: 90_010 },
    { start: 4, end: 400 },
  ];
  const bytes = new ChunkBytes(file, chunks);
  for (const chunk of chunks)
    assert.deepEqual(await bytes.take(chunk), content.subarray(chunk.start, chunk.end));
  assert.deepEqual(asked, [
    [4, 600],
    [90_000, 90_010],
  ]);
});

test('values that the package gives out of their order are an error of the column, and not of the program', async () => {
  // As it does for some damaged files: it lets go of what `onChunk` throws.
  const hyparquet = {
    async parquetRead({ onChunk }: { onChunk: (chunk: object) => void }) {
      void Promise.resolve().then(() => onChunk({ columnData: [1], rowStart: -1 }));
      await Promise.resolve();
    },
  };
  const [element] = [{ name: 'v', repetition_type: 'REQUIRED', type: 'INT32' }];
  const column = { name: 'v', elements: [element], leaves: [] };
  const read = columnOfPackage(
    'a.parquet',
    { hyparquet, bytes: { byteLength: 0 } } as never,
    { rows: 1, chunks: [], before: 0, start: 0 },
    column as never,
    {},
  );
  await assert.rejects(read, { code: 'MALFORMED_DATA', message: /row -1 comes after 0 rows/ });
});
