// SPDX-License-Identifier: Apache-2.0
// Records to files of JSON.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import { jsonText } from './json/lines.ts';
import { refuseOption } from './records/read-options.ts';
import { checkedRender, typedRows } from './records/write-type.ts';
import { textFormat } from './text/text-format.ts';
import { WriteFiles, type WrittenFiles } from './text/write-files.ts';
import { checkOutput, WRITE_OPTIONS, type WriteFilesOptions } from './text/write-options.ts';

/** Options of {@link writeToJson}. */
export interface WriteJsonOptions<T> extends WriteFilesOptions<T> {
  /** The type of the rows, each of which is then checked. @default what their PCollection is declared to hold */
  schema?: RowType<T>;
  /** Whether each line is a record; else each file is one array of them. @default true */
  lines?: boolean;
}

const OPTIONS: OptionNames<WriteJsonOptions<unknown>> = {
  ...WRITE_OPTIONS,
  schema: true,
  lines: true,
};

/** One array, with a row in each line all the same. */
const ARRAY = { header: '[', footer: ']\n', separator: ',\n' };
const LINES = { header: '', footer: '', lineEnd: '\n' };

/**
 * Writes rows to files of JSON: one in each line of `PREFIX-00000-of-0000N.jsonl`, or with `lines: false` one array in each
 * `PREFIX-00000-of-0000N.json`. {@link readFromJson} with the same type reads the same rows: whole numbers of 64 bits have all
 * their digits, decimals are strings, times strings of ISO 8601 in UTC, bytes strings of base64, and the numbers that JSON
 * lacks are `"NaN"`, `"Infinity"` and `"-Infinity"`. Files appear as those of {@link writeToText} do; without rows there is one
 * that is empty, or holds `[]`.
 *
 * @param prefix - folder and beginning of the files' names; missing folders are made
 * @throws `INVALID_ARGUMENT` where nothing says what the rows are, and for options that cannot be
 * @throws `INVALID_SCHEMA` for a type that JSON has no values for
 * @throws `ROW_MISMATCH` from the run, for a row that is none of the type
 * @throws `OUTPUT_NOT_WRITABLE`, `UNSUPPORTED` as {@link writeToText} does
 *
 * @example
 * ```ts
 * images.apply(RunInference.of(model)).apply(writeToJson('out/predictions'));
 * // By key and window: out/country=de/part-20260101T000000Z-20260102T000000Z-00000-of-00001.jsonl
 * birds
 *   .apply(windowInto(fixedWindows(86_400)))
 *   .apply(writeToJson('out/', { schema: bird, windowed: true, destination: (b) => `country=${b.country}/part` }));
 * ```
 */
export function writeToJson<T>(
  prefix: string,
  options: WriteJsonOptions<T> = {},
): (rows: PCollection<T>) => WrittenFiles {
  const name = 'writeToJson';
  checkOptionNames(name, options, OPTIONS);
  const { schema, lines = true } = options;
  if (typeof lines !== 'boolean') throw refuseOption(name, 'lines', lines, 'Give true or false.');
  const { fileNameSuffix = lines ? '.jsonl' : '.json' } = options;
  const format = (gzip: boolean) => textFormat(lines ? LINES : ARRAY, gzip);
  const output = checkOutput(name, prefix, { ...options, fileNameSuffix }, format);
  const write = (input: PCollection<T>) => {
    const typed = typedRows(name, input, schema);
    const render = checkedRender<T>(typed.schema, jsonText(typed.schema, ''));
    const sink = new WriteFiles(name, output, render);
    return sink.expandInternal(typed.rows, input.pipeline);
  };
  return Object.defineProperty(write, 'name', { value: name });
}
