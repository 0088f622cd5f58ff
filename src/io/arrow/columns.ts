// SPDX-License-Identifier: Apache-2.0
// The declared type against the columns of a file: all that can be told is told before a row is read.

import { BeamBridgeError } from '../../base/index.ts';
import { setField, TYPED_ARRAY_KINDS, type TypedArrayKind } from '../../coders/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { leafReader, NONE, plainNumbers } from '../parquet/values.ts';
import { Misfit } from '../records/misfit.ts';
import type { ArrowData, ArrowField, ArrowPackage, ArrowType, Numbers } from './package.ts';
import { DamagedBuffer, leafOf, offsetsOf, rawOf } from './values.ts';

/** The value at a place. @throws {@link Misfit}, {@link DamagedBuffer} */
export type ValueAt = (at: number) => unknown;

/** Has values of a record batch read. @throws {@link DamagedBuffer} */
export type Bind = (data: ArrowData) => ValueAt;

/**
 * The one part of a name.
 *
 * @throws `HEADER_MISMATCH` where there is none, or two
 */
export function only(fields: readonly ArrowField[], name: string, path: string): number {
  // apache-arrow has no name for one that is empty.
  const isNamed = (field: ArrowField) => (field.name ?? '') === name;
  const at = fields.findIndex(isNamed);
  const isOnce = at >= 0 && fields.findLastIndex(isNamed) === at;
  if (isOnce) return at;
  const names = fields.slice(0, 30).map((field) => field.name);
  const listed = names.join(', ') + (fields.length > 30 ? ', …' : '');
  const why = at < 0 ? `it has no column ${path}` : `it has a column ${path} twice`;
  throw new BeamBridgeError('HEADER_MISMATCH', why, { hint: `It has: ${listed || 'none'}.` });
}

/** @throws `HEADER_MISMATCH` for a column of another type */
export function matchPart(
  arrow: ArrowPackage,
  type: SchemaType,
  held: ArrowType,
  path: string,
): Bind {
  const { Type } = arrow;
  if (held.typeId === Type.Dictionary) return matchDictionary(arrow, type, held, path);
  const isNullable = type.kind === 'nullable';
  if (held.typeId === Type.Null) return () => (isNullable ? () => null : () => noNull(type));
  const bind = matchValue(arrow, isNullable ? type.value : type, held, path);
  return (data) => withNulls(type, data, bind(data));
}

function noNull(type: SchemaType): never {
  throw new Misfit('it is null', `Declare it nullable(${typeName(type)}).`);
}

function withNulls(type: SchemaType, data: ArrowData, value: ValueAt): ValueAt {
  if (data.nullCount === 0) return value;
  if (type.kind === 'nullable') return (at) => (data.getValid(at) ? value(at) : null);
  return (at) => (data.getValid(at) ? value(at) : noNull(type));
}

/** Kinds whose values are handed to more than one row without being the same thing that a program may change. */
const SHARED = new Set(['string', 'enumeration', 'boolean', 'byte', 'int16', 'int32', 'int64']);

function matchDictionary(
  arrow: ArrowPackage,
  type: SchemaType,
  held: ArrowType,
  path: string,
): Bind {
  const bind = matchPart(arrow, type, held.dictionary!, path);
  const isShared = SHARED.has(type.kind === 'nullable' ? type.value.kind : type.kind);
  return (data) => {
    const { values, length } = data;
    if (values.length < length) throw new DamagedBuffer();
    const parts = (data.dictionary?.data ?? []).map((part) => ({
      length: part.length,
      value: bind(part),
    }));
    const entry: ValueAt = (index) => {
      let left = index;
      for (const part of parts) {
        if (left >= 0 && left < part.length) return part.value(left);
        left -= part.length;
      }
      throw new DamagedBuffer();
    };
    const known = new Map<number, unknown>();
    const sharedEntry: ValueAt = (index) => {
      const before = known.get(index);
      if (before !== undefined) return before;
      const value = entry(index);
      known.set(index, value);
      return value;
    };
    const read = isShared ? sharedEntry : entry;
    return withNulls(type, data, (at) => read(Number(values[at])));
  };
}

function matchValue(arrow: ArrowPackage, type: SchemaType, held: ArrowType, path: string): Bind {
  const { Type } = arrow;
  switch (type.kind) {
    case 'array':
    case 'iterable':
      return matchList(arrow, type, held, path);
    case 'row':
      if (held.typeId !== Type.Struct) throw mismatch(type, held, path);
      return matchRow(arrow, type, held.children ?? [], path);
    case 'map':
      if (held.typeId !== Type.Map) throw mismatch(type, held, path);
      return matchMap(arrow, type, held, path);
    default:
      return matchLeaf(arrow, type, held, path);
  }
}

function matchLeaf(arrow: ArrowPackage, type: SchemaType, held: ArrowType, path: string): Bind {
  const leaf = leafOf(arrow, held);
  const read = leaf && leafReader(type, leaf);
  if (!leaf || !read) throw mismatch(type, held, path);
  const { least, most } = plainNumbers(type, leaf) ?? NONE;
  return (data) => {
    const raw = rawOf(arrow, data);
    if (data.values instanceof BigInt64Array && type.kind === 'int64') {
      const { values } = data;
      return (at) => {
        const number = Number(values[at]);
        return Number.isSafeInteger(number) ? number : read(raw(at));
      };
    }
    if (least > most || leaf.kind === 'float16') return (at) => read(raw(at));
    const values = data.values as Numbers;
    return (at) => {
      const value = values[at]!;
      return value >= least && value <= most ? value : read(raw(at));
    };
  };
}

/** The values of all fields, as a row. */
export function matchRow(
  arrow: ArrowPackage,
  type: SchemaType & { kind: 'row' },
  held: readonly ArrowField[],
  path?: string,
  nameOf: (field: string) => string = (field) => field,
): Bind {
  const isTop = path === undefined;
  const fields = type.fields.map(({ name, type: declared }) => {
    const column = nameOf(name);
    const at = isTop ? column : `${path}.${column}`;
    const index = only(held, column, at);
    return { name, column, index, bind: matchPart(arrow, declared, held[index]!.type, at) };
  });
  return (data) => {
    const bound = fields.map(({ name, column, index, bind }) => {
      const part = data.children[index];
      if (!part || part.length < data.length) throw new DamagedBuffer();
      return { name, column, value: bind(part) };
    });
    return (at) => {
      const row: Record<string, unknown> = {};
      for (const { name, column, value } of bound) {
        try {
          setField(row, name, value(at));
        } catch (error) {
          if (!(error instanceof Misfit)) throw error;
          if (!isTop) throw error.within(name);
          const inner = error.column?.name ?? '';
          const label = column + (inner === '' || inner.startsWith('[') ? inner : `.${inner}`);
          throw error.of(label, `column ${label}`);
        }
      }
      return row;
    };
  };
}

/** Where the elements of each list are, among those of all. */
function elementsOf({ Type }: ArrowPackage, data: ArrowData): (at: number) => [number, number] {
  const all = data.children[0]?.length ?? 0;
  const { typeId, listSize = 0 } = data.type;
  if (typeId !== Type.FixedSizeList) return offsetsOf(data, all);
  if (all < listSize * data.length) throw new DamagedBuffer();
  return (at) => [at * listSize, (at + 1) * listSize];
}

type ListType = SchemaType & { kind: 'array' | 'iterable' };

function matchList(arrow: ArrowPackage, type: ListType, held: ArrowType, path: string): Bind {
  const { Type } = arrow;
  const lists = [Type.List, Type.LargeList, Type.FixedSizeList];
  const element = held.children?.[0];
  if (!lists.includes(held.typeId) || !element) throw mismatch(type, held, path);
  const bind = matchPart(arrow, type.element, element.type, `${path}[]`);
  const isTyped = type.kind === 'array' && type.typed === true;
  const Typed = isTyped ? TYPED_ARRAY_KINDS[type.element.kind as TypedArrayKind] : undefined;
  return (data) => {
    const between = elementsOf(arrow, data);
    const inner = data.children[0]!;
    const value = bind(inner);
    // As they lie, if that is what is asked for: a copy, since the file's bytes are those of a whole batch.
    if (Typed && inner.nullCount === 0 && inner.values.constructor === Typed)
      return (at) => (inner.values as Numbers).slice(...between(at));
    return (at) => {
      const [start, end] = between(at);
      const values = (Typed ? new Typed(end - start) : new Array(end - start)) as unknown[];
      for (let from = start; from < end; from++) {
        try {
          values[from - start] = value(from);
        } catch (error) {
          throw error instanceof Misfit ? error.within(`[${from - start}]`) : error;
        }
      }
      return values;
    };
  };
}

function matchMap(
  arrow: ArrowPackage,
  type: SchemaType & { kind: 'map' },
  held: ArrowType,
  path: string,
): Bind {
  const [keyField, valueField] = held.children?.[0]?.type.children ?? [];
  if (!keyField || !valueField) throw mismatch(type, held, path);
  const bindKey = matchPart(arrow, type.key, keyField.type, `${path}{key}`);
  const bindValue = matchPart(arrow, type.value, valueField.type, `${path}{}`);
  return (data) => {
    const between = elementsOf(arrow, data);
    const [keys, entries] = data.children[0]?.children ?? [];
    if (!keys || !entries) throw new DamagedBuffer();
    const key = bindKey(keys);
    const value = bindValue(entries);
    return (at) => {
      const [start, end] = between(at);
      const values = new Map<unknown, unknown>();
      for (let from = start; from < end; from++) {
        const one = key(from);
        if (values.has(one)) throw new Misfit(`the key ${String(one)} is there twice`);
        try {
          values.set(one, value(from));
        } catch (error) {
          throw error instanceof Misfit ? error.within(String(one)) : error;
        }
      }
      return values;
    };
  };
}

/** The error of a column of another type. */
function mismatch(type: SchemaType, held: ArrowType, path: string): BeamBridgeError {
  const name = type.kind === 'row' ? 'a row' : typeName(type);
  return new BeamBridgeError(
    'HEADER_MISMATCH',
    `its column ${path} is ${held}, and declared ${name}`,
    {
      hint: 'Declare it as the type of its values, or leave it out, and convert it in a map.',
    },
  );
}
