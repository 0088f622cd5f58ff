// SPDX-License-Identifier: Apache-2.0
// The declared type against the columns of a file: which of them are read, and what their values become. All of it is
// known before a row is read.

import { BeamBridgeError } from '../../base/index.ts';
import { setField } from '../../coders/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { Misfit } from '../records/misfit.ts';
import { DamagedColumn } from './damaged-column.ts';
import { annotationOf, type FileNode, leafOf } from './file-schema.ts';
import { isNullEmpty, type ListType, listOf, type TypedLists } from './list-values.ts';
import { mismatch } from './mismatch.ts';
import type { SchemaElement } from './package.ts';
import { leafReader, type PlainNumbers, plainNumbers } from './values.ts';

/** The value, or null. @throws {@link Misfit}, {@link DamagedColumn} */
export type PartReader = (raw: unknown) => unknown;

/** A leaf that is read: which column of a row group it is, and where it is in the schema that is asked for. */
export interface WantedLeaf {
  readonly index: number;
  readonly path: string[];
  /** How its values lie, as far as the package is told. */
  readonly type: string | undefined;
}

/** A part of a file that is read. */
export interface Matched {
  /** What of the schema is asked for: as it is built, and without what values mean, which is decided here. */
  readonly elements: SchemaElement[];
  readonly leaves: WantedLeaf[];
  readonly read: PartReader;
  /** For numbers: between which ones those that are raw are what {@link read} would give. */
  readonly plain?: PlainNumbers | undefined;
  /** Whether {@link read} takes numbers, too, for whole numbers of 64 bits, in lists as well. */
  readonly takesNumbers?: boolean | undefined;
  /** For lists that become typed arrays: what their elements are. */
  readonly lists?: TypedLists | undefined;
}

/** A column that is read. */
export interface MatchedColumn extends Matched {
  /** The declared field. */
  readonly field: string;
  /** The column's name in the file. */
  readonly name: string;
}

/**
 * A column that a declared field is read from.
 *
 * @throws `HEADER_MISMATCH` for one that is missing, there twice, or of another type
 */
export function matchColumn(
  field: string,
  name: string,
  type: SchemaType,
  columns: FileNode,
): MatchedColumn {
  const matched = matchPart(type, only(columns, name, name), [], name);
  return { ...matched, field, name };
}

/** The one part of a name. */
function only({ children, named }: FileNode, name: string, path: string): FileNode {
  const part = named.get(name);
  if (part) return part;
  const names = children.slice(0, 30).map(({ element }) => element.name);
  const listed = names.join(', ') + (children.length > 30 ? ', …' : '');
  const why = named.has(name) ? `it has a column ${path} twice` : `it has no column ${path}`;
  throw new BeamBridgeError('HEADER_MISMATCH', why, { hint: `It has: ${listed || 'none'}.` });
}

function matchPart(type: SchemaType, part: FileNode, above: string[], path: string): Matched {
  if (type.kind === 'nullable') {
    const inner = matchPart(type.value, part, above, path);
    const isLeaf = part.leaf !== undefined;
    const isEmpty = isNullEmpty(part);
    const { read } = inner;
    return {
      ...inner,
      read: (raw) => {
        if (raw === null) return isEmpty ? read(raw) : null;
        if (raw !== undefined) return read(raw);
        if (isLeaf) throw new DamagedColumn();
        return null;
      },
    };
  }
  const { read, ...matched } = matchValue(type, part, above, path);
  const isEmpty = isNullEmpty(part);
  return {
    ...matched,
    read: (raw) => {
      if (raw !== null && raw !== undefined) return read(raw);
      if (raw === undefined && part.leaf !== undefined) throw new DamagedColumn();
      if (raw === null && isEmpty) return read([]);
      throw new Misfit('it is null', `Declare it nullable(${typeName(type)}).`);
    },
  };
}

/** A part whose values are there, or refused. */
function matchValue(type: SchemaType, part: FileNode, above: string[], path: string): Matched {
  const isRepeated = part.element.repetition_type === 'REPEATED';
  if (!isRepeated && part.leaf !== undefined && annotationOf(part.element) === 'NULL')
    return matchLeaf(part.element, part.leaf, above, noNull);
  switch (type.kind) {
    case 'array':
    case 'iterable': {
      if (!isRepeated) return matchList(type, part, above, path);
      const bare = matchOnce(type.element, part, above, `${path}[]`);
      return { ...bare, ...listOf(type, bare) };
    }
    default:
      if (isRepeated) throw mismatch(type, part, path);
      return matchOne(type, part, above, path);
  }
}

/** A part that is repeated, as one of its values. */
function matchOnce(type: SchemaType, part: FileNode, above: string[], path: string): Matched {
  const { element } = part;
  // What is repeated has no nulls of its own.
  const once = { ...part, element: { ...element, repetition_type: 'REQUIRED' } };
  const matched = matchPart(type, once, above, path);
  const [first, ...rest] = matched.elements;
  return { ...matched, elements: [{ ...first!, repetition_type: 'REPEATED' }, ...rest] };
}

function matchOne(type: SchemaType, part: FileNode, above: string[], path: string): Matched {
  if (type.kind === 'map') return matchMap(type, part, above, path);
  if (type.kind === 'row') return matchRow(type, part, above, path);
  const { element, leaf } = part;
  if (leaf === undefined) throw mismatch(type, part, path);
  const held = leafOf(element);
  const read = leafReader(type, held);
  if (!read) throw mismatch(type, part, path);
  const plain = plainNumbers(type, held);
  const takesNumbers = plain !== undefined && held.kind === 'int' && held.isLong;
  return { ...matchLeaf(element, leaf, above, read), plain, takesNumbers };
}

function matchLeaf(
  element: SchemaElement,
  index: number,
  above: string[],
  read: PartReader,
): Matched {
  const name = nameIn(element.name, above);
  const { repetition_type } = element;
  // The package makes numbers of INT96 that lose the day of a time before 1970.
  const { type, type_length } =
    element.type === 'INT96' ? { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 12 } : element;
  return {
    elements: [{ name, type, type_length, repetition_type }],
    leaves: [{ index, path: [...above, name], type }],
    read,
  };
}

/** A value in a column that the file says is of nulls alone, and so of every type. */
function noNull(): never {
  throw new Misfit('the file says that its column is of nulls alone, and it is none');
}

/** Names that the package takes for something else, as parts of a path or of an object, get another. */
function nameIn(name: string, above: readonly string[]): string {
  const isSafe = name !== '__proto__' && !name.includes('.');
  return isSafe ? name : `\u0000${above.length}${Buffer.from(name).toString('hex')}`;
}

function group(
  { element }: FileNode,
  name: string,
  children: number,
  isList: boolean,
): SchemaElement {
  const { repetition_type } = element;
  const converted_type = isList ? 'LIST' : undefined;
  return { name, repetition_type, num_children: children, converted_type };
}

function matchRow(
  type: SchemaType & { kind: 'row' },
  part: FileNode,
  above: string[],
  path: string,
): Matched {
  if (part.leaf !== undefined || annotationOf(part.element) !== undefined)
    throw mismatch(type, part, path);
  const name = nameIn(part.element.name, above);
  const inside = [...above, name];
  const fields = type.fields.map(({ name: field, type: declared }) => {
    const at = `${path}.${field}`;
    const matched = matchPart(declared, only(part, field, at), inside, at);
    return { field, raw: nameIn(field, inside), ...matched };
  });
  return {
    elements: [
      group(part, name, fields.length, false),
      ...fields.flatMap(({ elements }) => elements),
    ],
    leaves: fields.flatMap(({ leaves }) => leaves),
    read: (raw) => {
      const value: Record<string, unknown> = {};
      for (const { field, raw: key, read } of fields)
        setField(value, field, readIn(field, read, (raw as Record<string, unknown>)[key]));
      return value;
    },
  };
}

function readIn(step: string, read: PartReader, raw: unknown): unknown {
  try {
    return read(raw);
  } catch (error) {
    throw error instanceof Misfit ? error.within(step) : error;
  }
}

/**
 * A list as the format's rules have it: a group of a repeated group with the element in it, and older forms.
 * Source: https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists
 */
function matchList(type: ListType, part: FileNode, above: string[], path: string): Matched {
  const [repeated, other] = part.children;
  const isList =
    annotationOf(part.element) === 'LIST' &&
    repeated?.element.repetition_type === 'REPEATED' &&
    other === undefined;
  if (!isList) throw mismatch(type, part, path);
  const name = nameIn(part.element.name, above);
  const inside = [...above, name];
  const at = `${path}[]`;
  const [element, second] = repeated.children;
  const isElement = ['array', `${part.element.name}_tuple`].includes(repeated.element.name);
  if (element && !second && !isElement && element.element.repetition_type !== 'REPEATED') {
    const step = nameIn(repeated.element.name, inside);
    const matched = matchPart(type.element, element, [...inside, step], at);
    return {
      elements: [group(part, name, 1, true), group(repeated, step, 1, false), ...matched.elements],
      leaves: matched.leaves,
      ...listOf(type, matched),
    };
  }
  const matched = matchOnce(type.element, repeated, inside, at);
  const isLeaf = repeated.leaf !== undefined;
  const list = listOf(type, matched);
  const step = nameIn(repeated.element.name, inside);
  return {
    elements: [group(part, name, 1, isLeaf), ...matched.elements],
    leaves: matched.leaves,
    ...(isLeaf ? list : { read: (raw) => list.read((raw as Record<string, unknown>)[step]) }),
  };
}

function matchMap(
  type: SchemaType & { kind: 'map' },
  part: FileNode,
  above: string[],
  path: string,
): Matched {
  const [repeated, other] = part.children;
  const isMap =
    annotationOf(part.element) === 'MAP' &&
    repeated?.element.repetition_type === 'REPEATED' &&
    repeated.children.length === 2 &&
    other === undefined;
  if (!isMap) throw mismatch(type, part, path);
  const name = nameIn(part.element.name, above);
  const step = nameIn(repeated.element.name, [...above, name]);
  const inside = [...above, name, step];
  const [keyPart, valuePart] = repeated.children as [FileNode, FileNode];
  const key = matchPart(type.key, keyPart, inside, `${path}{key}`);
  const value = matchPart(type.value, valuePart, inside, `${path}{}`);
  const [keyName, valueName] = [key.elements[0]!.name, value.elements[0]!.name];
  if (keyName === valueName) throw mismatch(type, part, path);
  return {
    elements: [
      group(part, name, 1, false),
      group(repeated, step, 2, false),
      ...key.elements,
      ...value.elements,
    ],
    leaves: [...key.leaves, ...value.leaves],
    read: (raw) => {
      const entries = (raw as Record<string, unknown>)[step];
      if (!Array.isArray(entries)) throw new DamagedColumn();
      const values = new Map<unknown, unknown>();
      for (const entry of entries as Record<string, unknown>[]) {
        const one = key.read(entry[keyName]);
        if (values.has(one)) throw new Misfit(`the key ${String(one)} is there twice`);
        values.set(one, readIn(String(one), value.read, entry[valueName]));
      }
      return values;
    },
  };
}
