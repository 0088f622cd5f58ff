// SPDX-License-Identifier: Apache-2.0
// Rows of CSV files.

import { checkOptionNames, mapSome, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import { type CsvColumns, CsvRows, checkSameHead, csvFields } from './csv/columns.ts';
import { checkDialect } from './csv/dialect.ts';
import { type CsvFormat, noHeader, readCsvRange, readHead } from './csv/read-range.ts';
import {
  checkRecordOptions,
  RECORD_OPTIONS,
  type ReadRecordOptions,
  refuseOption,
} from './records/read-options.ts';
import { ReadRecords, type RecordSource } from './records/read-records.ts';
import type { FileRange } from './text/find-files.ts';
import { checkPatterns } from './text/read-files.ts';
import { isUtf16 } from './text/utf16.ts';

/** Options of {@link readFromCsv}. */
export interface ReadCsvOptions<T> extends ReadRecordOptions<T> {
  /** Where fields are that are not the column of their own name; arrays always are of several columns. */
  columns?: { readonly [K in keyof T & string]?: CsvColumns };
  /**
   * Whether the first record is the columns' names. Without it fields are, one by one, the first columns.
   * @default true
   */
  header?: boolean;
  /** How many lines in front of the header, or the first record, are left out. @default 0 */
  skipHeaderLines?: number;
  /** What is between cells. @default `','` */
  delimiter?: string;
  /** The quote, which is doubled inside quotes; null where quotes are characters like others. @default `'"'` */
  quote?: string | null;
  /** The beginning of lines that are left out. @default none */
  comment?: string;
  /**
   * The texts that say that there is no value, for fields that are nullable. Texts in quotes are texts: `""` is an empty
   * string where the field is one. @default `['']`
   */
  nulls?: readonly string[];
  /**
   * Whether cells in quotes may hold newlines. With `false` large files are read in parts, by several workers, and a cell
   * that does is an error; otherwise each file is read as one, since a newline says nothing of where a record ends.
   * @default true, and false where `quote` is null
   */
  quotedNewlines?: boolean;
}

const OPTIONS: OptionNames<ReadCsvOptions<unknown>> = {
  ...RECORD_OPTIONS,
  columns: true,
  header: true,
  skipHeaderLines: true,
  delimiter: true,
  quote: true,
  comment: true,
  nulls: true,
  quotedNewlines: true,
};

/**
 * The rows of all CSV files that match, in no particular order, as the type `schema` declares them: RFC 4180 with a
 * header, unless options say otherwise. Columns that the schema does not name are left out, and so are blank lines.
 *
 * Each cell is checked and converted: whole numbers (`5.0` is 5), numbers (`nan` and `inf` too), `true` and `false` in any
 * case, decimals with all their digits, texts, enumerations, times of ISO 8601 (in UTC where they have no offset). Nothing
 * is guessed: see {@link inferCsvType} for a type to begin with. All files have the same columns.
 *
 * @param patterns - as those of {@link readFromText}
 * @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` for options and types that cannot be
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` from the run, as {@link readFromText} does
 * @throws `HEADER_MISMATCH` from the run, before a row is read, for a file that lacks a column or has one twice, and one
 *   that has other columns than the first
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` from the run, with file, line and column, for a record that does not fit;
 *   with {@link ReadRecords.withBadRecords | withBadRecords()} it is an output
 * @throws `MALFORMED_DATA` from the run, for bytes of another encoding, quotes that are not closed, and longer records
 *   than `maxRecordBytes`
 *
 * @example
 * ```ts
 * const bird = row({ species: string, 'Beak Length (mm)': nullable(float64) });
 * root.apply(readFromCsv('birds/*.csv', { schema: bird, nulls: ['', 'NA'] }));
 *
 * const digit = row({ label: int64, pixels: typedArray('float32') });
 * root.apply(readFromCsv('digits.csv', { schema: digit, columns: { pixels: /^pixel/ } }));
 * ```
 */
export function readFromCsv<T>(
  patterns: string | readonly string[],
  options: ReadCsvOptions<T>,
): ReadRecords<T> {
  const name = 'readFromCsv';
  const checked = checkPatterns(name, patterns);
  return new ReadRecords({ ...csvSource<T>(name, options), patterns: checked });
}

/**
 * As {@link readFromCsv}, of the paths and patterns in a PCollection, such as {@link watchFiles} gives. The files of one
 * pattern have the same columns; those of another may have others, in any order. So an array is of columns that are named
 * one by one, and no field of a file with a header goes by its place.
 *
 * @throws as `readFromCsv` does
 *
 * @example
 * ```ts
 * root.apply(watchFiles('inbox/*.csv')).apply(readAllFromCsv({ schema: bird }));
 * ```
 */
export function readAllFromCsv<T>(
  options: ReadCsvOptions<T>,
): ReadRecords<T, T, PCollection<string>> {
  const name = 'readAllFromCsv';
  const source = csvSource<T>(name, options);
  for (const [field, columns] of Object.entries(options.columns ?? {})) {
    if (columns !== undefined)
      checkFixed(name, field, columns as CsvColumns, options.header ?? true);
  }
  return new ReadRecords<T, T, PCollection<string>>(source);
}

/**
 * Files that come one by one cannot be compared with each other: what goes by the order of a file's columns would be
 * another thing in a file of another order, in silence.
 */
function checkFixed(name: string, field: string, columns: CsvColumns, hasHeader: boolean): void {
  const parts = Array.isArray(columns) ? (columns as readonly unknown[]) : [columns];
  const isFixed = parts.every((part) => {
    if (hasHeader) return typeof part === 'string';
    return typeof part === 'number' || (part as { to?: unknown }).to !== undefined;
  });
  if (isFixed) return;
  throw refuseOption(
    name,
    `columns.${field}`,
    columns,
    hasHeader
      ? "Name each of its columns: ['pixel0', 'pixel1', …], as Array.from makes them. Only readFromCsv can see that all files have the same."
      : 'Say where it ends: { from: 1, to: 785 }. Only readFromCsv can see that all files are as wide.',
  );
}

function csvSource<T>(name: string, options: ReadCsvOptions<T>): RecordSource<T> {
  checkOptionNames(name, options, OPTIONS);
  const { schema, find, encoding, maxRecordBytes } = checkRecordOptions<T>(name, options);
  const { header = true, skipHeaderLines = 0, columns = {}, nulls = [''] } = options;
  const dialect = checkDialect(name, options);
  const { quotedNewlines = dialect.quote !== null } = options;
  for (const [option, value] of Object.entries({ header, quotedNewlines })) {
    if (typeof value !== 'boolean') throw refuseOption(name, option, value, 'Give true or false.');
  }
  if (!Number.isSafeInteger(skipHeaderLines) || skipHeaderLines < 0) {
    const hint = 'Give a whole number of lines, 0 or more.';
    throw refuseOption(name, 'skipHeaderLines', skipHeaderLines, hint);
  }
  if (!Array.isArray(nulls) || nulls.some((text) => typeof text !== 'string')) {
    throw refuseOption(name, 'nulls', nulls, "Give a list of texts, such as ['', 'NA'].");
  }
  if (typeof columns !== 'object' || columns === null || Array.isArray(columns)) {
    const hint = "Give an object of the schema's fields, such as { pixels: /^pixel/ }.";
    throw refuseOption(name, 'columns', columns, hint);
  }
  const fields = csvFields(schema, columns as Record<string, CsvColumns>, header, new Set(nulls));
  const format: CsvFormat = {
    fields,
    dialect,
    hasHeader: header,
    skipHeaderLines,
    encoding,
    quotedNewlines,
    // What ranges are cut at is a byte 10, which inside quotes, and in UTF-16, is no record's end.
    isSplit: !quotedNewlines && !isUtf16(encoding),
    maxRecordBytes,
  };
  return {
    name,
    schema,
    cwd: process.cwd(),
    options: format.isSplit ? find : { ...find, splitBytes: Infinity },
    inspect: (paths, ranges) => checkHeads(paths, ranges, format),
    read: (range, wanted) => readCsvRange<T>(range, format, wanted),
  };
}

/** Compares what all files say of their columns, before a row of any is read. */
async function checkHeads(
  paths: readonly string[],
  ranges: readonly FileRange[],
  format: CsvFormat,
): Promise<void> {
  const begins = ranges.filter(({ start }) => start === 0);
  if (format.hasHeader && begins.length < paths.length) {
    const found = new Set(begins.map(({ path }) => path));
    throw noHeader(paths.find((path) => !found.has(path))!);
  }
  const [first, ...others] = begins;
  if (!first) return;
  const head = await readHead(first, format);
  if (format.hasHeader && !head) throw noHeader(first.path);
  if (head) new CsvRows(format, head, first.path);
  await mapSome(others, async (range) => {
    const other = await readHead(range, format);
    if (format.hasHeader && !other) throw noHeader(range.path);
    if (head && other) checkSameHead(first.path, head, range.path, other);
  });
}
