// SPDX-License-Identifier: Apache-2.0
// The rows of a range of a Parquet file: of the row groups that begin in it.

import { BeamBridgeError } from '../../base/index.ts';
import { Misfit } from '../records/misfit.ts';
import type { RecordOptions } from '../records/read-records.ts';
import type { Batch } from '../records/records.ts';
import type { FileRange } from '../text/find-files.ts';
import { decompressors } from './codecs.ts';
import type { MatchedColumn } from './columns.ts';
import {
  AS_THEY_LIE,
  type GroupOfRows,
  inParquetFile,
  type ParquetFile,
  type ParquetFormat,
} from './file.ts';
import { GroupRows, type Raw } from './gather.ts';
import { type Decompress, pageHeaderReader } from './package.ts';
import { withCheckedPages } from './pages.ts';

/** Rows that are handed on together. */
const ROWS = 1000;

/** Looks at a file, and reads no row of it. @throws what {@link inParquetFile} does */
export async function inspectParquet(path: string, format: ParquetFormat): Promise<void> {
  const looks = inParquetFile<never>(path, undefined, format, async function* none() {});
  for await (const none of looks) return none;
}

/**
 * The rows of a range, in batches.
 *
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` with file, row and column, for a row that does not fit where these are
 *   no part of the batch
 * @throws `MALFORMED_DATA`, `UNSUPPORTED` for a column that cannot be read, and what {@link inParquetFile} does
 */
export function readParquet<T>(
  range: FileRange,
  format: ParquetFormat,
  options: RecordOptions,
): AsyncIterable<Batch<T>> {
  const { path, version, start, end } = range;
  return inParquetFile<Batch<T>>(path, version, format, async function* rowsOf(file) {
    const groups = file.groups.filter(
      (one) => one.rows > 0 && one.start >= start && one.start < end,
    );
    if (groups.length === 0) return;
    const codecs = new Set(
      groups.flatMap(({ chunks }) => Object.values(chunks).map((c) => c.codec)),
    );
    const compressors = await decompressors(codecs);
    for (const group of groups) {
      const raws: Raw[] = [];
      for (const { columns } of file.fields) {
        for (const column of columns)
          raws.push(await rawColumn(path, file, group, column, compressors));
      }
      const { before } = group;
      const rows = new GroupRows({ path, before }, file.fields, raws);
      for (let from = 0; from < group.rows; from += ROWS) {
        const to = Math.min(from + ROWS, group.rows);
        yield batchOf<T>(path, rows, before, from, to, options);
      }
    }
  });
}

/** The values of a column as they lie in a row group. */
async function rawColumn(
  path: string,
  { hyparquet, bytes }: ParquetFile,
  { rows, chunks, before }: GroupOfRows,
  { name, elements, leaves }: MatchedColumn,
  compressors: Readonly<Record<string, Decompress>>,
): Promise<Raw> {
  const columns = leaves.map(({ index, path: path_in_schema, type }) => {
    const { chunk } = chunks[index]!;
    return { ...chunk, meta_data: { ...chunk.meta_data!, path_in_schema, type } };
  });
  const num_rows = BigInt(rows);
  const metadata = {
    schema: [{ name: 'root', repetition_type: 'REQUIRED', num_children: 1 }, ...elements],
    num_rows,
    row_groups: [{ columns, num_rows }],
    metadata_length: 0,
  };
  const { length: parts, 0: top } = elements;
  const isFlat = parts === 1 && top!.repetition_type !== 'REPEATED';
  const places = leaves.map(({ index }) => {
    const { start, end } = chunks[index]!;
    return { start, end, values: isFlat ? rows : undefined };
  });
  const readHeader = await pageHeaderReader();
  const where = `${path}, column ${name}, in the rows from ${before + 1} on`;
  const pieces: Raw[] = [];
  let read = 0;
  try {
    await hyparquet.parquetRead({
      file: readHeader ? withCheckedPages(bytes, places, readHeader) : bytes,
      metadata,
      columns: [elements[0]!.name],
      compressors,
      parsers: AS_THEY_LIE,
      utf8: false,
      onChunk: ({ columnData, rowStart }) => {
        if (rowStart !== read) throw new Error(`row ${rowStart} comes after ${read} rows`);
        read += columnData.length;
        pieces.push(columnData);
      },
    });
  } catch (cause) {
    if (cause instanceof BeamBridgeError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    const isUnknown = /unsupported/.test(why);
    throw new BeamBridgeError(
      isUnknown ? 'UNSUPPORTED' : 'MALFORMED_DATA',
      `${where}: it cannot be read: ${why}`,
      { hint: isUnknown ? undefined : hintOf(leaves), cause },
    );
  }
  if (read !== rows) {
    const message = `${where}: it has ${read} values for ${rows} rows`;
    throw new BeamBridgeError('MALFORMED_DATA', message, { hint: 'Write the file anew.' });
  }
  return joined(pieces, rows);
}

/** One list of those of several pages, typed where all of them are. */
function joined(pieces: readonly Raw[], length: number): Raw {
  const [first] = pieces;
  if (pieces.length === 1) return first!;
  const Typed = first?.constructor as Float64ArrayConstructor;
  if (ArrayBuffer.isView(first) && pieces.every((piece) => piece.constructor === Typed)) {
    const all = new Typed(length);
    let at = 0;
    for (const piece of pieces as readonly Float64Array[]) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
  const all: unknown[] = [];
  for (const piece of pieces) for (let at = 0; at < piece.length; at++) all.push(piece[at]);
  return all;
}

/** What may have made a column that cannot be read. */
function hintOf(leaves: MatchedColumn['leaves']): string {
  return leaves.some(({ path }) => path.length > 1)
    ? "Write the file anew: one that pyarrow wrote with data_page_version='2.0', whose releases up to 25 at least miscount nulls in nested columns, without that."
    : 'Write the file anew.';
}

function batchOf<T>(
  path: string,
  group: GroupRows,
  before: number,
  from: number,
  to: number,
  options: RecordOptions,
): Batch<T> {
  const batch: Batch<T> = { path, records: [], lines: [], failed: [] };
  const rows = group.rows(from, to);
  for (let at = from; at < to; at++) {
    const number = before + at + 1;
    try {
      batch.records.push((rows ? rows[at - from] : group.row(at)) as T);
      if (options.withLines) batch.lines.push(number);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      if (!options.withFailed) throw error.toError(path, number, 'row');
      batch.failed.push(error.toFailed(path, number, group.shown(at), 'row'));
    }
  }
  return batch;
}
