// SPDX-License-Identifier: Apache-2.0
// A header of a page that lacks a length: the package would read on from nowhere, for ever.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { type PageHeader, pageHeaderReader } from '../../../../src/io/parquet/package.ts';
import { withCheckedPages } from '../../../../src/io/parquet/pages.ts';

const V2 = {
  num_values: 3,
  repetition_levels_byte_length: 0,
  definition_levels_byte_length: 2,
};
const GOOD: PageHeader = {
  type: 'DATA_PAGE_V2',
  compressed_page_size: 10,
  uncompressed_page_size: 10,
  data_page_header_v2: V2,
};

/** Reads a chunk of two pages, whose headers have a byte each. */
async function read(second: PageHeader, values: number | undefined): Promise<number> {
  const headers = [GOOD, second];
  const bytes = { byteLength: 30, slice: async () => new ArrayBuffer(30) };
  const checked = withCheckedPages(bytes, [{ start: 4, end: 26, values }], (reader) => {
    reader.offset++;
    return headers.shift()!;
  });
  await checked.slice(0, 30);
  return headers.length;
}

test('a page whose header lacks a length, or has one that cannot be, is refused before it is decoded', async () => {
  assert.equal(await read(GOOD, undefined), 0);
  assert.equal(await read(GOOD, 6), 0);
  // What is behind the last value is not looked at.
  assert.equal(await read({}, 3), 1);
  const bad: PageHeader[] = [
    {},
    { ...GOOD, compressed_page_size: undefined as never },
    { ...GOOD, compressed_page_size: -1 },
    { ...GOOD, data_page_header_v2: { ...V2, repetition_levels_byte_length: undefined as never } },
    { ...GOOD, data_page_header_v2: { ...V2, definition_levels_byte_length: 11 } },
    { ...GOOD, data_page_header_v2: undefined as never },
    { ...GOOD, type: 'DATA_PAGE' },
    { ...GOOD, type: 'DICTIONARY_PAGE' },
  ];
  for (const one of bad) await assert.rejects(read(one, undefined), /page/);
  await assert.rejects(read(GOOD, 5), /over 5 values/);
});

test('the package that is installed has what reads headers', async () => {
  const readHeader = await pageHeaderReader();
  const columnData = [{ name: 'id', data: [1, 2, 3], type: 'INT32' as const }];
  const bytes = parquetWriteBuffer({ columnData, codec: 'UNCOMPRESSED' });
  const { type, data_page_header_v2: header } = readHeader!({
    view: new DataView(bytes),
    offset: 4,
  });
  assert.equal(type, 'DATA_PAGE_V2');
  assert.equal(header?.num_values, 3);
  assert.equal(header?.repetition_levels_byte_length, 0);
});
