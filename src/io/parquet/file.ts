// SPDX-License-Identifier: Apache-2.0
// A Parquet file: its footer, checked against its bytes and against the declared type.

import { BeamBridgeError } from '../../base/index.ts';
import type { RowType } from '../../schema/index.ts';
import { readError } from '../file-error.ts';
import { changed } from '../stores/changed.ts';
import type { StoreOptions } from '../stores/options.ts';
import type { OpenFile } from '../stores/store.ts';
import { openFile } from '../stores/store-of.ts';
import { isReadable } from './codecs.ts';
import { treeOf } from './file-schema.ts';
import { BEHIND, FooterCache, footerOf } from './footer.ts';
import { type MatchedField, matchField } from './gather.ts';
import {
  type AsyncBuffer,
  type ColumnChunk,
  type FileMetadata,
  type ParquetReaderPackage,
  readerPackage,
} from './package.ts';

/** What a program said of its files. */
export interface ParquetFormat {
  readonly stores?: StoreOptions | undefined;
  readonly schema: RowType<unknown>;
  /** By field, the name of its column where that is another one, or those of an array's elements. */
  readonly names: Readonly<Record<string, string | readonly string[]>>;
}

/** Rows that lie together. */
export interface GroupOfRows {
  /** How many rows are before it. */
  readonly before: number;
  readonly rows: number;
  /** Where its first byte is. */
  readonly start: number;
  /** By the number of the leaf. */
  readonly chunks: readonly Chunk[];
}

/** A leaf of a row group, with where its bytes are. */
export interface Chunk {
  readonly chunk: ColumnChunk;
  readonly path: readonly string[];
  readonly codec: string;
  readonly start: number;
  readonly end: number;
}

/** What is made of a footer. */
interface Looked {
  readonly groups: readonly GroupOfRows[];
  readonly fields: readonly MatchedField[];
}

/** A file that is open. */
export interface ParquetFile extends Looked {
  readonly hyparquet: ParquetReaderPackage;
  readonly bytes: AsyncBuffer;
}

/** Values as they lie in the file. */
const same = (value: unknown) => value;
export const AS_THEY_LIE = {
  timestampFromMilliseconds: same,
  timestampFromMicroseconds: same,
  timestampFromNanoseconds: same,
  dateFromDays: same,
  stringFromBytes: same,
  jsonFromBytes: same,
  geometryFromBytes: same,
  geographyFromBytes: same,
  uuidFromBytes: same,
};

/**
 * Does something with a file, which is closed then.
 *
 * @param version - which contents are meant; nothing for what is there
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` for what the disk says, and for a file that was changed
 * @throws `MALFORMED_DATA` for what is no whole Parquet file, `UNSUPPORTED` for one that cannot be read
 * @throws `HEADER_MISMATCH` where the declared columns are not what there is
 * @throws `PACKAGE_NOT_FOUND` without `hyparquet`
 */
export async function* inParquetFile<T>(
  path: string,
  version: string | undefined,
  format: ParquetFormat,
  use: (file: ParquetFile) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const hyparquet = await readerPackage();
  try {
    await using opened = await openFile({ path, version, stores: format.stores });
    const { size } = await opened.look();
    const bytes = bytesOf(opened, path, size);
    const footer = await footerOf(bytes, path);
    const { groups, fields } = cacheOf(format).of(footer, size, () => {
      const metadata = parsed(hyparquet, footer, path);
      return located(path, () => looked(metadata, size, format));
    });
    yield* use({ hyparquet, bytes, groups, fields });
    await opened.checkVersion();
  } catch (error) {
    throw readError(error, path);
  }
}

function bytesOf(opened: OpenFile, path: string, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (!(start >= 0 && start <= end && end <= byteLength))
        throw new BeamBridgeError('MALFORMED_DATA', `${path} ends before what its footer tells of`);
      const bytes = new Uint8Array(end - start);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await opened.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0) throw changed(path);
        at += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

/** What was made of footers, by what they were looked at for. */
const caches = new WeakMap<ParquetFormat, FooterCache<Looked>>();

function cacheOf(format: ParquetFormat): FooterCache<Looked> {
  let cache = caches.get(format);
  if (!cache) {
    cache = new FooterCache();
    caches.set(format, cache);
  }
  return cache;
}

function parsed(hyparquet: ParquetReaderPackage, footer: Uint8Array, path: string): FileMetadata {
  try {
    return hyparquet.parquetMetadata(footer, { parsers: AS_THEY_LIE, geoparquet: false });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BeamBridgeError('MALFORMED_DATA', `${path}: its footer cannot be read: ${why}`, {
      cause,
    });
  }
}

/** Adds the file to what an error says. */
function located<T>(path: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof BeamBridgeError)) throw error;
    const { code, shortMessage, hint, cause } = error;
    throw new BeamBridgeError(code, `${path}: ${shortMessage}`, { hint, cause });
  }
}

function looked(metadata: FileMetadata, size: number, format: ParquetFormat): Looked {
  const tree = treeOf(metadata.schema);
  const fields = format.schema.fields.map(({ name, type }) =>
    matchField(name, format.names[name] ?? name, type, tree),
  );
  const end = size - metadata.metadata_length - BEHIND;
  const wanted = fields
    .flatMap(({ columns }) => columns)
    .flatMap(({ name, leaves }) => leaves.map((leaf) => ({ ...leaf, name })));
  const groups: GroupOfRows[] = [];
  let before = 0;
  for (const { num_rows, columns: all } of metadata.row_groups) {
    const rows = Number(num_rows);
    if (!Number.isSafeInteger(rows) || rows < 0) throw damaged('a row group has no number of rows');
    const starts: number[] = [];
    const chunks: Chunk[] = [];
    for (const { index, name } of wanted) {
      const chunk = chunkOf(all[index], name);
      const start = startOf(chunk);
      const length = Number(chunk.meta_data!.total_compressed_size);
      // Nothing is read of a group without rows, and some writers say nothing right of it.
      if (rows > 0 && !(start >= 4 && length >= 0 && start + length <= end))
        throw damaged(`column ${name} ends behind the end of the file`);
      starts.push(start);
      const { path_in_schema: path, codec } = chunk.meta_data!;
      chunks[index] = { chunk, path, codec, start, end: start + length };
    }
    // A place in the file, whatever it says: each group is of exactly one range.
    const start = Math.min(Math.max(Math.min(...starts), 0), size - 1);
    groups.push({ before, rows, start, chunks });
    before += rows;
  }
  if (BigInt(before) !== metadata.num_rows)
    throw damaged(`its footer tells of ${metadata.num_rows} rows, and its row groups of ${before}`);
  return { groups, fields };
}

function damaged(why: string): BeamBridgeError {
  return new BeamBridgeError('MALFORMED_DATA', why, { hint: 'Write the file anew.' });
}

function chunkOf(chunk: ColumnChunk | undefined, name: string): ColumnChunk {
  if (!chunk) throw damaged(`a row group has no column ${name}`);
  const { file_path, crypto_metadata, meta_data } = chunk;
  if (crypto_metadata) throw new BeamBridgeError('UNSUPPORTED', `column ${name} is encrypted`);
  if (file_path)
    throw new BeamBridgeError('UNSUPPORTED', `column ${name} lies in another file, ${file_path}`);
  if (!meta_data) throw damaged(`a row group says nothing of column ${name}`);
  if (isReadable(meta_data.codec)) return chunk;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `column ${name} is compressed as ${meta_data.codec}, which cannot be read`,
    { hint: 'Write it with zstd, snappy, gzip, brotli or lz4.' },
  );
}

function startOf({ meta_data }: ColumnChunk): number {
  const { data_page_offset: data, dictionary_page_offset: dictionary } = meta_data!;
  return Number(dictionary || data);
}
