// SPDX-License-Identifier: Apache-2.0
// The shapes of columns that are put together here: values, and lists of values. All others are the package's.

import type { SchemaElement } from '../package.ts';

/** A column of values, or of lists of them, and what the levels of its leaf say. */
export interface LeafShape {
  readonly type: string;
  readonly typeLength: number | undefined;
  readonly isList: boolean;
  /** The definition level of a value; one less is a null, where {@link isOptional}. */
  readonly present: number;
  /** Whether a value may be null. */
  readonly isOptional: boolean;
  /** The definition level of a list without elements; less is a list that is null. */
  readonly empty: number;
}

/** @param elements - a column's part of the schema that is asked for */
export function shapeOf(elements: readonly SchemaElement[]): LeafShape | undefined {
  const [top, second, third] = elements;
  if (elements.length === 1 && top) return leaf(top, top.repetition_type === 'REPEATED', 0);
  if (top?.converted_type !== 'LIST' || top.repetition_type === 'REPEATED') return undefined;
  if (second?.repetition_type !== 'REPEATED') return undefined;
  const empty = levelOf(top);
  // Of two levels: what is repeated is the element.
  if (elements.length === 2) return leaf(second, true, empty);
  if (elements.length !== 3 || third!.repetition_type === 'REPEATED') return undefined;
  return leaf(third!, true, empty);
}

function levelOf({ repetition_type }: SchemaElement): number {
  return repetition_type === 'OPTIONAL' ? 1 : 0;
}

function leaf(element: SchemaElement, isList: boolean, empty: number): LeafShape | undefined {
  const { type, type_length: typeLength } = element;
  if (type === undefined) return undefined;
  const optional = levelOf(element);
  const present = empty + (isList ? 1 : 0) + optional;
  return { type, typeLength, isList, present, isOptional: optional === 1, empty };
}
