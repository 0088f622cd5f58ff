// SPDX-License-Identifier: Apache-2.0
// The rows of a range of a CSV file.

import { BeamBridgeError } from '../../base/index.ts';
import { Misfit } from '../records/misfit.ts';
import type { RecordOptions } from '../records/read-records.ts';
import type { Batch } from '../records/records.ts';
import { linesBefore } from '../text/count-lines.ts';
import type { FileRange } from '../text/find-files.ts';
import { type LineBytes, type TextEncoding, textOfLine } from '../text/line-splitter.ts';
import { readLineBytes, readLines } from '../text/read-lines.ts';
import type { Utf16 } from '../text/utf16.ts';
import { type CsvHead, CsvRows, type csvFields, headerMismatch } from './columns.ts';
import type { Dialect } from './dialect.ts';
import { type CsvRecord, RecordScanner, recordTooLong, Unreadable } from './record-scanner.ts';

/** All that a program said of its files. */
export interface CsvFormat {
  readonly fields: ReturnType<typeof csvFields>;
  readonly dialect: Dialect;
  readonly hasHeader: boolean;
  readonly skipHeaderLines: number;
  readonly encoding: TextEncoding | Utf16;
  readonly quotedNewlines: boolean;
  /** Whether a file may be read in several ranges. */
  readonly isSplit: boolean;
  readonly maxRecordBytes: number;
}

/** The head of a file, and what is in front of its rows. */
interface Begin {
  readonly head: CsvHead;
  /** How many lines, the header's own among them. */
  readonly lines: number;
  /** How many bytes at most. */
  readonly bytes: number;
}

const MARK_BYTES = 3;
const NEWLINE = 10;

function endOfLine(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(NEWLINE, from);
  return end < 0 ? bytes.length : end;
}

/** A blank line is no record, except where a record is one cell. */
function isBlank({ cells, inQuotes }: CsvRecord, width: number): boolean {
  return width !== 1 && cells.length === 1 && cells[0] === '' && inQuotes === undefined;
}

/** What all lines of a file or a range go through. */
class Scan {
  private readonly scanner: RecordScanner;
  /** Lines that are not looked at. */
  private skipped: number;
  private isLong = false;

  constructor(
    private readonly range: FileRange,
    private readonly format: CsvFormat,
    skipped: number,
  ) {
    const { dialect, maxRecordBytes, quotedNewlines } = format;
    this.scanner = new RecordScanner(dialect, maxRecordBytes, quotedNewlines);
    this.skipped = skipped;
  }

  lines(): AsyncGenerator<string[], void, undefined> {
    const { encoding } = this.format;
    const { longest } = this;
    return readLines(this.range, { encoding, skipHeaderLines: 0, keepReturns: true, longest });
  }

  /** The same as bytes. */
  lineBytes(): AsyncGenerator<LineBytes[], void, undefined> {
    return readLineBytes(this.range, { encoding: this.format.encoding, longest: this.longest });
  }

  private get longest() {
    const { maxRecordBytes: bytes } = this.format;
    const error = () => {
      this.isLong = true;
      return recordTooLong(bytes);
    };
    return { bytes, error };
  }

  /** How many lines it was given. */
  get line(): number {
    return this.scanner.line;
  }

  /** Whether a record begins with the next line. */
  get isAtRecord(): boolean {
    return this.skipped === 0 && !this.scanner.isOpen;
  }

  /** Takes note of lines that somebody else made records of. */
  passed(lines: number): void {
    this.scanner.line += lines;
  }

  /** The record that ends with a line. */
  record(line: string): CsvRecord | undefined {
    if (this.skipped > 0) {
      this.skipped -= 1;
      this.scanner.line += 1;
      return undefined;
    }
    return this.scanner.push(line);
  }

  end(): void {
    this.scanner.end();
  }

  /** The text of the last record. */
  get text(): string {
    return this.scanner.text;
  }

  /** The number of a line in the file. */
  async lineOf(line: number): Promise<number> {
    return line + (await linesBefore(this.range));
  }

  /** What was thrown, with the file and the line. */
  async located(error: unknown): Promise<unknown> {
    if (error instanceof Misfit) {
      const told = error instanceof Unreadable ? error.line : undefined;
      return error.toError(this.range.path, await this.lineOf(told ?? this.scanner.line));
    }
    if (!this.isLong || !(error instanceof BeamBridgeError)) return error;
    const line = await this.lineOf(this.scanner.line + 1);
    return new Misfit(error.shortMessage, error.hint, error.code).toError(this.range.path, line);
  }
}

/** All of a file, up to its end. */
function wholeOf(range: FileRange): FileRange {
  return { ...range, start: 0, atLine: true, whole: true };
}

/**
 * What is known of a file before its rows are read; nothing for one without records.
 *
 * @throws as {@link readCsvRange} does
 */
export async function readHead(range: FileRange, format: CsvFormat): Promise<CsvHead | undefined> {
  return (await readBegin(range, format))?.head;
}

async function readBegin(range: FileRange, format: CsvFormat): Promise<Begin | undefined> {
  const { skipHeaderLines, hasHeader, encoding } = format;
  const scan = new Scan(wholeOf(range), format, skipHeaderLines);
  let lines = 0;
  let bytes = MARK_BYTES;
  try {
    for await (const some of scan.lines()) {
      for (const line of some) {
        lines += 1;
        bytes += encoding === 'latin1' ? line.length + 1 : Buffer.byteLength(line) + 1;
        const record = scan.record(line);
        if (!record || isBlank(record, 0)) continue;
        const head = headOf(record, format);
        return { head, lines: hasHeader ? lines : skipHeaderLines, bytes };
      }
    }
    scan.end();
    return undefined;
  } catch (error) {
    throw await scan.located(error);
  }
}

/** How many lines of a range are in front of the file's rows. */
async function linesToSkip(range: FileRange, { lines, bytes }: Begin): Promise<number> {
  return range.start < bytes ? Math.max(0, lines - (await linesBefore(range))) : 0;
}

/** The first records of a file as they were written, behind its head. */
export async function sampleOf(
  range: FileRange,
  format: CsvFormat,
  records: number,
): Promise<{ head: CsvHead | undefined; sample: CsvRecord[] }> {
  const scan = new Scan(wholeOf(range), format, format.skipHeaderLines);
  const sample: CsvRecord[] = [];
  let head: CsvHead | undefined;
  try {
    for await (const lines of scan.lines()) {
      for (const line of lines) {
        const record = scan.record(line);
        if (!record || isBlank(record, head?.width ?? 0)) continue;
        const isHeader = !head && format.hasHeader;
        head ??= headOf(record, format);
        if (isHeader) continue;
        if (record.misfit) throw record.misfit;
        sample.push(record);
        if (sample.length === records) return { head, sample };
      }
    }
    scan.end();
    return { head, sample };
  } catch (error) {
    throw await scan.located(error);
  }
}

function headOf({ cells, misfit }: CsvRecord, { hasHeader }: CsvFormat): CsvHead {
  if (misfit && hasHeader) throw misfit;
  return { names: hasHeader ? cells : undefined, width: cells.length };
}

/** The error of a file that has nothing in it, not even a header. */
export function noHeader(path: string): BeamBridgeError {
  return headerMismatch(
    path,
    'there is no header: the file is empty',
    'Set { header: false } for files without a header, of which an empty one has no rows.',
  );
}

/**
 * The rows that begin in a range, in batches.
 *
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE`, `MALFORMED_DATA`, with file, line and column, for a record that does not
 *   fit where these are no part of the batch, `MALFORMED_DATA` for a file of which nobody can say where records end,
 *   and what `readLines` throws
 */
export async function* readCsvRange<T>(
  range: FileRange,
  format: CsvFormat,
  options: RecordOptions,
): AsyncGenerator<Batch<T>, void, undefined> {
  const { path } = range;
  // The header may be behind the end of the first range: lines in front of it count as well.
  const begin = format.isSplit ? await readBegin(range, format) : undefined;
  if (format.isSplit && !begin) return;
  const skipped = begin ? await linesToSkip(range, begin) : format.skipHeaderLines;
  const scan = new Scan(range, format, skipped);
  let head = begin?.head;
  let rows = head && new CsvRows(format, head, path);
  let ofBytes = rows?.ofBytes();
  /** The lines before the range, once one had to be told. */
  let before: number | undefined;
  try {
    for await (const some of scan.lineBytes()) {
      const batch: Batch<T> = { path, records: [], lines: [], failed: [] };
      const sink = { records: batch.records, lines: options.withLines ? batch.lines : undefined };
      for (const lines of some) {
        for (let at = 0; at < lines.bytes.length; ) {
          if (ofBytes && scan.isAtRecord) {
            scan.passed(ofBytes.take(lines, at, scan.line + 1, sink));
            at = ofBytes.at;
            if (at === lines.bytes.length) break;
          }
          const end = endOfLine(lines.bytes, at);
          const record = scan.record(textOfLine(lines, at, end, path));
          at = end + 1;
          if (!record || isBlank(record, head?.width ?? 0)) continue;
          if (!head || !rows) {
            head = headOf(record, format);
            rows = new CsvRows(format, head, path);
            ofBytes = rows.ofBytes();
            if (format.hasHeader) continue;
          }
          try {
            batch.records.push(rows.row(record) as T);
            if (options.withLines) batch.lines.push(record.line);
          } catch (error) {
            if (!(error instanceof Misfit)) throw error;
            before ??= await scan.lineOf(0);
            const line = before + record.line;
            if (!options.withFailed) throw error.toError(path, line);
            batch.failed.push(error.toFailed(path, line, scan.text));
          }
        }
      }
      if (batch.records.length > 0 || batch.failed.length > 0) yield batch;
    }
    scan.end();
  } catch (error) {
    throw await scan.located(error);
  }
  if (!head && format.hasHeader) throw noHeader(path);
}
