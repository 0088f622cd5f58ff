// SPDX-License-Identifier: Apache-2.0
// Rows to lines of CSV that readFromCsv, and others, read back as the same rows.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import type { RowType } from '../../schema/index.ts';
import { Misfit } from '../records/misfit.ts';
import { plainRange } from '../records/numbers.ts';
import { type TextOf, textOf } from '../records/texts.ts';
import { Unwritable } from '../records/write-type.ts';
import { cellReader, isText, noCell } from './cells.ts';
import type { Dialect } from './dialect.ts';

/** How rows become lines. */
export interface CsvLines {
  /** The names of the columns, as a line without its end. */
  readonly header: string;
  /** @throws {@link Unwritable} for a row that is none of the type */
  line(row: unknown): string;
}

/** A field and its cell's text. */
interface Cell {
  readonly name: string;
  readonly text: TextOf;
  readonly isNullable: boolean;
  /** What a missing value is. */
  readonly missing: string;
  /** Whether a text needs quotes, such as one that would say that there is no value; undefined where none ever does. */
  readonly needsQuotes: ((text: string) => boolean) | undefined;
}

/** All that numbers are written with. */
const OF_NUMBERS = /^[-+.\da-z]*$/i;

/**
 * How rows of a type are written.
 *
 * @param nullText - what a missing value is
 * @throws `INVALID_SCHEMA` for types that cells cannot hold, `INVALID_ARGUMENT` for a `nullText` that may be a value
 */
export function csvLines(
  schema: RowType<unknown>,
  { delimiter, quote }: Dialect & { quote: string },
  nullText: string,
): CsvLines {
  const isOne = schema.fields.length === 1;
  const hasPlainMarks = !OF_NUMBERS.test(delimiter) && !OF_NUMBERS.test(quote);
  // The mark at the beginning of a file is left out by readers.
  const special = new RegExp(`[${escaped(quote)}\r\n\ufeff]|${escaped(delimiter)}`);
  const inQuotes = (text: string) => quote + text.replaceAll(quote, quote + quote) + quote;
  // A line with nothing in it is read as none.
  const isSpecial = (text: string) => special.test(text) || (isOne && text === '');
  const written = (text: string, needsQuotes: boolean) => (needsQuotes ? inQuotes(text) : text);
  const cells = schema.fields.map(({ name, type }): Cell => {
    const isNullable = type.kind === 'nullable';
    const value = isNullable ? type.value : type;
    const text = textOf(value);
    if (!text) throw noCell(type, name);
    const mayQuote = isText(value);
    if (isNullable) checkNullText(name, nullText, !mayQuote && cellReader(value, name, new Set()));
    if (isNullable && mayQuote && isSpecial(nullText)) throw unclear(name, nullText, isOne);
    const isPlain = hasPlainMarks && plainRange(value.kind) !== undefined;
    const needsQuotes = !mayQuote
      ? isSpecial
      : (some: string) => isSpecial(some) || (isNullable && some === nullText);
    const missing = written(nullText, isSpecial(nullText));
    return { name, text, isNullable, missing, needsQuotes: isPlain ? undefined : needsQuotes };
  });
  return {
    header: cells.map(({ name }) => written(name, isSpecial(name))).join(delimiter),
    line(row) {
      let line = '';
      for (let at = 0; at < cells.length; at++) {
        const { name, text, isNullable, missing, needsQuotes } = cells[at]!;
        if (at > 0) line += delimiter;
        const value = (row as Record<string, unknown>)[name];
        if (value === null || value === undefined) {
          if (!isNullable) throw new Unwritable();
          line += missing;
        } else {
          const cell = text(value);
          line += needsQuotes?.(cell) ? inQuotes(cell) : cell;
        }
      }
      return line;
    },
  };
}

/** @param read - how the field's values are read, where quotes do not tell a missing value from one that is there */
function checkNullText(
  field: string,
  nullText: string,
  read: ((text: string, inQuotes: boolean) => unknown) | false,
): void {
  if (read === false) return;
  try {
    read(nullText, false);
  } catch (error) {
    if (error instanceof Misfit) return;
    throw error;
  }
  throw new BeamBridgeError('INVALID_ARGUMENT', `nullText is ${describeValue(nullText)}`, {
    hint: `${field} may have that value: choose another text for none, such as 'NA'.`,
  });
}

function unclear(field: string, nullText: string, isOne: boolean): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_ARGUMENT',
    `nullText is ${describeValue(nullText)}, which needs quotes`,
    {
      hint: isOne
        ? `In quotes it is a text of ${field}, and without them a blank line, which many programs leave out: choose another, such as 'NA'.`
        : `In quotes it is a text of ${field}: choose another, such as 'NA'.`,
    },
  );
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
