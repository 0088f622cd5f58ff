// SPDX-License-Identifier: Apache-2.0
// A part of a file that is written: its schema, and how values of it are converted.

import type { SchemaElement } from './package.ts';

/** What is counted while a value is converted. */
export interface Tally {
  bytes: number;
  hasNegativeZero: boolean;
}

/** The value as it lies in the file. @throws {@link Unwritable} */
export type RawOf = (value: unknown, tally: Tally) => unknown;

/** A part of a file's schema, and how its values are converted. */
export interface WrittenPart {
  readonly elements: readonly SchemaElement[];
  readonly raw: RawOf;
}

/** A list in the form that the format asks for: a group of a repeated group with the element in it. */
export function listOf(
  base: SchemaElement,
  element: readonly SchemaElement[],
): readonly SchemaElement[] {
  return [
    { ...base, num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    ...element,
  ];
}
