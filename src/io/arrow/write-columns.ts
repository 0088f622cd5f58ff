// SPDX-License-Identifier: Apache-2.0
// The declared type as columns of an Arrow file that is written, and rows as what is appended to them.

import type { SchemaType } from '../../schema/index.ts';
import type { ParquetDecimal } from '../parquet/write-leaf.ts';
import { DECIMAL } from '../parquet/write-type.ts';
import { Bits } from './growing.ts';
import type { ArrowBatch, ArrowPackage, ArrowSchema } from './package.ts';
import { Ends, leafColumn, nullsOf, type Place, type WrittenColumn } from './write-leaves.ts';

/** The columns of rows. */
export interface WrittenRows {
  readonly schema: ArrowSchema;
  /** @param values - by column, as `parquetRows` makes them */
  append(values: readonly unknown[]): void;
  /** The rows that were appended, with which it begins anew. */
  take(): ArrowBatch;
}

export function writtenRows(
  arrow: ArrowPackage,
  { fields }: SchemaType & { kind: 'row' },
  decimals: Readonly<Record<string, ParquetDecimal | undefined>>,
): WrittenRows {
  const columns = fields.map(({ name, type }) =>
    columnOf(arrow, type, { path: name, decimal: decimals[name] ?? DECIMAL }),
  );
  const schema = new arrow.Schema(
    fields.map(({ name, type }, at) => fieldOf(arrow, name, type, columns[at]!)),
  );
  const type = new arrow.Struct(schema.fields);
  let length = 0;
  return {
    schema,
    append(values) {
      for (let at = 0; at < columns.length; at++) columns[at]!.append(values[at]);
      length += 1;
    },
    take() {
      const children = columns.map((column) => column.take());
      const data = arrow.makeData({ type, length, nullCount: 0, children });
      length = 0;
      return new arrow.RecordBatch(schema, data);
    },
  };
}

function fieldOf(arrow: ArrowPackage, name: string, type: SchemaType, column: WrittenColumn) {
  return new arrow.Field(name, column.type, type.kind === 'nullable');
}

/** A column with nulls, where its type has them: what lies in their place is the least that the type has. */
function columnOf(arrow: ArrowPackage, type: SchemaType, place: Place): WrittenColumn {
  if (type.kind !== 'nullable') return partOf(arrow, type, place, undefined);
  const valid = new Bits();
  const inner = partOf(arrow, type.value, place, valid);
  return {
    type: inner.type,
    append(raw) {
      inner.append(raw);
      valid.push(raw !== null);
    },
    take: () => inner.take(),
  };
}

function partOf(
  arrow: ArrowPackage,
  type: SchemaType,
  place: Place,
  valid: Bits | undefined,
): WrittenColumn {
  switch (type.kind) {
    case 'array':
    case 'iterable':
      return listColumn(arrow, type, place, valid);
    case 'map':
      return mapColumn(arrow, type, place, valid);
    case 'row':
      return rowColumn(arrow, type, (name) => ({ ...place, path: `${place.path}.${name}` }), valid);
    default:
      return leafColumn(arrow, type, place, valid);
  }
}

function listColumn(
  arrow: ArrowPackage,
  { element: elementType }: SchemaType & { kind: 'array' | 'iterable' },
  place: Place,
  valid: Bits | undefined,
): WrittenColumn {
  const element = columnOf(arrow, elementType, { ...place, path: `${place.path}[]` });
  const type = new arrow.List(fieldOf(arrow, 'item', elementType, element));
  const ends = new Ends();
  let count = 0;
  return {
    type,
    append(raw) {
      const values = (raw ?? []) as readonly unknown[];
      for (const value of values) element.append(value);
      count += values.length;
      ends.push(count);
    },
    take() {
      const { length } = ends;
      count = 0;
      const valueOffsets = ends.take();
      return arrow.makeData({
        type,
        length,
        ...nullsOf(valid),
        valueOffsets,
        child: element.take(),
      });
    },
  };
}

function mapColumn(
  arrow: ArrowPackage,
  { key: keyType, value: valueType }: SchemaType & { kind: 'map' },
  place: Place,
  valid: Bits | undefined,
): WrittenColumn {
  const key = columnOf(arrow, keyType, { ...place, path: `${place.path}{key}` });
  const value = columnOf(arrow, valueType, { ...place, path: `${place.path}{}` });
  const entry = new arrow.Struct([
    fieldOf(arrow, 'key', keyType, key),
    fieldOf(arrow, 'value', valueType, value),
  ]);
  const type = new arrow.Map_(new arrow.Field('entries', entry, false));
  const ends = new Ends();
  let count = 0;
  return {
    type,
    append(raw) {
      const entries = (raw ?? []) as readonly { readonly key: unknown; readonly value: unknown }[];
      for (const one of entries) {
        key.append(one.key);
        value.append(one.value);
      }
      count += entries.length;
      ends.push(count);
    },
    take() {
      const { length } = ends;
      const valueOffsets = ends.take();
      const children = [key.take(), value.take()];
      const child = arrow.makeData({ type: entry, length: count, nullCount: 0, children });
      count = 0;
      return arrow.makeData({ type, length, ...nullsOf(valid), valueOffsets, child });
    },
  };
}

/** In the place of a row that there is not. */
const NOTHING: Readonly<Record<string, unknown>> = Object.create(null);

function rowColumn(
  arrow: ArrowPackage,
  { fields }: SchemaType & { kind: 'row' },
  placeOf: (name: string) => Place,
  valid?: Bits,
): WrittenColumn {
  const columns = fields.map(({ name, type }) => ({
    name,
    type,
    column: columnOf(arrow, type, placeOf(name)),
  }));
  const type = new arrow.Struct(
    columns.map(({ name, type: held, column }) => fieldOf(arrow, name, held, column)),
  );
  let length = 0;
  return {
    type,
    append(raw) {
      const values = (raw ?? NOTHING) as Readonly<Record<string, unknown>>;
      for (const { name, column } of columns) column.append(values[name] ?? null);
      length += 1;
    },
    take() {
      const children = columns.map(({ column }) => column.take());
      const data = arrow.makeData({ type, length, ...nullsOf(valid), children });
      length = 0;
      return data;
    },
  };
}
