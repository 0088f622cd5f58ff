// SPDX-License-Identifier: Apache-2.0
// Rows to CSV files.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import { checkDialect, type Dialect } from './csv/dialect.ts';
import { csvLines } from './csv/lines.ts';
import { checkRowType, refuseOption } from './records/read-options.ts';
import { rowsToWrite } from './records/write-type.ts';
import { textFormat } from './text/text-format.ts';
import { WriteFiles, type WrittenFiles } from './text/write-files.ts';
import { checkOutput, WRITE_OPTIONS, type WriteFilesOptions } from './text/write-options.ts';

/** Options of {@link writeToCsv}. */
export interface WriteCsvOptions<T> extends WriteFilesOptions<T> {
  /** The type of the rows, each of which is then checked. @default what their PCollection is declared to hold */
  schema?: RowType<T>;
  /** Whether each file begins with the fields' names. @default true */
  header?: boolean;
  /** What is between cells. @default `','` */
  delimiter?: string;
  /** What is around cells that need it. @default `'"'` */
  quote?: string;
  /** What a missing value is. A text that says the same is in quotes. @default `''` */
  nullText?: string;
}

const OPTIONS: OptionNames<WriteCsvOptions<unknown>> = {
  ...WRITE_OPTIONS,
  schema: true,
  header: true,
  delimiter: true,
  quote: true,
  nullText: true,
};

/**
 * Writes rows to CSV files `PREFIX-00000-of-0000N.csv`: a column for each field, in UTF-8, lines that end with `\n`, quotes where
 * a cell needs them. {@link readFromCsv} with the same type reads the same rows: numbers have the shortest digits that are
 * the same number again, times are of ISO 8601 in UTC. Files appear as those of {@link writeToText} do; without
 * rows there is one with the header alone.
 *
 * @param prefix - folder and beginning of the files' names; missing folders are made
 * @throws `INVALID_ARGUMENT` where nothing says what the rows are, and for options that cannot be
 * @throws `INVALID_SCHEMA` for a field that no cell can hold: an array, a row, bytes
 * @throws `ROW_MISMATCH` from the run, for a row that is none of the type
 * @throws `OUTPUT_NOT_WRITABLE`, `UNSUPPORTED` as {@link writeToText} does
 *
 * @example
 * ```ts
 * scores
 *   .map(({ key, value }) => ({ id: key, score: value.inference }))
 *   .apply(writeToCsv('out/scores', { schema: row({ id: string, score: float64 }) }));
 * // By key and window: out/country=de/part-20260101T000000Z-20260102T000000Z-00000-of-00001.csv
 * birds
 *   .apply(windowInto(fixedWindows(86_400)))
 *   .apply(writeToCsv('out/', { schema: bird, windowed: true, destination: (b) => `country=${b.country}/part` }));
 * ```
 */
export function writeToCsv<T>(
  prefix: string,
  options: WriteCsvOptions<T> = {},
): (rows: PCollection<T>) => WrittenFiles {
  const name = 'writeToCsv';
  checkOptionNames(name, options, OPTIONS);
  const { schema, header = true, nullText = '', fileNameSuffix = '.csv' } = options;
  const dialect = checkDialect(name, options);
  if (dialect.quote === null) {
    throw refuseOption(name, 'quote', null, 'A cell that holds a delimiter needs one.');
  }
  if (typeof header !== 'boolean') {
    const hint = "Give true or false; the fields' names are the header.";
    throw refuseOption(name, 'header', header, hint);
  }
  if (typeof nullText !== 'string') throw refuseOption(name, 'nullText', nullText, 'Give a text.');
  const settled = { ...options, fileNameSuffix };
  // What can be told without the rows is told here.
  const framed = (text: string) => (gzip: boolean) =>
    textFormat({ header: text, footer: '', lineEnd: '\n' }, gzip);
  checkOutput(name, prefix, settled, framed(''));
  const write = (input: PCollection<T>) => {
    if (schema !== undefined) checkRowType(name, schema);
    const typed = rowsToWrite(name, input, schema);
    const type = typed.schema;
    const lines = csvLines(type, dialect as Dialect & { quote: string }, nullText);
    const format = framed(header ? `${lines.header}\n` : '');
    const output = checkOutput(name, prefix, settled, format);
    const line = (row: T) => lines.line(row);
    const render = typed.rendered(line);
    return new WriteFiles(name, output, render).expandInternal(typed.rows, input.pipeline);
  };
  return Object.defineProperty(write, 'name', { value: name });
}
