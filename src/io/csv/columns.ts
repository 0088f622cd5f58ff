// SPDX-License-Identifier: Apache-2.0
// Which columns of a file each field of the declared row is made of.

import { BeamBridgeError } from '../../base/index.ts';
import {
  describeValue,
  setField,
  TYPED_ARRAY_KINDS,
  type TypedArrayKind,
} from '../../coders/index.ts';
import type { RowType, SchemaType } from '../../schema/index.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { type PlainRange, plainRange } from '../records/numbers.ts';
import { ByteRows } from './byte-rows.ts';
import { type CellReader, cellReader } from './cells.ts';
import type { Dialect } from './dialect.ts';
import type { CsvRecord } from './record-scanner.ts';

/**
 * Where a field is in a file: the name of a column; its place, counted from 0; or, for an array, several columns: those
 * whose names match, names and places one by one, or places from one on up to another (not included) or to the end.
 */
export type CsvColumns =
  | string
  | number
  | RegExp
  | readonly (string | number)[]
  | { readonly from: number; readonly to?: number };

/** What is known of a file before its rows are read. */
export interface CsvHead {
  /** None in a file without a header. */
  readonly names: readonly string[] | undefined;
  /** How many columns there are. */
  readonly width: number;
}

/** A field of the declared row and how it is read. */
interface Field {
  readonly name: string;
  readonly columns: CsvColumns;
  readonly read: CellReader;
  /** For an array: how it is made of so many elements. */
  readonly make: ((length: number) => unknown[]) | undefined;
  /** Where cells are numbers: which of them need no second look. */
  readonly range: PlainRange | undefined;
  /** Whether they are rounded to float32. */
  readonly isFloat32: boolean;
  /** For a typed array: of which kind. */
  readonly typed: TypedArrayKind | undefined;
}

/** A field whose columns are known. */
export interface BoundField extends Field {
  readonly places: readonly number[];
}

/**
 * The fields of a row, checked as far as can be without a file.
 *
 * @param columns - by field, where they are; else each is the column of its own name, or without a header in its own
 *   place
 * @throws `INVALID_SCHEMA` for types that cells cannot hold, `INVALID_ARGUMENT` for columns that are none
 */
export function csvFields(
  schema: RowType<unknown>,
  columns: Readonly<Record<string, CsvColumns | undefined>>,
  hasHeader: boolean,
  nulls: ReadonlySet<string>,
): readonly Field[] {
  for (const name of Object.keys(columns)) {
    if (schema.fields.some((field) => field.name === name)) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `columns names the field ${name}`, {
      hint: `The fields of the schema are ${schema.fields.map((field) => field.name).join(', ')}.`,
    });
  }
  return schema.fields.map(({ name, type }, index) => {
    const given = Object.hasOwn(columns, name) ? columns[name] : undefined;
    const element = elementOf(type);
    if (element && given === undefined) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `columns says nothing of the array ${name}`, {
        hint: `Say which columns it is made of: { columns: { ${JSON.stringify(name)}: /^pixel/ } }, or { from: 1 } for all from the second one on.`,
      });
    }
    const settled = given ?? (hasHeader ? name : index);
    checkColumns(name, settled, element !== undefined, hasHeader);
    const { kind } = element ?? type;
    return {
      name,
      columns: settled,
      read: cellReader(element ?? type, name, nulls),
      make: element && makerOf(type),
      range: plainRange(kind),
      isFloat32: kind === 'float32',
      typed: type.kind === 'array' && type.typed ? (kind as TypedArrayKind) : undefined,
    };
  });
}

/** The type of an array's elements, for a type that is one. */
function elementOf(type: SchemaType): SchemaType | undefined {
  return type.kind === 'array' || type.kind === 'iterable' ? type.element : undefined;
}

function makerOf(type: SchemaType): (length: number) => unknown[] {
  if (type.kind === 'array' && type.typed) {
    const Typed = TYPED_ARRAY_KINDS[type.element.kind as TypedArrayKind];
    return (length) => new Typed(length) as unknown as unknown[];
  }
  return (length) => new Array(length);
}

function checkColumns(
  field: string,
  columns: CsvColumns,
  isArray: boolean,
  hasHeader: boolean,
): void {
  const refuse = (hint: string) =>
    new BeamBridgeError(
      'INVALID_ARGUMENT',
      `columns of ${field} is ${columns instanceof RegExp ? String(columns) : describeValue(columns)}`,
      { hint },
    );
  const isPlace = (place: unknown) => Number.isSafeInteger(place) && (place as number) >= 0;
  const checkOne = (one: unknown) => {
    if (typeof one === 'string') {
      if (hasHeader) return;
      throw refuse('A file without a header has no names: give places, counted from 0.');
    }
    if (!isPlace(one)) throw refuse('Give the name of a column, or its place, counted from 0.');
  };
  if (typeof columns === 'string' || typeof columns === 'number') {
    checkOne(columns);
    if (!isArray) return;
    throw refuse('An array has a column for each element: /^name/, a list, or { from: 1 }.');
  }
  if (!isArray) throw refuse('Several columns are an array: declare it one, or give one column.');
  if (columns instanceof RegExp) {
    if (hasHeader) return;
    throw refuse('A file without a header has no names: give places, as in { from: 1 }.');
  }
  if (Array.isArray(columns)) {
    for (const one of columns) checkOne(one);
    return;
  }
  const { from, to } = (columns ?? {}) as { from?: unknown; to?: unknown };
  if (isPlace(from) && (to === undefined || (isPlace(to) && (to as number) > (from as number))))
    return;
  throw refuse(
    'Give { from: 1 } or { from: 1, to: 785 }: places, counted from 0, without the last.',
  );
}

/** What rows are made by. */
export interface CsvRowsFormat {
  readonly fields: readonly Field[];
  readonly dialect: Dialect;
  readonly maxRecordBytes: number;
}

/** Makes rows of the records of files with one head. */
export class CsvRows {
  private readonly bound: readonly BoundField[];

  /** @throws `HEADER_MISMATCH` for a head that lacks a column, or has one twice */
  constructor(
    private readonly format: CsvRowsFormat,
    private readonly head: CsvHead,
    path: string,
  ) {
    const places = placesOf(head, path);
    this.bound = format.fields.map((field) => ({
      ...field,
      places: bind(field, head, places, path),
    }));
  }

  /** Makes the same rows of plain lines, where these can be told. */
  ofBytes(): ByteRows | undefined {
    const { dialect, maxRecordBytes } = this.format;
    return ByteRows.of(this.head.width, this.bound, dialect, maxRecordBytes);
  }

  /** @throws {@link Misfit} for a record that is no such row */
  row(record: CsvRecord): unknown {
    const { head, bound } = this;
    const { cells, inQuotes, misfit } = record;
    if (misfit) throw misfit;
    if (cells.length !== head.width) throw ragged(cells.length, head);
    const row: Record<string, unknown> = {};
    let place = 0;
    try {
      for (const { name, places, read, make } of bound) {
        place = places[0]!;
        let value: unknown;
        if (make) {
          const values = make(places.length);
          for (let at = 0; at < places.length; at++) {
            place = places[at]!;
            values[at] = read(cells[place]!, inQuotes !== undefined && inQuotes[place]!);
          }
          value = values;
        } else {
          value = read(cells[place]!, inQuotes !== undefined && inQuotes[place]!);
        }
        setField(row, name, value);
      }
    } catch (error) {
      throw error instanceof Misfit ? inColumn(error, head, place) : error;
    }
    return row;
  }
}

function inColumn(misfit: Misfit, { names }: CsvHead, place: number): Misfit {
  const name = names?.[place];
  if (name === undefined) return misfit.of(`${place + 1}`, `column ${place + 1}`);
  return misfit.of(name, `column ${quoted(name)} (${place + 1})`);
}

function ragged(cells: number, { width, names }: CsvHead): Misfit {
  const than = names ? `the header has ${width}` : `the first record has ${width}`;
  return new Misfit(
    `the record has ${cells === 1 ? '1 cell' : `${cells} cells`}, and ${than}`,
    'Is the delimiter another one, or a cell with a delimiter in it not in quotes? A last line that is too short may have been cut off.',
  );
}

/** The place of each name; -1 for one that is there twice. */
function placesOf({ names }: CsvHead, path: string): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  names?.forEach((name, place) => {
    places.set(name, places.has(name) ? -1 : place);
  });
  if (names?.every((name) => name === '')) {
    throw headerMismatch(
      path,
      'the header has no names',
      'Set { header: false } if there is none.',
    );
  }
  return places;
}

function bind(
  { name, columns }: Field,
  head: CsvHead,
  places: ReadonlyMap<string, number>,
  path: string,
): number[] {
  if (columns instanceof RegExp) return matching(name, columns, head, places, path);
  if (typeof columns === 'object' && 'from' in columns) {
    const { from, to = head.width } = columns;
    if (from < to && to <= head.width)
      return Array.from({ length: to - from }, (_, at) => from + at);
    throw headerMismatch(
      path,
      `there is no column ${Math.max(head.width, from) + 1} for ${name}: there are ${head.width}`,
      'Places are counted from 0.',
    );
  }
  return [columns].flat().map((one: string | number) => placeOf(name, one, head, places, path));
}

function placeOf(
  field: string,
  column: string | number,
  head: CsvHead,
  places: ReadonlyMap<string, number>,
  path: string,
): number {
  if (typeof column === 'number') {
    if (column < head.width) return column;
    const found = `there is no column ${column + 1} for ${field}: there are ${head.width}`;
    throw headerMismatch(path, found, 'Is the delimiter another one? Places are counted from 0.');
  }
  const place = places.get(column);
  if (place === undefined) {
    throw headerMismatch(
      path,
      `there is no column ${JSON.stringify(column)}`,
      `The header has ${listed(head.names ?? [])}. Where the column has another name: { columns: { ${JSON.stringify(field)}: … } }.`,
    );
  }
  if (place >= 0) return place;
  throw headerMismatch(
    path,
    `there are two columns ${JSON.stringify(column)}`,
    `Say which by its place, counted from 0: { columns: { ${JSON.stringify(field)}: ${head.names!.indexOf(column)} } }.`,
  );
}

function matching(
  field: string,
  pattern: RegExp,
  head: CsvHead,
  places: ReadonlyMap<string, number>,
  path: string,
): number[] {
  // Of its own, since one with the flag g or y remembers where it was.
  const own = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  const found: number[] = [];
  head.names?.forEach((name, place) => {
    if (!own.test(name)) return;
    if (places.get(name)! < 0) placeOf(field, name, head, places, path);
    found.push(place);
  });
  if (found.length > 0) return found;
  throw headerMismatch(
    path,
    `no column matches ${String(pattern)}`,
    `The header has ${listed(head.names ?? [])}.`,
  );
}

const LISTED = 10;

function listed(names: readonly string[]): string {
  const some = names
    .slice(0, LISTED)
    .map((name) => JSON.stringify(name))
    .join(', ');
  return names.length > LISTED ? `${some} and ${names.length - LISTED} more` : some;
}

/** The error of a file whose columns are not those that were declared, or those of the other files. */
export function headerMismatch(path: string, what: string, hint: string): BeamBridgeError {
  return new BeamBridgeError('HEADER_MISMATCH', `${path}: ${what}`, { hint });
}

/** @throws `HEADER_MISMATCH` for a file that has other columns than the first one */
export function checkSameHead(first: string, head: CsvHead, path: string, other: CsvHead): void {
  const hint =
    'All files of one transform have the same columns: read the others with one of their own.';
  if (head.width !== other.width) {
    const what = `there are ${other.width} columns, and ${head.width} in ${first}`;
    throw headerMismatch(path, what, hint);
  }
  const place = other.names?.findIndex((name, at) => name !== head.names![at]) ?? -1;
  if (place < 0) return;
  const [own, firsts] = [other.names![place], head.names![place]].map((name) =>
    JSON.stringify(name),
  );
  throw headerMismatch(path, `column ${place + 1} is ${own}, and ${firsts} in ${first}`, hint);
}
