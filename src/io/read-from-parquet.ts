// SPDX-License-Identifier: Apache-2.0
// Rows of Parquet files.

import { checkOptionNames, mapSome, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import { checkParquetType } from './parquet/declared-type.ts';
import type { ParquetFormat } from './parquet/file.ts';
import { severalOf } from './parquet/gather.ts';
import { inspectParquet, readParquet } from './parquet/read-range.ts';
import { checkRecordOptions, refuseOption } from './records/read-options.ts';
import { ReadRecords, type RecordSource } from './records/read-records.ts';
import type { StoreOptions } from './stores/options.ts';
import { checkPatterns } from './text/read-files.ts';

/** Options of {@link readFromParquet}. */
export interface ReadParquetOptions<T> {
  /** The type of the rows. Only the columns of its fields are read. */
  schema: RowType<T>;
  /**
   * By field, the name of its column in the file; or for an array those of several, one for each of its elements.
   * @default the field's own
   */
  columns?: { readonly [Field in keyof T]?: string | readonly string[] };
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /** Whether a pattern may match nothing. @default false */
  allowEmptyMatch?: boolean;
  /**
   * Larger files are read in parts of this many bytes, by several workers: each has the row groups that begin in it.
   * @default a 16th of all files together, from 16 KiB to 64 MiB
   */
  splitBytes?: number;
}

const OPTIONS: OptionNames<ReadParquetOptions<unknown>> = {
  stores: true,
  schema: true,
  columns: true,
  allowEmptyMatch: true,
  splitBytes: true,
};

/**
 * The rows of all Parquet files that match, in no particular order, as the type `schema` declares them. Only its columns are
 * read, and of rows in them only its fields; each file must have them, in whatever order.
 *
 * Each value is checked, and nothing is converted silently: a column that a type does not fit is an error before a row is
 * read, and so is a number that does not fit when it comes. Whole numbers of 64 bits are `bigint64`, or `int64` as long as
 * a number holds them exactly; times, with a zone or without one (then UTC), are `microsInstant` or `millisInstant`.
 *
 * Needs the npm package `hyparquet`, 1.31.5 or newer, and for files compressed with zstd or lz4 `hyparquet-compressors`.
 *
 * @param patterns - as those of {@link readFromText}
 * @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` for options and types that cannot be
 * @throws `PACKAGE_NOT_FOUND` from the run, without these packages
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` from the run, as {@link readFromText} does
 * @throws `HEADER_MISMATCH` from the run, for a file that lacks a column or has it in another type, before a row is read
 * @throws `MALFORMED_DATA` from the run, for what is no whole Parquet file; `UNSUPPORTED` for one that is encrypted, or
 *   compressed as nothing here knows
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` from the run, with file, row and column, for a value that does not fit;
 *   with {@link ReadRecords.withBadRecords | withBadRecords()} it is an output
 *
 * @example
 * ```ts
 * const image = row({ label: int64, pixels: array(float32) });
 * root.apply(readFromParquet('images/*.parquet', { schema: image }));
 *
 * const wine = row({ id: string, features: typedArray('float32') });
 * const columns = { features: ['alcohol', 'pH', 'density'] };
 * root.apply(readFromParquet('wine.parquet', { schema: wine, columns }));
 * ```
 */
export function readFromParquet<T>(
  patterns: string | readonly string[],
  options: ReadParquetOptions<T>,
): ReadRecords<T> {
  const name = 'readFromParquet';
  const source = parquetSource<T>(name, options);
  return new ReadRecords<T>({ ...source, patterns: checkPatterns(name, patterns) });
}

/**
 * As {@link readFromParquet}, of the paths and patterns in a PCollection, such as {@link watchFiles} and `filesWritten` of a writer
 * give. Columns go by their names, so that files may have others beside them, in any order.
 *
 * @throws as `readFromParquet` does
 *
 * @example
 * ```ts
 * root.apply(watchFiles('inbox/*.parquet')).apply(readAllFromParquet({ schema: image }));
 * ```
 */
export function readAllFromParquet<T>(
  options: ReadParquetOptions<T>,
): ReadRecords<T, T, PCollection<string>> {
  return new ReadRecords<T, T, PCollection<string>>(
    parquetSource<T>('readAllFromParquet', options),
  );
}

function parquetSource<T>(name: string, options: ReadParquetOptions<T>): RecordSource<T> {
  checkOptionNames(name, options, OPTIONS);
  const { schema, allowEmptyMatch, splitBytes, stores } = options ?? {};
  // What is compressed in such a file is its pages, whatever it is called.
  const given = { schema, allowEmptyMatch, splitBytes, stores, compression: 'none' as const };
  const { find } = checkRecordOptions<T>(name, given as never);
  checkParquetType(schema, '');
  const names = checkNames(name, schema, options.columns);
  const format: ParquetFormat = { schema: schema as RowType<unknown>, names, stores };
  return {
    name,
    schema,
    cwd: process.cwd(),
    options: find,
    inspect: async (paths) => {
      await mapSome([...paths], (path) => inspectParquet(path, format));
    },
    read: (range, wanted) => readParquet<T>(range, format, wanted),
  };
}

function checkNames<T>(
  transform: string,
  schema: RowType<T>,
  columns: unknown,
): Readonly<Record<string, string | readonly string[]>> {
  if (columns === undefined) return Object.create(null);
  const hint =
    "Give names of columns by field: { columns: { beak: 'Beak Length (mm)', features: ['alcohol', 'pH'] } }.";
  if (typeof columns !== 'object' || columns === null)
    throw refuseOption(transform, 'columns', columns, hint);
  const types = new Map(schema.fields.map(({ name, type }) => [name, type]));
  for (const [field, column] of Object.entries(columns as Record<string, unknown>)) {
    const type = types.get(field);
    const refuse = (why: string) => refuseOption(transform, `columns.${field}`, column, why);
    if (!type) throw refuse(hint);
    if (typeof column === 'string') continue;
    if (!Array.isArray(column) || column.length === 0) throw refuse(namesHint(column, hint));
    if (column.some((name) => typeof name !== 'string')) throw refuse(hint);
    if (severalOf(type)) continue;
    throw refuse('Several columns are an array: declare it one, or give one column.');
  }
  return Object.assign(Object.create(null), columns);
}

/** Files may have their columns in any order, and what goes by it would be another array in each. */
function namesHint(column: unknown, hint: string): string {
  return column instanceof RegExp
    ? "List the names, since files may have them in any order: Array.from({ length: 64 }, (_, at) => 'pixel' + at)."
    : hint;
}
