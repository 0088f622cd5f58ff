// SPDX-License-Identifier: Apache-2.0
// The rows of a range of an Arrow file: of the record batches that begin in it.

import { Misfit } from '../records/misfit.ts';
import type { RecordOptions } from '../records/read-records.ts';
import type { Batch } from '../records/records.ts';
import type { FileRange } from '../text/find-files.ts';
import { type ArrowFormat, inArrowFile } from './file.ts';
import { damaged } from './messages.ts';
import type { ArrowBatch } from './package.ts';
import { DamagedBuffer } from './values.ts';

/** Rows that are handed on together. */
const ROWS = 1000;

/** Looks at a file, and reads no row of it. @throws what {@link inArrowFile} does */
export async function inspectArrow(path: string, format: ArrowFormat): Promise<void> {
  const looks = inArrowFile<never>({ path, start: 0, end: 0 }, format, async function* none() {});
  for await (const none of looks) return none;
}

/**
 * The rows of a range, in batches.
 *
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` with file, row and column, for a row that does not fit where these are
 *   no part of the batch
 * @throws `MALFORMED_DATA`, `UNSUPPORTED` for what cannot be read, and what {@link inArrowFile} does
 */
export function readArrow<T>(
  range: FileRange,
  format: ArrowFormat,
  options: RecordOptions,
): AsyncIterable<Batch<T>> {
  const { path } = range;
  return inArrowFile<Batch<T>>(range, format, async function* rowsOf(opened) {
    let given = 0;
    for await (const batch of opened.batches) {
      const { numRows } = batch;
      if (numRows === 0) continue;
      const value = guarded(path, batch, opened.bind);
      // Those of other ranges are counted for who wants to know only.
      const before = given;
      const numberOf = async (at: number) => (await opened.rowsBefore()) + before + at + 1;
      for (let from = 0; from < numRows; from += ROWS)
        yield await rowsBetween<T>(
          path,
          value,
          from,
          Math.min(from + ROWS, numRows),
          options,
          numberOf,
        );
      given += numRows;
    }
  });
}

type RowAt = (at: number) => unknown;

/** Rows of a batch, whose buffers may not be what the file says. */
function guarded(
  path: string,
  { data }: ArrowBatch,
  bind: (data: ArrowBatch['data']) => RowAt,
): RowAt {
  const guard = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw error instanceof DamagedBuffer ? damaged(path, 'a column ends too early') : error;
    }
  };
  const value = guard(() => bind(data));
  return (at) => guard(() => value(at));
}

async function rowsBetween<T>(
  path: string,
  value: RowAt,
  from: number,
  to: number,
  { withLines, withFailed }: RecordOptions,
  numberOf: (at: number) => Promise<number>,
): Promise<Batch<T>> {
  const batch: Batch<T> = { path, records: [], lines: [], failed: [] };
  const first = withLines ? await numberOf(from) : 0;
  for (let at = from; at < to; at++) {
    try {
      batch.records.push(value(at) as T);
      if (withLines) batch.lines.push(first + at - from);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      const number = await numberOf(at);
      if (!withFailed) throw error.toError(path, number, 'row');
      batch.failed.push(error.toFailed(path, number, `row ${number}`, 'row'));
    }
  }
  return batch;
}
