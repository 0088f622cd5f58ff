// SPDX-License-Identifier: Apache-2.0
// Rows to Arrow files.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import { type ArrowLayout, arrowFormat } from './arrow/shards.ts';
import { checkDecimals } from './parquet/decimals.ts';
import { checkParquetType } from './parquet/declared-type.ts';
import type { ParquetDecimal } from './parquet/write-leaf.ts';
import { type ParquetRow, parquetRows } from './parquet/write-type.ts';
import { refuseOption } from './records/read-options.ts';
import { checkedRender, typedRows } from './records/write-type.ts';
import { WriteFiles, type WrittenFiles } from './text/write-files.ts';
import { checkOutput, WRITE_OPTIONS, type WriteFilesOptions } from './text/write-options.ts';

/** Options of {@link writeToArrow}. */
export interface WriteArrowOptions<T> extends Omit<WriteFilesOptions<T>, 'compression'> {
  /** The type of the rows, each of which is then checked. @default what their PCollection is declared to hold */
  schema?: RowType<T>;
  /** The most rows in a record batch, which is what readers share and pass over. @default 65,536 */
  batchRows?: number;
  /**
   * The most bytes in a record batch; it is in memory while it is written, and smaller where more than four files are
   * written at the same time; 1 GiB at most. @default 8 MiB
   */
  batchBytes?: number;
  /**
   * By field, how many digits its decimals have, and how many of these behind the point; one that has more is refused.
   * @default `{ precision: 38, scale: 18 }`
   */
  decimals?: { readonly [Field in keyof T]?: ParquetDecimal };
}

const MOST_BATCH_BYTES = 2 ** 30;

const { compression: _, ...SHARED } = WRITE_OPTIONS;
const OPTIONS: OptionNames<WriteArrowOptions<unknown>> = {
  ...SHARED,
  schema: true,
  batchRows: true,
  batchBytes: true,
  decimals: true,
};

/**
 * Writes rows to Arrow files `PREFIX-00000-of-0000N.arrow`, a column for each field: the file format of Arrow's IPC, which is that of
 * Feather files of version 2, not compressed. {@link readFromArrow} with the same type reads the same rows: whole numbers, floats,
 * booleans, texts, enumerations (as texts), bytes, times in UTC of milliseconds or microseconds, decimals, arrays, maps, rows,
 * and nullable ones. Files appear as those of {@link writeToText} do; without rows there is one with the columns alone.
 *
 * `maxBytesPerShard` bounds values as they lie, about: a number's 4 or 8 bytes, a text's and 4 more.
 *
 * Needs the npm package `apache-arrow` 21.
 *
 * @param prefix - folder and beginning of the files' names; missing folders are made
 * @throws `INVALID_ARGUMENT` where nothing says what the rows are, and for options that cannot be
 * @throws `INVALID_SCHEMA` for a type that Arrow files have no values for here, such as a tensor
 * @throws `PACKAGE_NOT_FOUND` from the run, without that package
 * @throws `ROW_MISMATCH` from the run, for a row that is none of the type, and a decimal that its column cannot hold
 * @throws `OUTPUT_NOT_WRITABLE`, `UNSUPPORTED` as {@link writeToText} does
 *
 * @example
 * ```ts
 * scores
 *   .map(({ key, value }) => ({ id: key, score: value.inference }))
 *   .apply(writeToArrow('out/scores', { schema: row({ id: string, score: float64 }) }));
 * // By key and window: out/country=de/part-20260101T000000Z-20260102T000000Z-00000-of-00001.arrow
 * birds
 *   .apply(windowInto(fixedWindows(86_400)))
 *   .apply(writeToArrow('out/', { schema: bird, windowed: true, destination: (b) => `country=${b.country}/part` }));
 * ```
 */
export function writeToArrow<T>(
  prefix: string,
  options: WriteArrowOptions<T> = {},
): (rows: PCollection<T>) => WrittenFiles {
  const name = 'writeToArrow';
  checkOptionNames(name, options, OPTIONS);
  const {
    schema,
    fileNameSuffix = '.arrow',
    decimals = {},
    batchRows = 65_536,
    batchBytes = 8 * 1024 * 1024,
  } = options;
  for (const [option, value] of Object.entries({ batchRows, batchBytes })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw refuseOption(name, option, value, 'Give a whole number, 1 or more, or leave it out.');
  }
  // Offsets in it have 32 bits.
  if (batchBytes > MOST_BATCH_BYTES)
    throw refuseOption(name, 'batchBytes', batchBytes, `Give ${MOST_BATCH_BYTES} at most.`);
  if (/\.(gz|zst|lz4)$/i.test(String(fileNameSuffix))) {
    const hint = 'Such a file is not compressed as a whole: readers want no other name for it.';
    throw refuseOption(name, 'fileNameSuffix', fileNameSuffix, hint);
  }
  checkDecimals(name, decimals, schema);
  const settled = { ...options, fileNameSuffix, compression: 'none' as const };
  const layoutOf = (type: unknown): ArrowLayout => ({
    schema: type as RowType<unknown>,
    decimals: decimals as ArrowLayout['decimals'],
    batchRows,
    batchBytes,
  });
  // What can be told without the rows is told here.
  if (schema !== undefined) checkParquetType(schema, '', false, 'Arrow files');
  checkOutput(name, prefix, settled, () => arrowFormat(layoutOf(schema)));
  const write = (input: PCollection<T>) => {
    const typed = typedRows(name, input, schema);
    checkParquetType(typed.schema, '', false, 'Arrow files');
    checkDecimals(name, decimals, typed.schema);
    const { row } = parquetRows(typed.schema as RowType<unknown>, decimals as never);
    const output = checkOutput<T, ParquetRow>(name, prefix, settled, () =>
      arrowFormat(layoutOf(typed.schema)),
    );
    const render = checkedRender<T, ParquetRow>(typed.schema, row);
    return new WriteFiles(name, output, render).expandInternal(typed.rows, input.pipeline);
  };
  return Object.defineProperty(write, 'name', { value: name });
}
