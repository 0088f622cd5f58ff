// SPDX-License-Identifier: Apache-2.0
// Assertions about the whole of a PCollection, to be applied to it.

import { BeamBridgeError } from '../base/index.ts';
import { extractName, type PCollection, type PTransformClass } from '../pipeline/index.ts';
import { Assertion, type Check } from './assertion.ts';
import { checkContents } from './difference.ts';

/**
 * Fails the pipeline unless the PCollection holds exactly these elements, in any order, equal in
 * depth and in type (as `node:assert` compares strictly). It runs for an empty PCollection too.
 *
 * @throws `ASSERTION_FAILED` from the run, with the difference as its detail
 *
 * @example
 * ```ts
 * await createRunner().run((root) => {
 *   root.apply(create([1, 2])).map((n) => n * n).apply(assertDeepEqual([4, 1]));
 * });
 * ```
 */
export function assertDeepEqual<T>(expected: Iterable<T>): PTransformClass<PCollection<T>, void> {
  const wanted = [...expected];
  return new Assertion<T>('assertDeepEqual', (actual) => checkContents(actual, wanted));
}

/**
 * Fails the pipeline when `check`, called once with all elements of all windows, throws, rejects or
 * returns false.
 * The elements have no order. It is called for an empty PCollection too.
 *
 * @throws `ASSERTION_FAILED` from the run, with what `check` threw as its cause
 *
 * @example
 * ```ts
 * scores.apply(assertContentsSatisfies((all) => assert.ok(all.every((score) => score >= 0))));
 * ```
 */
export function assertContentsSatisfies<T>(check: Check<T>): PTransformClass<PCollection<T>, void> {
  requireFunction(check, 'assertContentsSatisfies');
  const name = extractName(check);
  return new Assertion<T>(`assertContentsSatisfies${name ? `(${name})` : ''}`, check);
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` */
export function requireFunction(check: unknown, what: string): void {
  if (typeof check === 'function') return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${what} was given no function`, {
    hint: 'Pass a function that throws when the elements are not as they should be.',
  });
}
