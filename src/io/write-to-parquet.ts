// SPDX-License-Identifier: Apache-2.0
// Rows to Parquet files.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import { PARQUET_COMPRESSIONS, type ParquetCompression, writtenCodec } from './parquet/codecs.ts';
import { checkDecimals } from './parquet/decimals.ts';
import { type ParquetLayout, parquetFormat } from './parquet/shards.ts';
import type { ParquetDecimal } from './parquet/write-leaf.ts';
import { type ParquetRow, parquetRows } from './parquet/write-type.ts';
import { checkRowType, refuseOption } from './records/read-options.ts';
import { rowsToWrite } from './records/write-type.ts';
import { WriteFiles, type WrittenFiles } from './text/write-files.ts';
import { checkOutput, WRITE_OPTIONS, type WriteFilesOptions } from './text/write-options.ts';

/** Options of {@link writeToParquet}. */
export interface WriteParquetOptions<T> extends Omit<WriteFilesOptions<T>, 'compression'> {
  /** The type of the rows, each of which is then checked. @default what their PCollection is declared to hold */
  schema?: RowType<T>;
  /** How pages are compressed; `'zstd'` wants Node.js 22.15. @default `'snappy'` */
  compression?: ParquetCompression;
  /** The most rows in a row group, which is what readers share and pass over. @default 100,000 */
  rowGroupRows?: number;
  /**
   * The most bytes in a row group, before its values are encoded and compressed; it is in memory while it is written, and
   * smaller where more than four files are written at the same time. @default 8 MiB
   */
  rowGroupBytes?: number;
  /**
   * By field, how many digits its decimals have, and how many of these behind the point; one that has more is refused.
   * @default `{ precision: 38, scale: 18 }`
   */
  decimals?: { readonly [Field in keyof T]?: ParquetDecimal };
}

const OPTIONS: OptionNames<WriteParquetOptions<unknown>> = {
  ...WRITE_OPTIONS,
  schema: true,
  rowGroupRows: true,
  rowGroupBytes: true,
  decimals: true,
};

const ROW_GROUP_ROWS = 100_000;
const ROW_GROUP_BYTES = 8 * 1024 * 1024;

/**
 * Writes rows to Parquet files `PREFIX-00000-of-0000N.parquet`, a column for each field. {@link readFromParquet} with the same
 * type reads the same rows: whole numbers, floats, booleans, texts, enumerations (as texts), bytes, times in UTC of
 * milliseconds or microseconds, decimals, arrays, maps, rows, and nullable ones. Tensors are lists, in lists for each further
 * dimension. Files appear as those of {@link writeToText} do; without rows there is one with the columns alone.
 *
 * `maxBytesPerShard` bounds values before they are encoded and compressed: a number's 4 or 8 bytes, a text's and 4 more.
 *
 * Needs the npm package `hyparquet-writer`, 0.17 or newer.
 *
 * @param prefix - folder and beginning of the files' names; missing folders are made
 * @throws `INVALID_ARGUMENT` where nothing says what the rows are, and for options that cannot be
 * @throws `INVALID_SCHEMA` for a type that Parquet has no values for
 * @throws `PACKAGE_NOT_FOUND` from the run, without that package
 * @throws `ROW_MISMATCH` from the run, for a row that is none of the type, and a decimal that its column cannot hold
 * @throws `OUTPUT_NOT_WRITABLE`, `UNSUPPORTED` as {@link writeToText} does; the latter also for `'zstd'` on an older Node.js
 *
 * @example
 * ```ts
 * scores
 *   .map(({ key, value }) => ({ id: key, score: value.inference }))
 *   .apply(writeToParquet('out/scores', { schema: row({ id: string, score: float64 }) }));
 * // By key and window: out/country=de/part-20260101T000000Z-20260102T000000Z-00000-of-00001.parquet
 * birds
 *   .apply(windowInto(fixedWindows(86_400)))
 *   .apply(writeToParquet('out/', { schema: bird, windowed: true, destination: (b) => `country=${b.country}/part` }));
 * ```
 */
export function writeToParquet<T>(
  prefix: string,
  options: WriteParquetOptions<T> = {},
): (rows: PCollection<T>) => WrittenFiles {
  const name = 'writeToParquet';
  checkOptionNames(name, options, OPTIONS);
  const { schema, fileNameSuffix = '.parquet', decimals = {} } = options;
  const layout = checkLayout(name, options);
  if (/\.(gz|zst|br|sz|snappy)$/i.test(String(fileNameSuffix))) {
    const hint =
      'What is compressed in such a file is its pages: readers want no other name for it.';
    throw refuseOption(name, 'fileNameSuffix', fileNameSuffix, hint);
  }
  checkDecimals(name, decimals, schema);
  const { compression: _, ...others } = options;
  const settled = { ...others, fileNameSuffix, compression: 'none' as const };
  // What can be told without the rows is told here.
  checkOutput(name, prefix, settled, () => parquetFormat({ ...layout, elements: [] }));
  const write = (input: PCollection<T>) => {
    if (schema !== undefined) checkRowType(name, schema);
    const typed = rowsToWrite(name, input, schema);
    checkDecimals(name, decimals, typed.schema);
    const { elements, row } = parquetRows(typed.schema as RowType<unknown>, decimals as never);
    const format = () => parquetFormat({ ...layout, elements });
    const output = checkOutput<T, ParquetRow>(name, prefix, settled, format);
    const render = typed.rendered<ParquetRow>(row);
    return new WriteFiles(name, output, render).expandInternal(typed.rows, input.pipeline);
  };
  return Object.defineProperty(write, 'name', { value: name });
}

/** @throws `INVALID_ARGUMENT`, `UNSUPPORTED` */
function checkLayout(
  name: string,
  options: Pick<WriteParquetOptions<unknown>, 'compression' | 'rowGroupRows' | 'rowGroupBytes'>,
): Omit<ParquetLayout, 'elements'> {
  const {
    compression = 'snappy',
    rowGroupRows = ROW_GROUP_ROWS,
    rowGroupBytes = ROW_GROUP_BYTES,
  } = options;
  if (!PARQUET_COMPRESSIONS.includes(compression)) {
    const hint = `Choose one of ${PARQUET_COMPRESSIONS.map((one) => `'${one}'`).join(', ')}.`;
    throw refuseOption(name, 'compression', compression, hint);
  }
  for (const [option, value] of Object.entries({ rowGroupRows, rowGroupBytes })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw refuseOption(name, option, value, 'Give a whole number, 1 or more, or leave it out.');
  }
  return { ...writtenCodec(compression), rowGroupRows, rowGroupBytes };
}
