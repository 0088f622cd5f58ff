// SPDX-License-Identifier: Apache-2.0
// Lines to text files.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { describeValue } from '../coders/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import { textFormat } from './text/text-format.ts';
import { WriteFiles, type WrittenFiles } from './text/write-files.ts';
import { checkOutput, WRITE_OPTIONS, type WriteFilesOptions } from './text/write-options.ts';

/** Options of {@link writeToText}. */
export interface WriteTextOptions extends WriteFilesOptions<string> {
  /** First line of each file. @default none */
  header?: string;
  /** Last line of each file. @default none */
  footer?: string;
  /** Whether each element ends with a newline. @default true */
  appendTrailingNewlines?: boolean;
}

const OPTIONS: OptionNames<WriteTextOptions> = {
  ...WRITE_OPTIONS,
  header: true,
  footer: true,
  appendTrailingNewlines: true,
};

/** What {@link writeToText} gives. */
export type WrittenText = WrittenFiles;

/**
 * Writes each element as a line of files `PREFIX-00000-of-0000N`.
 *
 * The files are written in a hidden folder beside the output. All outputs of a pipeline are renamed
 * together when the run has succeeded: a run that fails leaves none, and replaces none. Only a process
 * that is killed while it renames leaves new shards among old ones. Where a further step reads
 * `filesWritten`, or the pipeline has an unbounded PCollection too, an output is renamed as soon as it is whole. Each pane of an
 * unbounded PCollection becomes files of its own, with `windowed: true`. An empty PCollection gives one file without lines. Files of the same names
 * are replaced; those of an earlier run with another number of shards stay, with a warning.
 *
 * @param prefix - folder and beginning of the files' names; missing folders are made
 * @throws `OUTPUT_NOT_WRITABLE` when the pipeline is built, or from the run
 * @throws `INVALID_ARGUMENT` when another output of the pipeline has files of the same names
 * @throws `CODER_MISMATCH` from the run, for an element that is no string, or holds half a surrogate pair
 * @throws `UNSUPPORTED` for an unbounded PCollection without `windowed`, and a prefix of a store that is not known
 * @throws `INVALID_ARGUMENT` from the run, for a destination that is no name below the prefix, and files of one name
 *
 * @example
 * ```ts
 * scores.map((s) => `${s.id},${s.score}`).apply(writeToText('out/scores', { fileNameSuffix: '.csv' }));
 * // By key: out/level=warn/part-00000-of-00001
 * lines.apply(writeToText('out/', { destination: (line) => `level=${line.split(' ')[0]}/part` }));
 * // A stream, by window: out/lines-20260101T100000Z-20260101T110000Z-00000-of-00001
 * lines.apply(windowInto(fixedWindows(3600))).apply(writeToText('out/lines', { windowed: true }));
 * ```
 */
export function writeToText(
  prefix: string,
  options: WriteTextOptions = {},
): (lines: PCollection<string>) => WrittenText {
  checkOptionNames('writeToText', options, OPTIONS);
  const { header, footer, appendTrailingNewlines = true } = options;
  const frame = {
    header: header === undefined ? '' : `${header}\n`,
    footer: footer === undefined ? '' : `${footer}\n`,
    lineEnd: appendTrailingNewlines ? '\n' : '',
  };
  const format = (gzip: boolean) => textFormat(frame, gzip);
  const output = checkOutput('writeToText', prefix, options, format);
  const sink = new WriteFiles('writeToText', output, asLine);
  // A function, since the compiler takes a class of texts for one of texts that may be null as well.
  const write = (lines: PCollection<string>) => sink.expandInternal(lines, lines.pipeline);
  return Object.defineProperty(write, 'name', { value: 'writeToText' });
}

function asLine(line: string): string {
  if (typeof line === 'string') return line;
  throw new BeamBridgeError('CODER_MISMATCH', `writeToText was given ${describeValue(line)}`, {
    hint: 'Map the elements to text first: .map(String), or .map((x) => JSON.stringify(x)).',
  });
}
