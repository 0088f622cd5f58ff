// SPDX-License-Identifier: Apache-2.0
// The declared type as the schema of files that are written, and rows as the values that lie in them.

import { setField } from '../../coders/index.ts';
import type { RowType, SchemaType } from '../../schema/index.ts';
import { Unwritable } from '../records/write-type.ts';
import { checkParquetType } from './declared-type.ts';
import type { SchemaElement } from './package.ts';
import { leafOf, type ParquetDecimal, type Place } from './write-leaf.ts';
import { tensorLists } from './write-tensor.ts';
import { listOf, type RawOf, type WrittenPart } from './written-part.ts';

/** A row as it lies in a file. */
export interface ParquetRow {
  /** By column. */
  readonly values: readonly unknown[];
  /** Of its values, before they are encoded and compressed. */
  readonly bytes: number;
  /** The columns that hold -0, which the package's dictionaries take for 0. */
  readonly withNegativeZero: readonly number[];
}

/** How rows become values. */
export interface ParquetRows {
  readonly elements: readonly SchemaElement[];
  /** @throws {@link Unwritable} for a row that is none of the type, `ROW_MISMATCH` for a decimal that its column cannot hold */
  row(row: unknown): ParquetRow;
}

/** Those of a decimal where nobody says: 20 digits in front of the point, and 18 behind it. */
export const DECIMAL: ParquetDecimal = { precision: 38, scale: 18 };

/**
 * How rows of a type are written.
 *
 * @param decimals - by field
 * @throws `INVALID_SCHEMA` for a type that Parquet has no values for
 */
export function parquetRows(
  schema: RowType<unknown>,
  decimals: Readonly<Record<string, ParquetDecimal | undefined>>,
): ParquetRows {
  checkParquetType(schema, '', true);
  const columns = schema.fields.map(({ name, type }) => ({
    name,
    ...written(name, type, { path: name, field: name, decimal: decimals[name] ?? DECIMAL }),
  }));
  const root = { name: 'schema', repetition_type: 'REQUIRED', num_children: columns.length };
  return {
    elements: [root, ...columns.flatMap(({ elements }) => elements)],
    row(row) {
      const tally = { bytes: 0, hasNegativeZero: false };
      const values = new Array<unknown>(columns.length);
      const withNegativeZero: number[] = [];
      for (let at = 0; at < columns.length; at++) {
        const { name, raw } = columns[at]!;
        values[at] = raw((row as Record<string, unknown>)[name], tally);
        if (!tally.hasNegativeZero) continue;
        withNegativeZero.push(at);
        tally.hasNegativeZero = false;
      }
      return { values, bytes: tally.bytes, withNegativeZero };
    },
  };
}

function written(name: string, type: SchemaType, place: Place): WrittenPart {
  if (type.kind !== 'nullable') return part(name, 'REQUIRED', type, place);
  const { elements, raw } = part(name, 'OPTIONAL', type.value, place);
  return {
    elements,
    raw: (value, tally) => (value === null || value === undefined ? null : raw(value, tally)),
  };
}

function part(
  name: string,
  repetition_type: 'REQUIRED' | 'OPTIONAL',
  type: SchemaType,
  place: Place,
): WrittenPart {
  const base = { name, repetition_type };
  const { path } = place;
  switch (type.kind) {
    case 'array':
    case 'iterable': {
      const element = written('element', type.element, { ...place, path: `${path}[]` });
      return { elements: listOf(base, element.elements), raw: listRaw(element.raw) };
    }
    case 'tensor':
      return tensorLists(base, type);
    case 'map': {
      const key = written('key', type.key, { ...place, path: `${path}{key}` });
      const value = written('value', type.value, { ...place, path: `${path}{}` });
      return {
        elements: [
          { ...base, num_children: 1, converted_type: 'MAP' },
          { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
          ...key.elements,
          ...value.elements,
        ],
        raw: mapRaw(key.raw, value.raw),
      };
    }
    case 'row': {
      const fields = type.fields.map(({ name: field, type: inner }) => ({
        field,
        ...written(field, inner, { ...place, path: `${path}.${field}` }),
      }));
      return {
        elements: [
          { ...base, num_children: fields.length },
          ...fields.flatMap(({ elements }) => elements),
        ],
        raw: rowRaw(fields),
      };
    }
    default: {
      const { raw, ...element } = leafOf(type, place);
      return { elements: [{ ...base, ...element }], raw };
    }
  }
}

function listRaw(element: RawOf): RawOf {
  return (values, tally) => {
    // What can be read twice: the coder makes an array of anything else.
    const isView = ArrayBuffer.isView(values) && !(values instanceof DataView);
    if (!Array.isArray(values) && !isView) throw new Unwritable();
    const { length } = values as ArrayLike<unknown>;
    const raw = new Array<unknown>(length);
    for (let at = 0; at < length; at++)
      raw[at] = element((values as ArrayLike<unknown>)[at], tally);
    return raw;
  };
}

function mapRaw(key: RawOf, value: RawOf): RawOf {
  return (values, tally) => {
    if (!(values instanceof Map)) throw new Unwritable();
    return Array.from(values, ([k, v]) => ({ key: key(k, tally), value: value(v, tally) }));
  };
}

function rowRaw(fields: readonly { readonly field: string; readonly raw: RawOf }[]): RawOf {
  return (row, tally) => {
    if (typeof row !== 'object' || row === null) throw new Unwritable();
    const values: Record<string, unknown> = {};
    for (const { field, raw } of fields)
      setField(values, field, raw((row as Record<string, unknown>)[field], tally));
    return values;
  };
}
