// SPDX-License-Identifier: Apache-2.0
// What columns look like, and the type that would be declared for them.

import {
  bigint64,
  boolean,
  float64,
  int64,
  microsInstant,
  millisInstant,
  type SchemaType,
} from '../../schema/index.ts';
import { declaration, propertyName } from '../records/program-text.ts';
import { type CellReader, cellReader } from './cells.ts';
import type { CsvHead } from './columns.ts';
import type { CsvRecord } from './record-scanner.ts';

/** Types by their names in a program, narrow ones first. What is none of them is a string. */
const CANDIDATES: readonly [name: string, type: SchemaType, looks: RegExp][] = [
  ['boolean', boolean, /^/],
  // A code, a postcode or a telephone number has zeros in front, which no number keeps.
  ['int64', int64, /^\s*(?:0|-?[1-9]\d*)\s*$/],
  ['bigint64', bigint64, /^\s*(?:0|-?[1-9]\d*)\s*$/],
  // A whole number that an integer of 64 bits does not hold has more digits than a double keeps: it is a number of
  // something, as of a card.
  ['float64', float64, /^(?!\s*[+-]?\d{16,}\s*$)\s*[+-]?(?:0(?!\d)|[1-9]|\.|nan|inf)/i],
  ['millisInstant', millisInstant, /^/],
  ['microsInstant', microsInstant, /^/],
];
const NUMBERS = new Set(['int64', 'bigint64', 'float64']);
/** From so many columns on, of one name and a number, they are an array. */
const MANY = 8;
const NO_NULLS: ReadonlySet<string> = new Set();

interface Column {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
}

/** A field, or several columns that are one. */
interface Field extends Column {
  /** How the columns of an array are named. */
  readonly pattern?: string;
}

/** The text of a program that declares a type for such records. */
export function inferredText(
  head: CsvHead,
  sample: readonly CsvRecord[],
  nulls: ReadonlySet<string>,
): string {
  const columns = Array.from({ length: head.width }, (_, place) =>
    columnOf(head.names?.[place] ?? `column${place + 1}`, place, sample, nulls),
  );
  const fields: readonly Field[] = head.names ? joined(columns) : columns;
  const used = new Set(['row', ...fields.map(({ type }) => type)]);
  if (fields.some(({ isNullable }) => isNullable)) used.add('nullable');
  if (fields.some(({ pattern }) => pattern)) used.add('array');
  const lines = fields.map(({ name, type, isNullable, pattern }) => {
    const value = isNullable ? `nullable(${type})` : type;
    const key = propertyName(name);
    if (pattern === undefined) return `  ${key}: ${value},`;
    return `  ${key}: array(${value}), // with { columns: { ${key}: ${pattern} } }`;
  });
  return declaration(used, `row({\n${lines.join('\n')}\n})`);
}

function columnOf(
  name: string,
  place: number,
  sample: readonly CsvRecord[],
  nulls: ReadonlySet<string>,
): Column {
  const all = sample.map(({ cells }) => cells[place] ?? '');
  const cells = all.filter((cell) => !nulls.has(cell));
  // Of a column without values nothing is known but that.
  const type = cells.length === 0 ? 'string' : typeOf(cells);
  return { name, type, isNullable: cells.length < all.length };
}

const READERS: readonly CellReader[] = CANDIDATES.map(([, type]) => cellReader(type, '', NO_NULLS));

function typeOf(cells: readonly string[]): string {
  for (const [at, [name, , looks]] of CANDIDATES.entries()) {
    if (cells.every((cell) => looks.test(cell) && isRead(READERS[at]!, cell))) return name;
  }
  return 'string';
}

function isRead(read: CellReader, cell: string): boolean {
  try {
    read(cell, false);
    return true;
  } catch {
    return false;
  }
}

/** Columns `pixel0`, `pixel1` and so on, that lie side by side, as one array of the widest of their types. */
function joined(columns: readonly Column[]): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < columns.length; ) {
    const stem = stemOf(columns[at]!);
    let end = at + 1;
    while (stem !== undefined && end < columns.length && stemOf(columns[end]!) === stem) end += 1;
    const several = columns.slice(at, end);
    const isElsewhere = (one: Column, i: number) => (i < at || i >= end) && stemOf(one) === stem;
    if (stem === undefined || several.length < MANY || columns.some(isElsewhere)) {
      fields.push(...several);
    } else {
      const type = ['float64', 'bigint64', 'int64'].find((one) =>
        several.some((column) => column.type === one),
      )!;
      const isNullable = several.some((column) => column.isNullable);
      const name = stem.replace(/[\s_.-]+$/, '') || 'values';
      const isTaken = columns.some((one) => one.name === name);
      const pattern = String(new RegExp(`^${stem.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')}\\d+$`));
      fields.push({ name: isTaken ? `${name}s` : name, type, isNullable, pattern });
    }
    at = end;
  }
  return fields;
}

/** What is before the number in the name of a column of numbers. */
function stemOf({ name, type }: Column): string | undefined {
  return NUMBERS.has(type) ? /^(.*?)\d+$/.exec(name)?.[1] : undefined;
}
