// SPDX-License-Identifier: Apache-2.0
// A column chunk as its pages: of each the levels, and the values that are there.

import type { Decompress, PageDecoders, PageHeader } from '../package.ts';
import { onlyRun, readHybrid } from './hybrid.ts';
import type { LeafShape } from './shape.ts';
import { prefixed, readPlain, readValues, type ValueKind, type Values } from './values.ts';

/** Levels of a page: one that all have, or each of its own. */
export type Levels = number | Uint8Array;

export interface Page {
  /** How many levels it has: a value, a null, or a list without elements each. */
  readonly count: number;
  readonly repetition: Levels;
  readonly definition: Levels;
  /** Those whose definition level says that they are there. */
  readonly values: Values;
}

export interface ChunkToRead {
  readonly bytes: Uint8Array;
  readonly codec: string;
  /** How many levels all of its pages have. */
  readonly count: number;
}

/** @throws where it is damaged, or holds what is not known here */
export function readPages(
  { bytes, codec, count }: ChunkToRead,
  shape: LeafShape,
  kind: ValueKind,
  compressors: Readonly<Record<string, Decompress>>,
  decoders: PageDecoders,
): Page[] {
  const reader = {
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    offset: 0,
  };
  const unzip = (part: Uint8Array, size: number) =>
    decoders.decompressPage(part, size, codec, compressors);
  const pages: Page[] = [];
  let dictionary: Values | undefined;
  for (let seen = 0; seen < count; ) {
    const header = decoders.parquetHeader(reader);
    const size = length(header.compressed_page_size);
    const end = reader.offset + size;
    if (end > bytes.length) throw new Error('a page is cut');
    const body = bytes.subarray(reader.offset, end);
    reader.offset = end;
    if (header.type === 'DICTIONARY_PAGE') {
      const plain = unzip(body, length(header.uncompressed_page_size));
      const entries = length(header.dictionary_page_header?.num_values);
      dictionary = readPlain(plain, entries, kind, decoders);
      continue;
    }
    const { levels, definitionBytes, repetitionBytes, valueBytes, encoding } = partsOf(
      header,
      body,
      shape,
      unzip,
    );
    if (levels > count - seen) throw new Error('pages have more values than their column');
    seen += levels;
    const { present, isList } = shape;
    const repetition = isList ? levelsOf(repetitionBytes, 1, levels) : 0;
    const definition = present > 0 ? levelsOf(definitionBytes, present, levels) : 0;
    const there = countOf(definition, present, levels);
    const nulls = header.data_page_header_v2?.num_nulls;
    // Some writers miscount: what else of the page is wrong then, nobody knows.
    if (nulls !== undefined && nulls !== levels - there) throw new Error('nulls are miscounted');
    const values = readValues(valueBytes, there, encoding, kind, dictionary, decoders);
    if (values.length !== there) throw new Error('a page has fewer values than it tells of');
    pages.push({ count: levels, repetition, definition, values });
  }
  return pages;
}

interface Parts {
  readonly levels: number;
  readonly repetitionBytes: Uint8Array;
  readonly definitionBytes: Uint8Array;
  readonly valueBytes: Uint8Array;
  readonly encoding: string;
}

const NONE = new Uint8Array(0);

function partsOf(
  header: PageHeader,
  body: Uint8Array,
  { isList, present }: LeafShape,
  unzip: (part: Uint8Array, size: number) => Uint8Array,
): Parts {
  const size = length(header.uncompressed_page_size);
  const { data_page_header: one, data_page_header_v2: two } = header;
  if (header.type === 'DATA_PAGE' && one) {
    const page = unzip(body, size);
    let at = 0;
    const next = (isThere: boolean, encoding: string | undefined) => {
      if (!isThere) return NONE;
      if (encoding !== 'RLE') throw new Error(`unsupported levels: ${encoding}`);
      const bytes = prefixed(page, at);
      at += 4 + bytes.length;
      return bytes;
    };
    const repetitionBytes = next(isList, one.repetition_level_encoding);
    const definitionBytes = next(present > 0, one.definition_level_encoding);
    const valueBytes = page.subarray(at);
    const levels = length(one.num_values);
    return { levels, repetitionBytes, definitionBytes, valueBytes, encoding: one.encoding ?? '' };
  }
  if (header.type === 'DATA_PAGE_V2' && two) {
    const first = length(two.repetition_levels_byte_length);
    const both = first + length(two.definition_levels_byte_length);
    if (both > body.length || both > size) throw new Error('a page is cut');
    const rest = body.subarray(both);
    const isZipped = two.is_compressed !== false;
    return {
      levels: length(two.num_values),
      repetitionBytes: body.subarray(0, first),
      definitionBytes: body.subarray(first, both),
      valueBytes: isZipped ? unzip(rest, size - both) : rest,
      encoding: two.encoding ?? '',
    };
  }
  throw new Error(`unsupported page: ${header.type}`);
}

function levelsOf(bytes: Uint8Array, most: number, count: number): Levels {
  const width = 32 - Math.clz32(most);
  const same = onlyRun(bytes, width, count);
  if (same !== undefined) return same;
  const levels = new Uint8Array(count);
  readHybrid(bytes, width, levels);
  return levels;
}

function countOf(levels: Levels, level: number, count: number): number {
  if (typeof levels === 'number') return levels === level ? count : 0;
  let found = 0;
  for (let at = 0; at < count; at++) if (levels[at] === level) found += 1;
  return found;
}

function length(given: number | undefined): number {
  if (Number.isSafeInteger(given) && given! >= 0) return given!;
  throw new Error(`the header of a page has ${given ?? 'nothing'} as a length`);
}
