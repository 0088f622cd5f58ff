// SPDX-License-Identifier: Apache-2.0
// Records of files of JSON.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import { readJsonArray, readJsonLines } from './json/read-range.ts';
import { jsonReader, needsDigits } from './json/values.ts';
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

/** Options of {@link readFromJson}. */
export interface ReadJsonOptions<T> extends ReadRecordOptions<T> {
  /**
   * Whether each line is a record; else each file is one array of them, which is read as one, and no more of it at once
   * than a record. @default true
   */
  lines?: boolean;
  /**
   * Whether fields that the schema does not have are left out. Without it one is an error: it may be a field that the
   * schema has by another name. @default false
   */
  ignoreUnknownFields?: boolean;
}

const OPTIONS: OptionNames<ReadJsonOptions<unknown>> = {
  ...RECORD_OPTIONS,
  lines: true,
  ignoreUnknownFields: true,
};

/**
 * The records of all files of JSON that match, in no particular order, as the type `schema` declares them: one in each
 * line, or with `lines: false` one array in each file. Blank lines are left out.
 *
 * Each value is checked, and nothing is converted silently: whole numbers of 64 bits and decimals keep all their digits, and may
 * be strings; times are strings of ISO 8601 (in UTC where they have no offset), bytes strings of base64, `"NaN"`, `"Infinity"`
 * and `"-Infinity"` the numbers that JSON lacks. A nullable field may be missing.
 *
 * @param patterns - as those of {@link readFromText}
 * @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` for options and types that cannot be
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` from the run, as {@link readFromText} does
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE`, `MALFORMED_DATA` from the run, with file, line and field, for a record that
 *   does not fit or is no JSON; with {@link ReadRecords.withBadRecords | withBadRecords()} it is an output
 * @throws `MALFORMED_DATA` from the run, for bytes of another encoding, longer records than `maxRecordBytes`, and a
 *   file that is not the one array that it should be
 *
 * @example
 * ```ts
 * const order = row({ id: bigint64, items: array(row({ name: string, price: decimal })) });
 * root.apply(readFromJson('orders/*.jsonl.gz', { schema: order }));
 * ```
 */
export function readFromJson<T>(
  patterns: string | readonly string[],
  options: ReadJsonOptions<T>,
): ReadRecords<T> {
  const name = 'readFromJson';
  const checked = checkPatterns(name, patterns);
  return new ReadRecords({ ...jsonSource<T>(name, options), patterns: checked });
}

/**
 * As {@link readFromJson}, of the paths and patterns in a PCollection, such as {@link watchFiles} gives.
 *
 * @throws as `readFromJson` does
 *
 * @example
 * ```ts
 * root.apply(watchFiles('inbox/*.jsonl')).apply(readAllFromJson({ schema: order }));
 * ```
 */
export function readAllFromJson<T>(
  options: ReadJsonOptions<T>,
): ReadRecords<T, T, PCollection<string>> {
  return new ReadRecords<T, T, PCollection<string>>(jsonSource<T>('readAllFromJson', options));
}

function jsonSource<T>(name: string, options: ReadJsonOptions<T>): RecordSource<T> {
  checkOptionNames(name, options, OPTIONS);
  const { schema, find, encoding, maxRecordBytes } = checkRecordOptions<T>(name, options);
  const { lines = true, ignoreUnknownFields = false } = options;
  for (const [option, value] of Object.entries({ lines, ignoreUnknownFields })) {
    if (typeof value !== 'boolean') throw refuseOption(name, option, value, 'Give true or false.');
  }
  const read = jsonReader(schema, '', { ignoreUnknownFields });
  const format = { read, isExact: needsDigits(schema), encoding, maxRecordBytes };
  const isWhole = !lines || isUtf16(encoding);
  const readRange = lines ? readJsonLines : readJsonArray;
  return {
    name,
    schema,
    cwd: process.cwd(),
    options: isWhole ? { ...find, splitBytes: Infinity } : find,
    inspect: async (paths, ranges) => {
      if (!lines) refuseEmpty(paths, ranges);
    },
    read: (range, wanted) => readRange<T>(range, format, wanted),
  };
}

/** A file without a byte has no ranges, and is no array. */
function refuseEmpty(paths: readonly string[], ranges: readonly FileRange[]): void {
  const found = new Set(ranges.map(({ path }) => path));
  const empty = paths.find((path) => !found.has(path));
  if (empty === undefined) return;
  throw new BeamBridgeError('MALFORMED_DATA', `${empty} is empty, and should be an array`, {
    hint: 'An array without records is [].',
  });
}
