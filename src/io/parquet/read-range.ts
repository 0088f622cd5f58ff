// SPDX-License-Identifier: Apache-2.0
// The rows of a range of a Parquet file: of the row groups that begin in it.

import { Misfit } from '../records/misfit.ts';
import type { RecordOptions } from '../records/read-records.ts';
import type { Batch } from '../records/records.ts';
import type { FileRange } from '../text/find-files.ts';
import { decompressors } from './codecs.ts';
import { inParquetFile, type ParquetFormat } from './file.ts';
import { GroupRows } from './gather.ts';
import { rawColumns } from './read-columns.ts';

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
      const raws = await rawColumns(path, file, group, compressors);
      const { before } = group;
      const rows = new GroupRows({ path, before }, file.fields, raws);
      for (let from = 0; from < group.rows; from += ROWS) {
        const to = Math.min(from + ROWS, group.rows);
        yield batchOf<T>(path, rows, before, from, to, options);
      }
    }
  });
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
