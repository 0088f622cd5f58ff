// SPDX-License-Identifier: Apache-2.0
// The pages of a column as one value for each row.

import type { Page } from './pages.ts';
import type { LeafShape } from './shape.ts';
import type { Values } from './values.ts';

/** A column of lists: their elements one behind the other. */
export class RawLists {
  readonly length: number;

  constructor(
    /** Numbers without nulls are typed. */
    readonly values: Values,
    /** Where the elements of each row begin, and behind all rows where they end. */
    readonly offsets: Int32Array,
    /** Which rows have no list, where there are some. */
    readonly missing: Uint8Array | undefined,
  ) {
    this.length = offsets.length - 1;
  }

  /** The elements of a row; nothing where it has no list. */
  at(row: number): Values | undefined {
    if (this.missing?.[row]) return undefined;
    const { values, offsets } = this;
    const [from, to] = [offsets[row]!, offsets[row + 1]!];
    return Array.isArray(values)
      ? values.slice(from, to)
      : (values as Float64Array).subarray(from, to);
  }
}

/**
 * A value for each row, null where it is.
 *
 * @throws where there are not as many
 */
export function flatOf(pages: readonly Page[], { present }: LeafShape, rows: number): Values {
  const count = pages.reduce((sum, page) => sum + page.count, 0);
  if (count !== rows) throw new Error('a column has another number of values than of rows');
  if (pages.every((page) => page.values.length === page.count)) return joined(pages, rows);
  const all = new Array<unknown>(rows);
  let to = 0;
  for (const { count: levels, definition, values } of pages) {
    let next = 0;
    for (let at = 0; at < levels; at++) {
      const level = typeof definition === 'number' ? definition : definition[at]!;
      if (level > present) throw new Error('a level is too high');
      all[to++] = level === present ? values[next++] : null;
    }
  }
  return all;
}

/** @throws where the levels are none of so many lists */
export function listsOf(pages: readonly Page[], shape: LeafShape, rows: number): RawLists {
  const { present, isOptional, empty } = shape;
  const offsets = new Int32Array(rows + 1);
  let missing: Uint8Array | undefined;
  let row = 0;
  let elements = 0;
  let hasNulls = false;
  // Whether the list of the row has elements, so that further ones may follow.
  let isOpen = false;
  for (const { count, repetition, definition } of pages) {
    for (let at = 0; at < count; at++) {
      const level = typeof definition === 'number' ? definition : definition[at]!;
      const isNext = (typeof repetition === 'number' ? repetition : repetition[at]!) === 0;
      if (isNext) {
        if (row === rows) throw new Error('a column has more lists than rows');
        offsets[row++] = elements;
        isOpen = level > empty;
      } else if (!isOpen) throw new Error('an element is of no list');
      if (level === present || (isOptional && level === present - 1)) {
        elements += 1;
        if (level !== present) hasNulls = true;
        continue;
      }
      if (level > present || !isNext) throw new Error('levels are none of a list');
      if (level < empty) {
        missing ??= new Uint8Array(rows);
        missing[row - 1] = 1;
      }
    }
  }
  if (row !== rows) throw new Error('a column has fewer lists than rows');
  offsets[rows] = elements;
  const values = hasNulls ? withNulls(pages, shape, elements) : joined(pages, elements);
  if (values.length !== elements) throw new Error('a column has other values than its lists');
  return new RawLists(values, offsets, missing);
}

/** The elements of lists, with those that are null. */
function withNulls(pages: readonly Page[], { present }: LeafShape, length: number): unknown[] {
  const all = new Array<unknown>(length);
  let to = 0;
  for (const { count, definition, values } of pages) {
    let next = 0;
    for (let at = 0; at < count; at++) {
      const level = typeof definition === 'number' ? definition : definition[at]!;
      if (level === present) all[to++] = values[next++];
      else if (level === present - 1) all[to++] = null;
    }
  }
  return all;
}

/** The values of all pages, typed where those of all are. */
function joined(pages: readonly Page[], length: number): Values {
  const some = pages.map(({ values }) => values).filter((values) => values.length > 0);
  const [first] = some;
  if (!first) return [];
  if (some.length === 1) return first;
  const Typed = first.constructor as Float64ArrayConstructor;
  if (!Array.isArray(first) && some.every((values) => values.constructor === Typed)) {
    const all = new Typed(length);
    let at = 0;
    for (const values of some) {
      all.set(values as Float64Array, at);
      at += values.length;
    }
    return all;
  }
  const all: unknown[] = [];
  for (const values of some) for (let at = 0; at < values.length; at++) all.push(values[at]);
  return all;
}
