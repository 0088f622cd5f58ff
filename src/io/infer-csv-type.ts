// SPDX-License-Identifier: Apache-2.0
// A type for a CSV file, to begin with: what a sample looks like, as the text of a program. Reading itself never guesses.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import { row, string } from '../schema/index.ts';
import { checkDialect } from './csv/dialect.ts';
import { inferredText } from './csv/infer.ts';
import { noHeader, sampleOf } from './csv/read-range.ts';
import type { ReadCsvOptions } from './read-from-csv.ts';
import { checkRecordOptions, refuseOption } from './records/read-options.ts';
import { rangesOfAll } from './text/find-files.ts';
import { checkPattern, findFiles } from './text/patterns.ts';

/** Options of {@link inferCsvType}: how the file is written, as {@link readFromCsv} is told. */
export interface InferCsvOptions
  extends Pick<
    ReadCsvOptions<unknown>,
    | 'stores'
    | 'compression'
    | 'encoding'
    | 'header'
    | 'skipHeaderLines'
    | 'delimiter'
    | 'quote'
    | 'comment'
    | 'nulls'
    | 'maxRecordBytes'
  > {
  /** How many records are looked at, from the beginning of the file. @default 1000 */
  sampleRecords?: number;
}

const OPTIONS: OptionNames<InferCsvOptions> = {
  stores: true,
  compression: true,
  encoding: true,
  header: true,
  skipHeaderLines: true,
  delimiter: true,
  quote: true,
  comment: true,
  nulls: true,
  maxRecordBytes: true,
  sampleRecords: true,
};

/**
 * The text of a row type for a CSV file, to be looked at, corrected and pasted into a program: a field for each column, of the
 * narrowest type that all of a sample's cells have, nullable where one is missing. Eight or more columns of
 * one name and a number, such as `pixel0` to `pixel783`, become an array.
 *
 * It is a guess: what comes behind the sample may be of another type, and a column that looks like whole numbers may be one of names.
 * Texts with zeros in front, such as `007`, are strings.
 *
 * @param pattern - a file, or a pattern of which the first file is taken
 * @throws `FILE_NOT_FOUND`, `HEADER_MISMATCH`, `MALFORMED_DATA` as {@link readFromCsv} does
 *
 * @example
 * ```ts
 * console.log(await inferCsvType('birds.csv', { nulls: ['', 'NA'] }));
 * // import { float64, nullable, row, string } from 'beambridge/schema';
 * //
 * // const record = row({
 * //   species: string,
 * //   'Beak Length (mm)': nullable(float64),
 * // });
 * ```
 */
export async function inferCsvType(
  pattern: string,
  options: InferCsvOptions = {},
): Promise<string> {
  const name = 'inferCsvType';
  checkOptionNames(name, options, OPTIONS);
  const { header = true, skipHeaderLines = 0, nulls = [''], sampleRecords = 1000 } = options;
  if (!Number.isSafeInteger(sampleRecords) || sampleRecords < 1) {
    throw refuseOption(name, 'sampleRecords', sampleRecords, 'Give a whole number, 1 or more.');
  }
  const { stores, compression, encoding: given, maxRecordBytes: longest } = options;
  const { find, encoding, maxRecordBytes } = checkRecordOptions(name, {
    schema: row({ any: string }),
    ...(stores && { stores }),
    ...(compression && { compression }),
    ...(given && { encoding: given }),
    ...(longest && { maxRecordBytes: longest }),
  });
  const [path] = await findFiles(checkPattern(pattern, stores), process.cwd(), false, stores);
  const [range] = await rangesOfAll([path!], { ...find, splitBytes: Infinity });
  if (!range) throw noHeader(path!);
  const { head, sample } = await sampleOf(
    range,
    {
      fields: [],
      dialect: checkDialect(name, options),
      hasHeader: header,
      skipHeaderLines,
      encoding,
      quotedNewlines: true,
      isSplit: false,
      maxRecordBytes,
    },
    sampleRecords,
  );
  if (!head) throw noHeader(path!);
  return inferredText(head, sample, new Set(nulls));
}
