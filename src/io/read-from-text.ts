// SPDX-License-Identifier: Apache-2.0
// Lines of text files.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { type Coder, type KV, KVCoder, StrUtf8Coder } from '../coders/index.ts';
import {
  type PCollection,
  type Pipeline,
  PTransformClass,
  type Root,
  type TransformNode,
} from '../pipeline/index.ts';
import { flatMapStep, reshuffle } from '../transforms/index.ts';
import { checkStores, type StoreOptions } from './stores/options.ts';
import { type Compression, checkCompression } from './text/compression.ts';
import { type FileRange, rangesOfAll } from './text/find-files.ts';
import type { TextEncoding } from './text/line-splitter.ts';
import { checkPattern, findFiles } from './text/patterns.ts';
import { checkPatterns, type FileSource, rangesOfFiles } from './text/read-files.ts';
import { readLines } from './text/read-lines.ts';

/** Options of {@link readFromText}. */
export interface ReadTextOptions {
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /** @default `'auto'`: by the end of a file's name, `.gz`, `.bz2`, `.zst` or `.deflate` */
  compression?: Compression;
  /** How many lines at the beginning of each file are left out. @default 0 */
  skipHeaderLines?: number;
  /** @default `'utf8'`; a byte order mark is left out */
  encoding?: TextEncoding;
  /** Whether a pattern may match nothing. @default false */
  allowEmptyMatch?: boolean;
  /**
   * Larger files are read in parts of this many bytes, by several workers. @default a 16th of all files
   * together, from 16 KiB to 64 MiB
   */
  splitBytes?: number;
}

/** Options of {@link readAllFromText}. */
export interface ReadAllTextOptions extends ReadTextOptions {
  /** Whether each line comes with its file, as `{ key: path, value: line }`. @default false */
  withFilename?: boolean;
}

type Settled = Required<Omit<ReadTextOptions, 'splitBytes' | 'stores'>> & {
  splitBytes: number | undefined;
  stores: StoreOptions | undefined;
};
type Lines = PCollection<string>;
/** The path of a file and a line of it. */
type LinesOfFiles = PCollection<KV<string, string>>;

/**
 * The lines of all files that match, without their ends (`\n` or `\r\n`), in no particular order.
 *
 * Patterns are looked at when the pipeline runs, for an earlier one may make the files. Relative
 * ones mean the folder that the program was in when it built the pipeline. A file whose path is
 * given literally is read even if the path looks like a pattern. A file that is shortened, replaced or
 * written to while it is read ends the run: its lines would be of two versions.
 *
 * @param patterns - paths and patterns (`*`, `**`, `?`, `[…]`, `{a,b}`). From `**` on no linked folder is
 *   entered; a file that a pattern reaches by several names is read once
 * @throws `FILE_NOT_FOUND` from the run, when a pattern matches no file
 * @throws `MALFORMED_DATA` from the run, for text that is not UTF-8 and compressed files that are cut
 * @throws `PACKAGE_NOT_FOUND` from the run, for bzip2 without the package `seek-bzip`, and zstd without `fzstd`
 * @throws `IO_FAILED` from the run, for a file that is changed meanwhile
 *
 * @example
 * ```ts
 * root.apply(readFromText('logs/*.csv.gz', { skipHeaderLines: 1 }));
 * ```
 */
export function readFromText(
  patterns: string | readonly string[],
  options: ReadTextOptions = {},
): PTransformClass<Root, PCollection<string>> {
  const name = 'readFromText';
  return new ReadFiles(name, checkPatterns(name, patterns), checkOptions(name, options), linesOf);
}

/**
 * As {@link readFromText}, each line with the file that it is of: `{ key: path, value: line }`. Paths are
 * absolute.
 *
 * @throws as `readFromText` does
 *
 * @example
 * ```ts
 * root
 *   .apply(readFromTextWithFilename('logs/*.log'))
 *   .map(({ key, value }) => `${basename(key)}: ${value}`);
 * ```
 */
export function readFromTextWithFilename(
  patterns: string | readonly string[],
  options: ReadTextOptions = {},
): PTransformClass<Root, PCollection<KV<string, string>>> {
  const name = 'readFromTextWithFilename';
  const settled = checkOptions(name, options);
  return new ReadFiles(name, checkPatterns(name, patterns), settled, linesOfFiles);
}

/** How ranges of files become elements. */
type Read<O> = (ranges: PCollection<FileRange>, options: Settled) => PCollection<O>;

class ReadFiles<O> extends PTransformClass<Root, PCollection<O>> {
  private readonly source: FileSource;

  constructor(
    name: string,
    patterns: readonly string[],
    private readonly options: Settled,
    private readonly read: Read<O>,
  ) {
    super(name);
    this.source = { patterns, cwd: process.cwd(), options };
  }

  override expandInternal(root: Root, pipeline: Pipeline, node: TransformNode): PCollection<O> {
    return this.read(rangesOfFiles(this.source, root, pipeline, node), this.options);
  }
}

/**
 * As {@link readFromText}, of the paths and patterns in a PCollection.
 *
 * @throws `FILE_NOT_FOUND` from the run, when a pattern matches no file
 */
export function readAllFromText(
  options: ReadAllTextOptions & { withFilename: true },
): PTransformClass<Lines, LinesOfFiles>;
export function readAllFromText(
  options?: ReadAllTextOptions & { withFilename?: false },
): PTransformClass<Lines, Lines>;
export function readAllFromText(
  given: ReadAllTextOptions = {},
): PTransformClass<Lines, Lines> | PTransformClass<Lines, LinesOfFiles> {
  checkOptionNames('readAllFromText', given, { ...OPTIONS, withFilename: true });
  const { withFilename = false, ...options } = given;
  const settled = checkOptions('readAllFromText', options);
  if (typeof withFilename !== 'boolean') {
    throw invalid('readAllFromText', 'withFilename', withFilename, 'Give true or false.');
  }
  return withFilename ? new ReadAll(settled, linesOfFiles) : new ReadAll(settled, linesOf);
}

class ReadAll<O> extends PTransformClass<Lines, PCollection<O>> {
  private readonly cwd = process.cwd();

  constructor(
    private readonly options: Settled,
    private readonly read: Read<O>,
  ) {
    super('readAllFromText');
  }

  override expand(patterns: Lines): PCollection<O> {
    const { cwd, options } = this;
    const ranges = patterns.flatMap(async function* findRanges(pattern) {
      const paths = await findFiles(
        checkPattern(pattern, options.stores),
        cwd,
        options.allowEmptyMatch,
        options.stores,
      );
      yield* await rangesOfAll(paths, options);
    });
    return this.read(ranges, options);
  }
}

const text = new StrUtf8Coder();

function linesOf(ranges: PCollection<FileRange>, options: Settled): Lines {
  return (
    ranges
      .apply(reshuffle())
      .flatMap((range) => readLines(range, options))
      // A step of its own, fused with the one before, so that lines are not awaited one by one.
      .apply(flatMapStep('lines', (lines: string[]) => lines, text))
  );
}

function linesOfFiles(ranges: PCollection<FileRange>, options: Settled): LinesOfFiles {
  const withPath = (key: string, lines: string[]) => lines.map((value) => ({ key, value }));
  return ranges
    .apply(reshuffle())
    .flatMap(async function* readLinesOfFile(range) {
      for await (const lines of readLines(range, options)) yield withPath(range.path, lines);
    })
    .apply(
      flatMapStep(
        'lines',
        (lines: KV<string, string>[]) => lines,
        new KVCoder(text, text) as Coder<KV<string, string>>,
      ),
    );
}

const OPTIONS: OptionNames<ReadTextOptions> = {
  stores: true,
  compression: true,
  skipHeaderLines: true,
  encoding: true,
  allowEmptyMatch: true,
  splitBytes: true,
};

function checkOptions(transform: string, options: ReadTextOptions): Settled {
  checkOptionNames(transform, options, OPTIONS);
  const {
    compression = 'auto',
    skipHeaderLines = 0,
    encoding = 'utf8',
    allowEmptyMatch = false,
    splitBytes,
    stores,
  } = options;
  checkStores(transform, stores);
  checkCompression(compression);
  if (!Number.isSafeInteger(skipHeaderLines) || skipHeaderLines < 0) {
    throw invalid(
      transform,
      'skipHeaderLines',
      skipHeaderLines,
      'Give a whole number of lines, 0 or more.',
    );
  }
  if (splitBytes !== undefined && (!Number.isSafeInteger(splitBytes) || splitBytes < 1)) {
    throw invalid(transform, 'splitBytes', splitBytes, 'Give a whole number of bytes, 1 or more.');
  }
  if (encoding !== 'utf8' && encoding !== 'latin1') {
    throw invalid(transform, 'encoding', encoding, "Choose 'utf8' or 'latin1'.");
  }
  return { compression, skipHeaderLines, encoding, allowEmptyMatch, splitBytes, stores };
}

function invalid(transform: string, option: string, given: unknown, hint: string): BeamBridgeError {
  const message = `${transform}: ${option} is ${String(given)}`;
  return new BeamBridgeError('INVALID_ARGUMENT', message, { hint });
}
