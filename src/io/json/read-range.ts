// SPDX-License-Identifier: Apache-2.0
// The records of a range of a file of JSON: one in each line, or all of them in one array.

import { isUtf8 } from 'node:buffer';
import { BeamBridgeError } from '../../base/index.ts';
import { Misfit } from '../records/misfit.ts';
import type { RecordOptions } from '../records/read-records.ts';
import type { Batch } from '../records/records.ts';
import { linesBefore } from '../text/count-lines.ts';
import type { FileRange } from '../text/find-files.ts';
import type { TextEncoding } from '../text/line-splitter.ts';
import { readLines, readPieces } from '../text/read-lines.ts';
import type { Utf16 } from '../text/utf16.ts';
import { type ArrayElement, ArrayScanner } from './array-scanner.ts';
import { parseExactly } from './exact.ts';
import type { JsonReader } from './values.ts';

/** All that a program said of its files. */
export interface JsonFormat {
  readonly read: JsonReader;
  /** Whether numbers are wanted with all their digits. */
  readonly isExact: boolean;
  readonly encoding: TextEncoding | Utf16;
  readonly maxRecordBytes: number;
}

const BLANK = /^[ \t\r]*$/;
/** Where a value is expected. */
const NO_NUMBERS = /(?:^|[[:,])\s*-?(?:NaN|Infinity)\b/;

/** Adds a record to a batch, or says why it is none. */
class Records<T> {
  private before: number | undefined;

  constructor(
    private readonly range: FileRange,
    private readonly format: JsonFormat,
    private readonly options: RecordOptions,
  ) {}

  batch(): Batch<T> {
    return { path: this.range.path, records: [], lines: [], failed: [] };
  }

  /** @param line - counted from 1 at the first line of the range */
  add(batch: Batch<T>, text: string, line: number): Promise<void> | undefined {
    const { format, options } = this;
    try {
      batch.records.push(format.read(this.parsed(text)) as T);
      if (options.withLines) batch.lines.push(line);
      return undefined;
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      return this.fail(batch, error, text, line);
    }
  }

  private parsed(text: string): unknown {
    try {
      return this.format.isExact ? parseExactly(text) : JSON.parse(text);
    } catch (error) {
      const hint = NO_NUMBERS.test(text)
        ? 'JSON has no NaN and no Infinity, though json.dumps of Python writes them: write null there, and declare the field nullable.'
        : 'A record is one value of JSON, in one line unless all are in an array ({ lines: false }).';
      throw new Misfit(`no JSON: ${(error as Error).message}`, hint, 'MALFORMED_DATA');
    }
  }

  private async fail(batch: Batch<T>, error: Misfit, record: string, line: number): Promise<void> {
    const at = await this.lineOf(line);
    const { path } = this.range;
    if (!this.options.withFailed) throw error.toError(path, at);
    batch.failed.push(error.toFailed(path, at, record));
  }

  /** The number of a line in the file. */
  async lineOf(line: number): Promise<number> {
    this.before ??= await linesBefore(this.range);
    return this.before + line;
  }
}

/**
 * The records in the lines of a range, in batches; blank lines are none.
 *
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE`, `MALFORMED_DATA`, with file, line and field, for a record that does not
 *   fit where these are no part of the batch, `MALFORMED_DATA` for one that is too long, and what `readLines` throws
 */
export async function* readJsonLines<T>(
  range: FileRange,
  format: JsonFormat,
  options: RecordOptions,
): AsyncGenerator<Batch<T>, void, undefined> {
  const { encoding, maxRecordBytes: bytes } = format;
  const records = new Records<T>(range, format, options);
  const tooLong = () =>
    new BeamBridgeError('MALFORMED_DATA', `the record is longer than maxRecordBytes, ${bytes}`, {
      hint: 'Is all of the file one array ({ lines: false })? Give a larger maxRecordBytes if it is right.',
    });
  let isLong = false;
  const error = () => {
    isLong = true;
    return tooLong();
  };
  let line = 0;
  try {
    const longest = { bytes, error };
    for await (const lines of readLines(range, { encoding, skipHeaderLines: 0, longest })) {
      const batch = records.batch();
      for (const text of lines) {
        if (text.length > bytes) throw error();
        line += 1;
        if (BLANK.test(text)) continue;
        const failed = records.add(batch, text, line);
        if (failed) await failed;
      }
      if (batch.records.length > 0 || batch.failed.length > 0) yield batch;
    }
  } catch (thrown) {
    if (!isLong || !(thrown instanceof BeamBridgeError)) throw thrown;
    const { shortMessage, hint, code } = thrown;
    throw new Misfit(shortMessage, hint, code).toError(range.path, await records.lineOf(line + 1));
  }
}

/**
 * The records of a file that is one array, in batches.
 *
 * @throws as {@link readJsonLines} does, and `MALFORMED_DATA` for a file that is no array of rows
 */
export async function* readJsonArray<T>(
  range: FileRange,
  format: JsonFormat,
  options: RecordOptions,
): AsyncGenerator<Batch<T>, void, undefined> {
  const { path } = range;
  const records = new Records<T>(range, format, options);
  const scanner = new ArrayScanner(format.maxRecordBytes);
  const taker = {
    push: (piece: Buffer) => scanner.push(piece),
    end: () => {
      scanner.end();
      return [];
    },
  };
  const located = (error: unknown) =>
    error instanceof Misfit ? error.toError(path, scanner.line) : error;
  const pieces = readPieces<ArrayElement>(range, format.encoding, Buffer.alloc(4), {
    push: (piece) => attempt(() => taker.push(piece), located),
    end: () => attempt(taker.end, located),
  });
  for await (const elements of pieces) {
    const batch = records.batch();
    for (const { bytes, line } of elements) {
      const failed = records.add(batch, textOf(bytes, format, path, line), line);
      if (failed) await failed;
    }
    yield batch;
  }
}

function attempt<T>(what: () => T, located: (error: unknown) => unknown): T {
  try {
    return what();
  } catch (error) {
    throw located(error);
  }
}

function textOf(bytes: Buffer, { encoding }: JsonFormat, path: string, line: number): string {
  if (encoding === 'latin1') return bytes.toString('latin1');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new BeamBridgeError('MALFORMED_DATA', `${path}, line ${line}: it is not all UTF-8 text`, {
    hint: "Read it with { encoding: 'latin1' } if it is ISO 8859-1, or convert it first.",
  });
}
