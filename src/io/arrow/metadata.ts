// SPDX-License-Identifier: Apache-2.0
// What the metadata of Arrow's format are made of, and the columns that a schema of theirs tells of.
// Source: https://github.com/apache/arrow/tree/main/format (File.fbs, Message.fbs, Schema.fbs)

import { DamagedMetadata, type Shape, type Table } from './flatbuffer.ts';

const PAIR: Shape = ['text', 'text'];
const PAIRS = { tables: () => PAIR };
const INT: Shape = [4, 1];
const NO_PARTS: Shape = [];

/** Kinds of types, as files number them. */
export const KIND = {
  null: 1,
  int: 2,
  float: 3,
  binary: 4,
  utf8: 5,
  bool: 6,
  decimal: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  interval: 11,
  list: 12,
  struct: 13,
  union: 14,
  fixedBinary: 15,
  fixedList: 16,
  map: 17,
  duration: 18,
  largeBinary: 19,
  largeUtf8: 20,
  largeList: 21,
  binaryView: 23,
  utf8View: 24,
} as const;

const TYPES: Readonly<Record<number, Shape>> = {
  [KIND.int]: INT,
  [KIND.float]: [2],
  [KIND.decimal]: [4, 4, 4],
  [KIND.date]: [2],
  [KIND.time]: [2, 4],
  [KIND.timestamp]: [2, 'text'],
  [KIND.interval]: [2],
  [KIND.union]: [2, { each: 4 }],
  [KIND.fixedBinary]: [4],
  [KIND.fixedList]: [4],
  [KIND.map]: [1],
  [KIND.duration]: [2],
};

const FIELD: Shape = [
  'text',
  1,
  1,
  { union: (kind) => (kind === 0 ? undefined : (TYPES[kind] ?? NO_PARTS)) },
  { table: () => [8, { table: () => INT }, 1, 2] },
  { tables: () => FIELD },
  PAIRS,
];
const SCHEMA: Shape = [2, { tables: () => FIELD }, PAIRS, { each: 8 }];
const BATCH: Shape = [8, { each: 16 }, { each: 16 }, { table: () => [1, 1] }, { each: 8 }];

/** The versions of metadata that are read, as files number them. */
export const [V4, V5] = [3, 4] as const;

/** Kinds of messages. */
export const MESSAGE = { schema: 1, dictionary: 2, batch: 3 } as const;

const HEADERS: Readonly<Record<number, Shape>> = {
  [MESSAGE.schema]: SCHEMA,
  [MESSAGE.dictionary]: [8, { table: () => BATCH }, 1],
  [MESSAGE.batch]: BATCH,
};

export const MESSAGE_SHAPE: Shape = [2, 1, { union: (kind) => HEADERS[kind] }, 8, PAIRS];
export const FOOTER_SHAPE: Shape = [2, { table: () => SCHEMA }, { each: 24 }, { each: 24 }, PAIRS];

/** A column, or a part of one, as the metadata tell of it. */
export interface Column {
  readonly name: string;
  readonly kind: number;
  /** How many bits a value has, where all have as many. */
  readonly bits: number;
  readonly parts: readonly Column[];
  /** Of a list of one length. */
  readonly size: number;
  /** Of a union whose parts have values of their own rows only. */
  readonly isDense: boolean;
  /** Of a column of numbers that stand for values: which values, and the bits of a number. */
  readonly dictionary: { readonly id: number; readonly bits: number } | undefined;
}

/** @throws {@link DamagedMetadata} for types that are none */
export function columnsOf(schema: Table): Column[] {
  return schema.tables(1).map(columnOf);
}

function columnOf(field: Table): Column {
  const kind = field.byte(2);
  const type = field.table(3);
  const parts = field.tables(5).map(columnOf);
  const indices = field.table(4);
  const [fewest, most] = PARTS[kind] ?? [0, 0];
  if (kind === 0 || (kind in BITS && !type)) throw new DamagedMetadata('a column has no type');
  if (kind in PARTS && (parts.length < fewest || parts.length > most))
    throw new DamagedMetadata(`a column has ${parts.length} parts`);
  const index = indices?.table(1);
  const bits = type && BITS[kind] ? BITS[kind](type) : 0;
  const indexBits = indices && (index ? whole(index.int(0), [8, 16, 32, 64]) : 32);
  return {
    name: field.text(0) ?? '',
    kind,
    bits,
    parts,
    size: kind === KIND.fixedList && type ? natural(type.int(0)) : 0,
    isDense: kind === KIND.union && type?.short(0) === 1,
    dictionary: indices && { id: indices.long(0), bits: indexBits! },
  };
}

const ONE = [1, 1] as const;
/** How many parts types have at least and at most. */
const PARTS: Readonly<Record<number, readonly [number, number]>> = {
  [KIND.list]: ONE,
  [KIND.largeList]: ONE,
  [KIND.fixedList]: ONE,
  [KIND.map]: ONE,
  [KIND.struct]: [0, Infinity],
  [KIND.union]: [0, Infinity],
};

function whole(bits: number, known: readonly number[]): number {
  if (known.includes(bits)) return bits;
  throw new DamagedMetadata(`a type has ${bits} bits`);
}

function natural(number: number): number {
  if (number >= 0) return number;
  throw new DamagedMetadata(`a type has the length ${number}`);
}

function oneOf(bits: readonly number[], index: number): number {
  return whole(bits[index] ?? 0, bits);
}

/** Bits of a value, of types all of whose values have as many. */
const BITS: Readonly<Record<number, (type: Table) => number>> = {
  [KIND.int]: (type) => whole(type.int(0), [8, 16, 32, 64]),
  [KIND.float]: (type) => oneOf([16, 32, 64], type.short(0)),
  [KIND.decimal]: (type) => whole(type.int(2, 128), [32, 64, 128, 256]),
  [KIND.date]: (type) => oneOf([32, 64], type.place(0) === undefined ? 1 : type.short(0)),
  [KIND.time]: (type) => whole(type.int(1, 32), [32, 64]),
  [KIND.timestamp]: (type) => oneOf([64, 64, 64, 64], type.short(0)),
  [KIND.interval]: (type) => oneOf([32, 64, 128], type.short(0)),
  [KIND.duration]: () => 64,
  [KIND.fixedBinary]: (type) => 8 * natural(type.int(0)),
};
