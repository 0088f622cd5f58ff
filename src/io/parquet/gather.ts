// SPDX-License-Identifier: Apache-2.0
// Fields of rows from the columns of a file. A field is one column, or an array of several: these are turned from columns
// to rows for many rows at once, whose typed arrays are then views of one buffer.

import { BeamBridgeError } from '../../base/index.ts';
import {
  setField,
  TYPED_ARRAY_KINDS,
  type TypedArrayKind,
  VIEWED_BYTES,
} from '../../coders/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { Misfit } from '../records/misfit.ts';
import { type MatchedColumn, matchColumn } from './columns.ts';
import { DamagedColumn } from './damaged-column.ts';
import { RawLists } from './decode/assemble.ts';
import type { Values } from './decode/values.ts';
import type { FileNode } from './file-schema.ts';
import { elementsOf, fill } from './typed-blocks.ts';
import { NONE } from './values.ts';

/** A column's values as they lie in a row group. */
export type Raw = ArrayLike<unknown> | RawLists;

/** A field of the declared row, and the columns that it is read from. */
export interface MatchedField {
  readonly field: string;
  readonly columns: readonly MatchedColumn[];
  /** For an array of several columns: how an array of so many elements is made. */
  readonly make: ((length: number) => unknown[]) | undefined;
  /** Of which kind it is, where it is a typed one. */
  readonly typed: TypedArrayKind | undefined;
}

/**
 * @param from - the name of its column, or those of its elements
 * @throws `HEADER_MISMATCH` for a column that is missing, there twice, or of another type
 */
export function matchField(
  field: string,
  from: string | readonly string[],
  type: SchemaType,
  columns: FileNode,
): MatchedField {
  if (typeof from === 'string') {
    const column = matchColumn(field, from, type, columns);
    return { field, columns: [column], make: undefined, typed: undefined };
  }
  const { element, typed } = severalOf(type)!;
  return {
    field,
    columns: from.map((name) => matchColumn(field, name, element, columns)),
    make: typed
      ? (length) => new TYPED_ARRAY_KINDS[typed](length) as unknown as unknown[]
      : (length) => new Array(length),
    typed,
  };
}

/** What each of several columns is, for a type that has some. */
export function severalOf(
  type: SchemaType,
): { element: SchemaType; typed: TypedArrayKind | undefined } | undefined {
  if (type.kind !== 'array' && type.kind !== 'iterable') return undefined;
  const { element } = type;
  const isTyped = type.kind === 'array' && type.typed === true;
  return { element, typed: isTyped ? (element.kind as TypedArrayKind) : undefined };
}

/** A field with what a row group has of its columns. */
interface FieldOfGroup extends MatchedField {
  readonly raws: readonly Raw[];
}

/** Where rows are from. */
export interface RowsPlace {
  readonly path: string;
  /** How many rows of the file are before the first one of the row group. */
  readonly before: number;
}

/** Makes rows of a row group. */
export class GroupRows {
  private readonly fields: readonly FieldOfGroup[];

  /** @param raws - of all columns of all fields, in their order */
  constructor(
    private readonly place: RowsPlace,
    fields: readonly MatchedField[],
    raws: readonly Raw[],
  ) {
    let next = 0;
    this.fields = fields.map((field) => {
      const first = next;
      next += field.columns.length;
      return { ...field, raws: raws.slice(first, next) };
    });
  }

  /**
   * The rows from one on up to another, where all of them are plainly what is declared. Else nothing, and {@link row} says
   * which is not.
   */
  rows(from: number, to: number): Record<string, unknown>[] | undefined {
    const rows = Array.from({ length: to - from }, (): Record<string, unknown> => ({}));
    try {
      for (const one of this.fields) {
        if (one.typed) viewsInto(rows, one, one.typed, from);
        else if (!listsInto(rows, one, from)) valuesInto(rows, one, from);
      }
      return rows;
    } catch (error) {
      if (error instanceof Misfit || error instanceof DamagedColumn) return undefined;
      throw error;
    }
  }

  /**
   * @param at - its place in the row group
   * @throws {@link Misfit} for one that does not fit, `MALFORMED_DATA` where a value is missing
   */
  row(at: number): Record<string, unknown> {
    const row: Record<string, unknown> = {};
    for (const one of this.fields) {
      let reading: MatchedColumn | undefined;
      try {
        setField(
          row,
          one.field,
          readField(one, at, (column) => {
            reading = column;
          }),
        );
      } catch (error) {
        throw this.located(error, reading!.name, at);
      }
    }
    return row;
  }

  private located(error: unknown, name: string, at: number): unknown {
    const { path, before } = this.place;
    if (error instanceof DamagedColumn) {
      const message = `${path}, row ${before + at + 1}, column ${name}: a value is missing`;
      return new BeamBridgeError('MALFORMED_DATA', message, { hint: 'Write the file anew.' });
    }
    if (!(error instanceof Misfit)) return error;
    const full = error.within(name).column!.name;
    return error.of(full, `column ${full}`);
  }

  /** A row that does not fit, as a text. */
  shown(at: number): string {
    const values = this.fields.flatMap(({ columns, raws }) =>
      columns.map(({ name, takesNumbers }, index) => {
        const raw = valueAt(raws[index]!, at) ?? null;
        const text = JSON.stringify(raw, (_, value) => plain(value, takesNumbers));
        return `${JSON.stringify(name)}:${text}`;
      }),
    );
    return `{${values.join(',')}}`;
  }
}

function valueAt(raw: Raw, at: number): unknown {
  return raw instanceof RawLists ? raw.at(at) : raw[at];
}

function readField(
  { columns, raws, make }: FieldOfGroup,
  at: number,
  reads: (column: MatchedColumn) => void = () => {},
): unknown {
  if (!make) {
    reads(columns[0]!);
    return columns[0]!.read(valueAt(raws[0]!, at));
  }
  const values = make(columns.length);
  for (let i = 0; i < columns.length; i++) {
    reads(columns[i]!);
    values[i] = columns[i]!.read(valueAt(raws[i]!, at));
  }
  return values;
}

/** Gives a field to rows, value by value. @throws {@link Misfit}, {@link DamagedColumn} */
function valuesInto(
  rows: readonly Record<string, unknown>[],
  one: FieldOfGroup,
  from: number,
): void {
  const { field, columns, raws, make } = one;
  const [raw] = raws;
  if (make || raw instanceof RawLists) {
    for (let i = 0; i < rows.length; i++) setField(rows[i]!, field, readField(one, from + i));
    return;
  }
  const { plain: range = NONE, read } = columns[0]!;
  for (let i = 0; i < rows.length; i++) {
    const value = raw![from + i];
    const isPlain = typeof value === 'number' && value >= range.least && value <= range.most;
    setField(rows[i]!, field, isPlain ? value : read(value));
  }
}

/**
 * Gives a field of lists to rows as views of buffers, where they are typed arrays, none is null, and their elements lie as
 * numbers one behind the other. Else it gives nothing, and is false.
 *
 * @throws {@link Misfit}
 */
function listsInto(
  rows: readonly Record<string, unknown>[],
  { field, columns, raws }: FieldOfGroup,
  from: number,
): boolean {
  const [raw] = raws;
  const lists = columns[0]?.lists;
  if (!lists || !(raw instanceof RawLists) || Array.isArray(raw.values) || raw.missing)
    return false;
  const Typed = TYPED_ARRAY_KINDS[lists.kind] as Float64ArrayConstructor;
  const values = raw.values as Float64Array;
  const { offsets } = raw;
  const most = Math.floor(VIEWED_BYTES / Typed.BYTES_PER_ELEMENT);
  for (let i = 0; i < rows.length; ) {
    const first = offsets[from + i]!;
    let next = i + 1;
    while (next < rows.length && offsets[from + next + 1]! - first <= most) next += 1;
    const { buffer } = elementsOf(Typed, values.subarray(first, offsets[from + next]!), lists);
    for (; i < next; i++) {
      const start = offsets[from + i]!;
      const length = offsets[from + i + 1]! - start;
      const at = (start - first) * Typed.BYTES_PER_ELEMENT;
      setField(rows[i]!, field, new Typed(buffer, at, length));
    }
  }
  return true;
}

/**
 * Gives a field to rows as views of buffers that are filled column by column.
 *
 * @throws {@link Misfit}, {@link DamagedColumn}
 */
function viewsInto(
  rows: readonly Record<string, unknown>[],
  { field, columns, raws }: FieldOfGroup,
  kind: TypedArrayKind,
  from: number,
): void {
  const Typed = TYPED_ARRAY_KINDS[kind] as Float64ArrayConstructor;
  const width = columns.length;
  const bytes = width * Typed.BYTES_PER_ELEMENT;
  const most = Math.max(1, Math.floor(VIEWED_BYTES / bytes));
  for (let begin = 0; begin < rows.length; begin += most) {
    const count = Math.min(most, rows.length - begin);
    const block = new Typed(count * width);
    for (let i = 0; i < width; i++)
      fill(block, i, width, raws[i] as Values, from + begin, columns[i]!);
    for (let i = 0; i < count; i++)
      setField(rows[begin + i]!, field, new Typed(block.buffer, i * bytes, width));
  }
}

function plain(value: unknown, isLong: boolean | undefined): unknown {
  if (isLong && typeof value === 'number') return `${value}`;
  if (typeof value === 'bigint') return `${value}`;
  if (typeof value === 'number' && !Number.isFinite(value)) return `${value}`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array);
  return value;
}
