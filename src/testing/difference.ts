// SPDX-License-Identifier: Apache-2.0
// Two collections compared without regard to order, and what differs in a form for people.

import { deepStrictEqual } from 'node:assert';
import { inspect } from 'node:util';
import { BeamBridgeError } from '../base/index.ts';

const WHOLE = {
  depth: Number.POSITIVE_INFINITY,
  maxArrayLength: Number.POSITIVE_INFINITY,
  maxStringLength: Number.POSITIVE_INFINITY,
  breakLength: Number.POSITIVE_INFINITY,
  sorted: true,
} as const;

/** Elements that are equal in depth have the same text, whatever the order of their fields. */
function sortedByText<T>(elements: readonly T[]): T[] {
  return elements
    .map((element) => ({ element, text: inspect(element, WHOLE) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ element }) => element);
}

/** What differs, or undefined when both hold the same elements, equal in depth, each as often. */
export function difference<T>(actual: readonly T[], expected: readonly T[]): string | undefined {
  try {
    deepStrictEqual(sortedByText(actual), sortedByText(expected));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Checks that both hold the same elements.
 *
 * @param where - which elements these are, such as `the late panes`. @default all of a PCollection
 * @throws BeamBridgeError `ASSERTION_FAILED` with what differs
 */
export function checkContents<T>(actual: readonly T[], expected: readonly T[], where = ''): void {
  const detail = difference(actual, expected);
  if (detail === undefined) return;
  const place = where === '' ? '' : ` in ${where}`;
  throw new BeamBridgeError(
    'ASSERTION_FAILED',
    `the PCollection does not hold the expected elements${place} (${actual.length} found, ${expected.length} expected)`,
    { detail },
  );
}
