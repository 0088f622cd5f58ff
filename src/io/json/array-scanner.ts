// SPDX-License-Identifier: Apache-2.0
// The rows of one large array of JSON, found without reading all of it: what is inside a row matters only as far as
// it tells where the row ends. All that means something is ASCII, which no byte of other characters is.

import { Misfit } from '../records/misfit.ts';

/** A row as it was written. */
export interface ArrayElement {
  readonly bytes: Buffer;
  /** The line that it begins in, counted from 1. */
  readonly line: number;
}

const [NEWLINE, QUOTE, COMMA, BACKSLASH] = [10, 34, 44, 92];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_ROW, CLOSE_ROW] = [91, 93, 123, 125];

/** What may come next outside of rows, by what was there last. */
const EXPECTED = {
  nothing: { [OPEN_ARRAY]: 'open' },
  open: { [OPEN_ROW]: 'row', [CLOSE_ARRAY]: 'closed' },
  row: { [COMMA]: 'comma', [CLOSE_ARRAY]: 'closed' },
  comma: { [OPEN_ROW]: 'row' },
  closed: {},
} as const satisfies Record<string, Record<number, string>>;
type Last = keyof typeof EXPECTED;

/** Takes pieces of a file that may be cut anywhere, and gives the rows of the array that it is. */
export class ArrayScanner {
  /** The line that was looked at last. */
  line = 1;
  private last: Last = 'nothing';
  private begun = 0;
  /** How many brackets are open inside the array; none between rows. */
  private depth = 0;
  private inText = false;
  private isEscaped = false;
  /** The beginning of a row that goes on in the next piece. */
  private pieces: Buffer[] = [];
  private length = 0;

  constructor(
    /** In bytes. */
    private readonly longest: number,
  ) {}

  /**
   * The rows that end in a piece, which may be overwritten afterwards.
   *
   * @throws {@link Misfit} for what is no array of rows
   */
  push(piece: Buffer): ArrayElement[] {
    const found: ArrayElement[] = [];
    let from = 0;
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at]!;
      if (byte === NEWLINE) this.line += 1;
      if (this.depth === 0) {
        if (this.between(byte)) from = at;
      } else if (this.endsRow(byte)) {
        found.push(this.row(piece.subarray(from, at + 1)));
      }
    }
    if (this.depth > 0) this.keep(piece.subarray(from));
    return found;
  }

  /** @throws {@link Misfit} for a file that ends before the array does */
  end(): void {
    if (this.last === 'closed') return;
    throw noArray(this.last === 'nothing' ? 'the file is empty' : 'the file ends inside the array');
  }

  /** Looks at a byte that is in no row; true where one begins with it. */
  private between(byte: number): boolean {
    if (byte === 32 || byte === 9 || byte === NEWLINE || byte === 13) return false;
    const next = (EXPECTED[this.last] as Record<number, Last>)[byte];
    if (next === undefined) {
      const isShown = byte > 32 && byte < 127;
      const found = isShown ? JSON.stringify(String.fromCharCode(byte)) : `the byte ${byte}`;
      throw noArray(`${found} is where ${WANTED[this.last]} should be`);
    }
    this.last = next;
    if (next !== 'row' || byte !== OPEN_ROW) return false;
    this.begun = this.line;
    this.depth = 1;
    return true;
  }

  /** Looks at a byte of a row; true for the last one. */
  private endsRow(byte: number): boolean {
    if (this.inText) {
      if (this.isEscaped) this.isEscaped = false;
      else if (byte === BACKSLASH) this.isEscaped = true;
      else if (byte === QUOTE) this.inText = false;
      return false;
    }
    if (byte === QUOTE) this.inText = true;
    else if (byte === OPEN_ROW || byte === OPEN_ARRAY) this.depth += 1;
    else if (byte === CLOSE_ROW || byte === CLOSE_ARRAY) this.depth -= 1;
    return this.depth === 0;
  }

  private keep(rest: Buffer): void {
    this.pieces.push(Buffer.from(rest));
    this.length += rest.length;
    if (this.length > this.longest) throw this.tooLong();
  }

  private row(rest: Buffer): ArrayElement {
    if (this.length + rest.length > this.longest) throw this.tooLong();
    const bytes = Buffer.concat([...this.pieces, rest]);
    this.pieces = [];
    this.length = 0;
    return { bytes, line: this.begun };
  }

  private tooLong(): Misfit {
    return new Misfit(
      `the record that begins in line ${this.begun} is longer than maxRecordBytes, ${this.longest}`,
      'Is a quote or a bracket never closed? Give a larger maxRecordBytes if it is right.',
      'MALFORMED_DATA',
    );
  }
}

const WANTED: Readonly<Record<Last, string>> = {
  nothing: 'the array, "[",',
  open: 'a row, "{", or "]"',
  row: '"," or "]"',
  comma: 'a row, "{",',
  closed: 'nothing',
};

function noArray(what: string): Misfit {
  return new Misfit(
    what,
    'Such a file is one array of rows: [{…}, {…}]. Is it cut off, or is there a record in each line ({ lines: true })?',
    'MALFORMED_DATA',
  );
}
