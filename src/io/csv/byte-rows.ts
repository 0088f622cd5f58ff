// SPDX-License-Identifier: Apache-2.0
// Lines of a CSV file to rows, straight from their bytes: a string for every line and every cell is most of what
// reading numbers costs. Only what is plain is read so. A line in doubt is left to RecordScanner and CsvRows, which say
// what it is or what is wrong with it, and a cell in doubt to the reader of its type, so that both ways give the
// same rows. It is written by hand: see the table at the end of docs/architecture.md.

import { Misfit } from '../records/misfit.ts';
import { type PlainRange, SAFE_DIGITS } from '../records/numbers.ts';
import type { LineBytes, TextEncoding } from '../text/line-splitter.ts';
import type { CellReader } from './cells.ts';
import type { BoundField } from './columns.ts';
import type { Dialect } from './dialect.ts';
import { blockRows, type FieldValues, NumberValues, valuesOf } from './field-values.ts';

const NEWLINE = 10;
const RETURN = 13;
const MINUS = 45;
const ZERO = 48;
/** What a point is among digits. */
const POINT = 46 - ZERO;
/** Here, for the sake of what compiles modules to functions: it is asked for with every cell. */
const MOST_DIGITS = SAFE_DIGITS;
/** Each is exact, and so a quotient of a number with few digits and one of them is the nearest double. */
const POWERS = Float64Array.from({ length: MOST_DIGITS + 1 }, (_, at) => 10 ** at);
/** What of a dialect may be taken for a part of a number. */
const OF_NUMBERS = /[\d+\-.a-z]/i;

/** What takes the rows of lines. */
export interface RowSink {
  readonly records: unknown[];
  /** For each record, the line that it begins in; where nobody asks, there are none. */
  readonly lines: number[] | undefined;
}

/** Numbers in neighbouring columns that are neighbours in their field as well. */
interface Run {
  readonly range: PlainRange;
  readonly read: CellReader;
  readonly count: number;
  /** The values of the rows that are being made. */
  readonly out: Float64Array;
  /** How many of them are of each row. */
  readonly stride: number;
  /** Where the run begins among those of a row. */
  readonly offset: number;
}

/** A cell of any other type. */
interface Other {
  readonly read: CellReader;
  readonly values: FieldValues;
  readonly offset: number;
}

/** What is done with the columns of a line, in their order. */
type Step =
  | { readonly kind: 'run'; readonly run: Run }
  | { readonly kind: 'other'; readonly other: Other }
  | { readonly kind: 'skip' };

/** Makes rows of plain lines. */
export class ByteRows {
  /** Where the first line is that {@link take} did not take. */
  at = 0;
  private readonly steps: readonly Step[];
  private readonly others: readonly FieldValues[];
  private readonly fields: readonly FieldValues[];
  private readonly most: number;
  private rows = 0;

  private bytes: Buffer = Buffer.alloc(0);
  private encoding: TextEncoding = 'latin1';
  private end = 0;
  private hasQuote = false;
  /** The cell that was read last. */
  private text = '';
  private inQuotes = false;

  private constructor(
    width: number,
    bound: readonly BoundField[],
    private readonly delimiter: number,
    /** -1 where there is none. */
    private readonly quote: number,
    /** -1 where there is none. */
    private readonly comment: number,
    private readonly longest: number,
  ) {
    this.most = blockRows(bound);
    const steps: Step[] = [];
    this.fields = bound.map((field) => {
      const values = valuesOf(field, this.most);
      for (const [offset, place] of field.places.entries()) {
        steps[place] = stepOf(field, values, offset);
      }
      return values;
    });
    this.others = this.fields.filter((values) => !(values instanceof NumberValues));
    this.steps = inRuns(
      Array.from({ length: width }, (_, place) => steps[place] ?? { kind: 'skip' }),
    );
  }

  /** Nothing where lines of such files are in doubt, all of them. */
  static of(
    width: number,
    bound: readonly BoundField[],
    { delimiter, quote, comment }: Dialect,
    longest: number,
  ): ByteRows | undefined {
    const places = bound.flatMap((field) => field.places);
    if (new Set(places).size < places.length || bound.some((field) => field.places.length === 0)) {
      return undefined;
    }
    const isPlain = (mark: string) => /^[\0-\x7f]$/.test(mark) && !OF_NUMBERS.test(mark);
    if (!isPlain(delimiter) || (quote !== null && !isPlain(quote))) return undefined;
    if (comment !== undefined && !/^[\0-\x7f]/.test(comment)) return undefined;
    const byteOf = (mark: string | null | undefined) => mark?.charCodeAt(0) ?? -1;
    return new ByteRows(width, bound, byteOf(delimiter), byteOf(quote), byteOf(comment), longest);
  }

  /**
   * Takes lines as long as they are plain, each of them a record. What {@link at} is then is where the first one is that
   * is not, or the end.
   *
   * @param from - where a line begins outside quotes
   * @param line - its number
   * @returns how many lines it took
   */
  take({ bytes, encoding }: LineBytes, from: number, line: number, into: RowSink): number {
    const { quote, comment, longest } = this;
    this.bytes = bytes;
    this.encoding = encoding;
    let begin = from;
    let count = 0;
    // Where the next ones are: most files have none.
    let aQuote = quote < 0 ? bytes.length : from - 1;
    let aReturn = from - 1;
    for (; begin < bytes.length; count++) {
      const newline = bytes.indexOf(NEWLINE, begin);
      // The last line of a file has no end that would stop a number.
      if (newline < 0) break;
      const end = newline > begin && bytes[newline - 1] === RETURN ? newline - 1 : newline;
      if (bytes[begin] === comment || newline - begin > longest) break;
      if (aQuote < begin) aQuote = nextOf(bytes, quote, begin);
      if (aReturn < begin) aReturn = nextOf(bytes, RETURN, begin);
      if (aReturn < end) break;
      this.end = end;
      this.hasQuote = aQuote < end;
      if (!this.line(begin)) break;
      this.rows += 1;
      into.lines?.push(line + count);
      if (this.rows === this.most) this.finish(into);
      begin = newline + 1;
    }
    this.finish(into);
    this.at = begin;
    return count;
  }

  /** False when the line is in doubt. */
  private line(begin: number): boolean {
    for (const values of this.others) values.begin(this.rows);
    const { steps, bytes, delimiter } = this;
    let at = begin;
    for (let i = 0; i < steps.length; i++) {
      if (i > 0) {
        if (at === this.end || bytes[at] !== delimiter) return false;
        at += 1;
      }
      const step = steps[i]!;
      if (step.kind === 'run') at = this.numbers(step.run, at);
      else if (step.kind === 'other') at = this.other(step.other, at);
      else at = this.cellEnd(at);
      if (at < 0) return false;
    }
    return at === this.end;
  }

  /** Reads the cells of a run, and gives the place behind them; less than 0 when the line is in doubt. */
  private numbers(run: Run, from: number): number {
    const { bytes, delimiter, end } = this;
    const { out, count, range } = run;
    const { least, most, isWhole } = range;
    const first = this.rows * run.stride + run.offset;
    let at = from;
    for (let i = 0; i < count; i++) {
      if (i > 0) {
        if (at === end) return -1;
        at += 1;
      }
      const cell = at;
      // Nearly always: one digit or two, which every type of numbers holds.
      const leading = bytes[at]! - ZERO;
      if (leading >= 0 && leading <= 9) {
        const next = bytes[at + 1]!;
        if (next === delimiter) {
          out[first + i] = leading;
          at += 1;
          continue;
        }
        const last = next - ZERO;
        if (last >= 0 && last <= 9 && bytes[at + 2] === delimiter) {
          out[first + i] = leading * 10 + last;
          at += 2;
          continue;
        }
      }
      const isNegative = bytes[at] === MINUS;
      if (isNegative) at += 1;
      // The line's end is behind the last digit, whatever there is.
      const start = at;
      let value = 0;
      let digit = bytes[at]! - ZERO;
      while (digit >= 0 && digit <= 9) {
        value = value * 10 + digit;
        digit = bytes[++at]! - ZERO;
      }
      let digits = at - start;
      if (digit === POINT && !isWhole) {
        const point = at;
        digit = bytes[++at]! - ZERO;
        while (digit >= 0 && digit <= 9) {
          value = value * 10 + digit;
          digit = bytes[++at]! - ZERO;
        }
        const places = at - point - 1;
        digits += places;
        if (digits <= MOST_DIGITS) value /= POWERS[places]!;
      }
      // A whole number has no negative zero.
      if (isNegative) value = isWhole ? 0 - value : -value;
      if (
        digits > 0 &&
        digits <= MOST_DIGITS &&
        (at === end || bytes[at] === delimiter) &&
        value >= least &&
        value <= most
      ) {
        out[first + i] = value;
        continue;
      }
      at = this.cellEnd(cell, true);
      if (at < 0 || !this.readInto(run.read, out, first + i)) return -1;
    }
    return at;
  }

  private other({ read, values, offset }: Other, from: number): number {
    const at = this.cellEnd(from, true);
    if (at < 0) return -1;
    try {
      values.set(this.rows, offset, read(this.text, this.inQuotes));
      return at;
    } catch (error) {
      // Whoever knows the column says what is wrong.
      if (error instanceof Misfit) return -1;
      throw error;
    }
  }

  private readInto(read: CellReader, out: Float64Array, index: number): boolean {
    try {
      out[index] = read(this.text, this.inQuotes) as number;
      return true;
    } catch (error) {
      if (error instanceof Misfit) return false;
      throw error;
    }
  }

  /**
   * The place behind a cell; less than 0 when the line is in doubt.
   *
   * @param isRead - whether its text is asked for
   */
  private cellEnd(from: number, isRead = false): number {
    const { bytes, end, delimiter, hasQuote, quote } = this;
    if (hasQuote && bytes[from] === quote) {
      const close = bytes.indexOf(quote, from + 1);
      const behind = close + 1;
      if (close < 0 || close >= end || (behind < end && bytes[behind] !== delimiter)) return -1;
      if (isRead) this.read(from + 1, close, true);
      return behind;
    }
    let at = from;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte === delimiter) break;
      if (byte === quote) return -1;
    }
    if (isRead) this.read(from, at, false);
    return at;
  }

  private read(from: number, to: number, inQuotes: boolean): void {
    this.text = this.bytes.toString(this.encoding, from, to);
    this.inQuotes = inQuotes;
  }

  private finish({ records }: RowSink): void {
    const { rows: count } = this;
    if (count === 0) return;
    const rows: Record<string, unknown>[] = [];
    for (let i = 0; i < count; i++) {
      const row = {};
      rows.push(row);
      records.push(row);
    }
    for (const values of this.fields) values.finish(rows);
    this.rows = 0;
  }
}

function nextOf(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}

function stepOf({ read, range }: BoundField, values: FieldValues, offset: number): Step {
  if (!(values instanceof NumberValues) || !range) {
    return { kind: 'other', other: { read, values, offset } };
  }
  const { numbers: out, stride } = values;
  return { kind: 'run', run: { range, read, count: 1, out, stride, offset } };
}

/** The same steps, those of numbers that are neighbours as one. */
function inRuns(steps: readonly Step[]): Step[] {
  const joined: Step[] = [];
  for (const step of steps) {
    const last = joined.at(-1);
    if (step.kind === 'run' && last?.kind === 'run') {
      const { out, offset, count } = last.run;
      if (step.run.out === out && step.run.offset === offset + count) {
        joined[joined.length - 1] = { kind: 'run', run: { ...last.run, count: count + 1 } };
        continue;
      }
    }
    joined.push(step);
  }
  return joined;
}
