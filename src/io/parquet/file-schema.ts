// SPDX-License-Identifier: Apache-2.0
// What a file says of its columns: the tree that its footer lists, and what the values of a leaf are.

import { BeamBridgeError } from '../../base/index.ts';
import type { SchemaElement } from './package.ts';

/** A column, or a part of one. */
export interface FileNode {
  readonly element: SchemaElement;
  readonly children: readonly FileNode[];
  /** Its children, by name; nothing for a name that several have. */
  readonly named: ReadonlyMap<string, FileNode | undefined>;
  /** Of a leaf: which column of a row group it is. */
  readonly leaf: number | undefined;
}

/** The columns of a file, as children of one that has no name of use. @throws `MALFORMED_DATA` for a list that is no tree */
export function treeOf(elements: readonly SchemaElement[]): FileNode {
  let next = 0;
  let leaves = 0;
  const take = (depth: number): FileNode => {
    const element = elements[next++];
    if (element === undefined || depth > DEEPEST)
      throw new BeamBridgeError('MALFORMED_DATA', 'the schema in its footer is no tree');
    const { num_children: count = 0, type } = element;
    if (type !== undefined) return { element, children: [], named: NONE, leaf: leaves++ };
    const children: FileNode[] = [];
    for (let at = 0; at < count; at++) children.push(take(depth + 1));
    return { element, children, named: byName(children), leaf: undefined };
  };
  const root = take(0);
  if (next !== elements.length || root.leaf !== undefined)
    throw new BeamBridgeError('MALFORMED_DATA', 'the schema in its footer is no tree');
  return root;
}

const DEEPEST = 200;
const NONE: ReadonlyMap<string, undefined> = new Map();

function byName(nodes: readonly FileNode[]): ReadonlyMap<string, FileNode | undefined> {
  const named = new Map<string, FileNode | undefined>();
  for (const node of nodes) {
    const { name } = node.element;
    named.set(name, named.has(name) ? undefined : node);
  }
  return named;
}

/** What a leaf holds. */
export type Leaf =
  | { readonly kind: 'boolean' | 'string' | 'bytes' | 'uuid' | 'date' | 'float16' }
  | { readonly kind: 'float32' | 'float64' | 'int96' }
  | { readonly kind: 'int'; readonly isSigned: boolean; readonly isLong: boolean }
  | { readonly kind: 'decimal'; readonly scale: number }
  | { readonly kind: 'timestamp'; readonly unit: string }
  | { readonly kind: 'other'; readonly name: string };

/** Whether a group is annotated as a list or a map. */
export function annotationOf({ converted_type, logical_type }: SchemaElement): string | undefined {
  const name = logical_type?.type ?? converted_type;
  return name === 'MAP_KEY_VALUE' ? 'MAP' : name;
}

const INTEGERS = /^(U?)INT_(?:8|16|32|64)$/;
const STRINGS = new Set(['UTF8', 'STRING', 'ENUM', 'JSON']);

/** What a leaf's values are. */
export function leafOf(element: SchemaElement): Leaf {
  const { type = '', converted_type: converted, logical_type: logical } = element;
  const name = logical?.type ?? converted;
  const isLong = type === 'INT64';
  if (isLong || type === 'INT32') {
    if (name === undefined) return { kind: 'int', isSigned: true, isLong };
    if (name === 'INTEGER') return { kind: 'int', isSigned: logical?.isSigned !== false, isLong };
    const whole = INTEGERS.exec(name);
    if (whole) return { kind: 'int', isSigned: whole[1] === '', isLong };
    if (name === 'DECIMAL') return decimal(element);
    if (name === 'DATE' && !isLong) return { kind: 'date' };
    if (name === 'TIMESTAMP' && isLong) return { kind: 'timestamp', unit: logical?.unit ?? '' };
    if (name === 'TIMESTAMP_MILLIS' && isLong) return { kind: 'timestamp', unit: 'MILLIS' };
    if (name === 'TIMESTAMP_MICROS' && isLong) return { kind: 'timestamp', unit: 'MICROS' };
    return { kind: 'other', name };
  }
  if (type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY') {
    if (name === undefined || name === 'BSON') return { kind: 'bytes' };
    if (STRINGS.has(name)) return { kind: 'string' };
    if (name === 'DECIMAL') return decimal(element);
    if (name === 'UUID' && element.type_length === 16) return { kind: 'uuid' };
    if (name === 'FLOAT16' && element.type_length === 2) return { kind: 'float16' };
    return { kind: 'other', name };
  }
  if (name !== undefined) return { kind: 'other', name };
  if (type === 'BOOLEAN') return { kind: 'boolean' };
  if (type === 'FLOAT') return { kind: 'float32' };
  if (type === 'DOUBLE') return { kind: 'float64' };
  if (type === 'INT96') return { kind: 'int96' };
  return { kind: 'other', name: type };
}

function decimal({ scale, logical_type }: SchemaElement): Leaf {
  return { kind: 'decimal', scale: logical_type?.scale ?? scale ?? 0 };
}

/** A part of a file as messages tell it. */
export function told({ element, children, leaf }: FileNode): string {
  const annotation = annotationOf(element);
  const repeated = element.repetition_type === 'REPEATED' ? 'repeated ' : '';
  if (leaf === undefined) {
    const names = children.map((child) => child.element.name).slice(0, 8);
    return `${repeated}${annotation ?? `a group of ${names.join(', ')}`}`;
  }
  const { precision, scale = 0, logical_type: logical } = element;
  const more =
    annotation === 'DECIMAL'
      ? `DECIMAL(${logical?.precision ?? precision}, ${logical?.scale ?? scale})`
      : annotation === 'TIMESTAMP'
        ? `TIMESTAMP(${logical?.unit})`
        : annotation === 'INTEGER'
          ? `${logical?.isSigned === false ? 'U' : ''}INT_${logical?.bitWidth}`
          : annotation;
  return `${repeated}${element.type}${more === undefined ? '' : ` (${more})`}`;
}
