// SPDX-License-Identifier: Apache-2.0
// Rows of Arrow files.

import { checkOptionNames, mapSome, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import type { ArrowFormat } from './arrow/file.ts';
import { inspectArrow, readArrow } from './arrow/read-range.ts';
import { checkParquetType } from './parquet/declared-type.ts';
import { checkRecordOptions, refuseOption } from './records/read-options.ts';
import { ReadRecords, type RecordSource } from './records/read-records.ts';
import type { StoreOptions } from './stores/options.ts';
import { checkPatterns } from './text/read-files.ts';

/** Options of {@link readFromArrow}. */
export interface ReadArrowOptions<T> {
  /** The type of the rows. */
  schema: RowType<T>;
  /** By field, the name of its column in the file. @default the field's own */
  columns?: { readonly [Field in keyof T]?: string };
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /** Whether a pattern may match nothing. @default false */
  allowEmptyMatch?: boolean;
  /**
   * Larger files are read in parts of this many bytes, by several workers: each has the record batches that begin in it.
   * Streams are read by one. @default a 16th of all files together, from 16 KiB to 64 MiB
   */
  splitBytes?: number;
}

const OPTIONS: OptionNames<ReadArrowOptions<unknown>> = {
  stores: true,
  schema: true,
  columns: true,
  allowEmptyMatch: true,
  splitBytes: true,
};

/**
 * The rows of all Arrow files that match, in no particular order, as the type `schema` declares them: files and streams of
 * Arrow's IPC format, and so Feather files of version 2. Each file must have the columns of its fields, in whatever order, and
 * may have others.
 *
 * Each value is checked, and nothing is converted silently: a column that a type does not fit is an error before a row is
 * read, and so is a number that does not fit when it comes. Whole numbers of 64 bits are `bigint64`, or `int64` as long as
 * a number holds them exactly; times and dates, with a zone or without one (then UTC), are `microsInstant` or `millisInstant`, and
 * one that is finer is an error. A dictionary is read as its values.
 *
 * Needs the npm package `apache-arrow` 21, and for buffers that are compressed with zstd `fzstd`.
 *
 * @param patterns - as those of {@link readFromText}
 * @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` for options and types that cannot be
 * @throws `PACKAGE_NOT_FOUND` from the run, without these packages
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` from the run, as {@link readFromText} does
 * @throws `HEADER_MISMATCH` from the run, for a file that lacks a column or has it in another type, before a row is read
 * @throws `MALFORMED_DATA` from the run, for what is no whole Arrow file; `UNSUPPORTED` for one that is big-endian, or of a
 *   kind that nothing here knows
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` from the run, with file, row and column, for a value that does not fit;
 *   with {@link ReadRecords.withBadRecords | withBadRecords()} it is an output
 *
 * @example
 * ```ts
 * const bird = row({ name: string, eggs: int64 });
 * root.apply(readFromArrow('birds/*.feather', { schema: bird }));
 * ```
 */
export function readFromArrow<T>(
  patterns: string | readonly string[],
  options: ReadArrowOptions<T>,
): ReadRecords<T> {
  const name = 'readFromArrow';
  const source = arrowSource<T>(name, options);
  return new ReadRecords<T>({ ...source, patterns: checkPatterns(name, patterns) });
}

/**
 * As {@link readFromArrow}, of the paths and patterns in a PCollection, such as {@link watchFiles} and `filesWritten` of a writer
 * give.
 *
 * @throws as `readFromArrow` does
 *
 * @example
 * ```ts
 * root.apply(watchFiles('inbox/*.arrow')).apply(readAllFromArrow({ schema: bird }));
 * ```
 */
export function readAllFromArrow<T>(
  options: ReadArrowOptions<T>,
): ReadRecords<T, T, PCollection<string>> {
  return new ReadRecords<T, T, PCollection<string>>(arrowSource<T>('readAllFromArrow', options));
}

function arrowSource<T>(name: string, options: ReadArrowOptions<T>): RecordSource<T> {
  checkOptionNames(name, options, OPTIONS);
  const { schema, allowEmptyMatch, splitBytes, stores } = options ?? {};
  // What is compressed in such a file is its buffers, whatever it is called.
  const given = { schema, allowEmptyMatch, splitBytes, stores, compression: 'none' as const };
  const { find } = checkRecordOptions<T>(name, given as never);
  checkParquetType(schema, '', false, 'Arrow files');
  const names = checkNames(name, schema, options.columns);
  const format: ArrowFormat = { schema: schema as RowType<unknown>, names, stores };
  return {
    name,
    schema,
    cwd: process.cwd(),
    options: find,
    inspect: async (paths) => {
      await mapSome([...paths], (path) => inspectArrow(path, format));
    },
    read: (range, wanted) => readArrow<T>(range, format, wanted),
  };
}

function checkNames<T>(
  transform: string,
  schema: RowType<T>,
  columns: unknown,
): Readonly<Record<string, string>> {
  if (columns === undefined) return {};
  const hint = "Give names of columns by field: { columns: { beak: 'Beak Length (mm)' } }.";
  if (typeof columns !== 'object' || columns === null)
    throw refuseOption(transform, 'columns', columns, hint);
  const fields = new Set(schema.fields.map(({ name }) => name));
  for (const [field, column] of Object.entries(columns)) {
    if (!fields.has(field) || typeof column !== 'string')
      throw refuseOption(transform, `columns.${field}`, column, hint);
  }
  return columns as Readonly<Record<string, string>>;
}
