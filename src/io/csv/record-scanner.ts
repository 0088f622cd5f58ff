// SPDX-License-Identifier: Apache-2.0
// Lines to records, by RFC 4180. It is written by hand: see the table at the end of docs/architecture.md.

import { BeamBridgeError } from '../../base/index.ts';
import { Misfit } from '../records/misfit.ts';
import type { Dialect } from './dialect.ts';

/** A record as it was written. */
export interface CsvRecord {
  readonly cells: readonly string[];
  /** Which cells were in quotes; missing where none was. */
  readonly inQuotes: readonly boolean[] | undefined;
  /** The line that it begins in, counted from 1 at the first line that was pushed. */
  readonly line: number;
  /** What makes it no record of RFC 4180, although it is clear where it ends. */
  readonly misfit: Misfit | undefined;
}

const QUOTES_HINT =
  'A cell that holds a quote is written in quotes, with the quote doubled: "a 5"" pipe". Set { quote: null } where quotes are characters like others.';

/** The structure of the file is in doubt: no record behind this place can be trusted. */
export class Unreadable extends Misfit {
  constructor(
    message: string,
    hint: string,
    /** Where it is told to be, where that is not the last line that was read. */
    readonly line?: number,
  ) {
    super(message, hint, 'MALFORMED_DATA');
  }
}

/** Takes lines with their carriage returns, and gives records. */
export class RecordScanner {
  /** How many lines were pushed. */
  line = 0;
  private begun = 0;
  private lengthSoFar = 0;
  private lines: string[] = [];
  private cells: string[] = [];
  private quotes: boolean[] = [];
  /** The pieces of a cell in quotes that goes on in the next line. */
  private open: string[] | undefined;
  private misfit: Misfit | undefined;

  constructor(
    private readonly dialect: Dialect,
    /** In characters. */
    private readonly longest: number,
    private readonly quotedNewlines: boolean,
  ) {}

  /** The text of the record that {@link push} gave last. */
  get text(): string {
    const text = this.lines.join('\n');
    return text.endsWith('\r') ? text.slice(0, -1) : text;
  }

  /** Whether the next line is inside quotes. */
  get isOpen(): boolean {
    return this.open !== undefined;
  }

  /**
   * The record that ends with this line; nothing for one that goes on, and for lines that are comments.
   *
   * @throws {@link Unreadable} where nobody can say what is inside quotes and what is not
   */
  push(line: string): CsvRecord | undefined {
    this.line += 1;
    const { quote, delimiter, comment } = this.dialect;
    if (this.open === undefined) {
      if (comment !== undefined && line.startsWith(comment)) return undefined;
      this.begin(line);
      if (quote === null || !line.includes(quote)) return this.plain(line, delimiter);
    } else {
      this.lines.push(line);
    }
    this.lengthSoFar += line.length + 1;
    if (this.lengthSoFar > this.longest + 1) throw tooLong(this.longest, this.begun);
    if (this.cellsOf(line, delimiter, quote!)) return this.record(this.quotes);
    // Behind a quote that stands where none can be, nobody can say what the next one means.
    if (this.misfit) throw new Unreadable(this.misfit.message, QUOTES_HINT, this.begun);
    if (!this.quotedNewlines) throw contradicted();
    return undefined;
  }

  /** @throws {@link Unreadable} when a record has begun and not ended */
  end(): void {
    if (this.open === undefined) return;
    throw new Unreadable(
      'a quote is opened in the record that begins here, and the file ends inside it',
      'Is the file cut off? Where quotes are characters like others, set { quote: null }.',
      this.begun,
    );
  }

  private begin(line: string): void {
    this.begun = this.line;
    this.lines = [line];
    this.lengthSoFar = 0;
    this.misfit = undefined;
  }

  /** A line without quotes, as most are. */
  private plain(line: string, delimiter: string): CsvRecord {
    if (line.length > this.longest) throw tooLong(this.longest);
    const content = this.withoutReturn(line);
    this.cells = content.split(delimiter);
    return this.record(undefined);
  }

  private record(inQuotes: readonly boolean[] | undefined): CsvRecord {
    const { cells, begun, misfit } = this;
    this.cells = [];
    this.quotes = [];
    return { cells, inQuotes, line: begun, misfit };
  }

  private withoutReturn(line: string): string {
    return this.checked(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  private checked(content: string): string {
    if (content.includes('\r')) {
      this.misfit ??= new Misfit(
        'a carriage return is neither at the end of the line nor in quotes',
        'Lines end with LF or CR LF; convert a file whose lines end with CR alone, as `tr "\\r" "\\n"` does.',
        'MALFORMED_DATA',
      );
    }
    return content;
  }

  /** Takes a line apart; false when a cell in quotes goes on behind its end. */
  private cellsOf(line: string, delimiter: string, quote: string): boolean {
    let at = 0;
    if (this.open !== undefined) {
      at = this.inQuotes(line, 0, quote, this.open);
      if (at < 0) return false;
      if (this.isEnd(line, at)) return true;
      at = this.behindCell(line, at, delimiter);
    }
    for (;;) {
      if (line.startsWith(quote, at)) {
        at = this.inQuotes(line, at + 1, quote, []);
        if (at < 0) return false;
        if (this.isEnd(line, at)) return true;
        at = this.behindCell(line, at, delimiter);
        continue;
      }
      const next = line.indexOf(delimiter, at);
      const cell =
        next < 0 ? this.withoutReturn(line.slice(at)) : this.checked(line.slice(at, next));
      if (cell.includes(quote)) {
        this.misfit ??= new Misfit(
          `a quote is inside cell ${this.cells.length + 1}, which does not begin with one`,
          QUOTES_HINT,
          'MALFORMED_DATA',
        );
      }
      this.cells.push(cell);
      this.quotes.push(false);
      if (next < 0) return true;
      at = next + delimiter.length;
    }
  }

  /** Where the cell's last quote is behind us; less than 0 when it is not in this line. */
  private inQuotes(line: string, from: number, quote: string, pieces: string[]): number {
    for (let at = from; ; ) {
      const end = line.indexOf(quote, at);
      if (end < 0) {
        pieces.push(line.slice(at), '\n');
        this.open = pieces;
        return -1;
      }
      if (line.startsWith(quote, end + 1)) {
        pieces.push(line.slice(at, end + 1));
        at = end + 2;
        continue;
      }
      pieces.push(line.slice(at, end));
      this.cells.push(pieces.length === 1 ? pieces[0]! : pieces.join(''));
      this.quotes.push(true);
      this.open = undefined;
      return end + 1;
    }
  }

  private isEnd(line: string, at: number): boolean {
    return at === line.length || (at === line.length - 1 && line.endsWith('\r'));
  }

  private behindCell(line: string, at: number, delimiter: string): number {
    if (line.startsWith(delimiter, at)) return at + delimiter.length;
    throw new Unreadable(
      `behind the quote that ends cell ${this.cells.length} there is ${JSON.stringify(line[at])}`,
      QUOTES_HINT,
    );
  }
}

function tooLong(longest: number, line?: number): Unreadable {
  return new Unreadable(
    `the record is longer than maxRecordBytes, ${longest}`,
    'Is a quote never closed, or a delimiter another one? Give a larger maxRecordBytes if it is right.',
    line,
  );
}

function contradicted(): Unreadable {
  return new Unreadable(
    'a quote is opened and not closed in this line, and { quotedNewlines: false } says that none is',
    'Leave quotedNewlines out: the file is then read in one part. Or is it cut off?',
  );
}

/** @internal for readers that find out before the scanner does. */
export function recordTooLong(longest: number): BeamBridgeError {
  const { code, message, hint } = tooLong(longest);
  return new BeamBridgeError(code, message, { hint });
}
