// SPDX-License-Identifier: Apache-2.0
// Headers of pages, looked at before their column is decoded: where a length is missing from one, which a flipped bit is
// enough for, `hyparquet` goes on from a place that is no number, and never ends.

import type { AsyncBuffer, PageHeader, ReadPageHeader } from './package.ts';

/** A column chunk, and of a flat column how many values it has: nothing behind these is read. */
export interface ChunkBytes {
  readonly start: number;
  readonly end: number;
  readonly values: number | undefined;
}

/** A file of which no chunk is given before its headers were looked at; a chunk is read as a whole, or with others. */
export function withCheckedPages(
  bytes: AsyncBuffer,
  chunks: readonly ChunkBytes[],
  readHeader: ReadPageHeader,
): AsyncBuffer {
  return {
    byteLength: bytes.byteLength,
    async slice(start, end = bytes.byteLength) {
      const read = await bytes.slice(start, end);
      for (const chunk of chunks) {
        if (chunk.start < start || chunk.end > end) continue;
        const view = new DataView(read, chunk.start - start, chunk.end - chunk.start);
        checkPages(view, chunk.values, readHeader);
      }
      return read;
    },
  };
}

function checkPages(view: DataView, most: number | undefined, readHeader: ReadPageHeader): void {
  const reader = { view, offset: 0 };
  let values = 0;
  // As the package goes on: up to the last byte, or to the last value.
  while (reader.offset < view.byteLength - 1 && !(values >= (most ?? Infinity))) {
    const header = readHeader(reader);
    const size = length(header.compressed_page_size, 'size');
    length(header.uncompressed_page_size, 'size');
    values += valuesOf(header, size);
    if (most !== undefined && values > most) throw new Error(`its pages have over ${most} values`);
    reader.offset += size;
  }
}

/** How many values a page adds to its column. */
function valuesOf(header: PageHeader, size: number): number {
  const { data_page_header: one, data_page_header_v2: two, dictionary_page_header: words } = header;
  switch (header.type) {
    case 'DATA_PAGE':
      return length(one?.num_values, 'number of values');
    case 'DATA_PAGE_V2': {
      const levels =
        length(two?.repetition_levels_byte_length, 'length of levels') +
        length(two?.definition_levels_byte_length, 'length of levels');
      if (levels > size) throw new Error('the levels of a page are longer than the page');
      return length(two?.num_values, 'number of values');
    }
    case 'DICTIONARY_PAGE':
      length(words?.num_values, 'number of values');
      return 0;
    default:
      return 0;
  }
}

function length(given: number | undefined, what: string): number {
  if (Number.isSafeInteger(given) && given! >= 0) return given!;
  throw new Error(`the header of a page has ${given ?? 'nothing'} as a ${what}`);
}
