// SPDX-License-Identifier: Apache-2.0
// Fields and keys of elements, by name or by a function of the user's.

import { BeamBridgeError, isThenable } from '../base/index.ts';
import { describeValue, setField } from '../coders/index.ts';
import { extractName } from '../pipeline/index.ts';

export type Row = Record<string, unknown>;

/** How to find an element's key, and how the key appears in a combined row. */
export interface KeySpec {
  readonly label: string;
  /** The fields of a combined row that are the key, or parts of it. */
  readonly fields: readonly string[];
  keyOf(element: unknown): unknown;
  addTo(row: Row, key: unknown): void;
}

/** @throws `INVALID_ARGUMENT` when `key` is no field name, list of names or function */
export function keySpec(key: unknown, keyName: string): KeySpec {
  if (typeof key === 'string') {
    return {
      label: key,
      fields: [key],
      keyOf: (element) => field(element, key),
      addTo: (row, value) => setField(row, key, value),
    };
  }
  if (typeof key === 'function') {
    return {
      label: extractName(key) ?? '',
      fields: [keyName],
      keyOf: key as (element: unknown) => unknown,
      addTo: (row, value) => setField(row, keyName, value),
    };
  }
  if (Array.isArray(key) && key.length > 0 && key.every((name) => typeof name === 'string')) {
    const names: readonly string[] = [...key];
    return {
      label: names.join(', '),
      fields: names,
      keyOf: (element) => names.map((name) => field(element, name)),
      addTo: (row, values) => {
        for (const [i, name] of names.entries()) setField(row, name, (values as unknown[])[i]);
      },
    };
  }
  throw new BeamBridgeError('INVALID_ARGUMENT', `a key cannot come from ${describeValue(key)}`, {
    hint: "Pass a field's name, an array of names, or a function of an element.",
  });
}

/** @throws `INVALID_ARGUMENT` for elements that have no such field */
export function field(element: unknown, name: string): unknown {
  if (typeof element === 'object' && element !== null && isField(element, name)) {
    return (element as Record<string, unknown>)[name];
  }
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `an element has no field ${JSON.stringify(name)}: ${describeValue(element)}`,
    { hint: 'Check the name, or pass a function of an element in its place.' },
  );
}

/** Its own, or what a getter of its class gives: what all objects inherit is no field, nor is a method. */
function isField(element: object, name: string): boolean {
  if (Object.hasOwn(element, name)) return true;
  for (
    let at: object | null = Object.getPrototypeOf(element);
    at && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return found.get !== undefined;
  }
  return false;
}

/** `then` for values that may or may not be promises, without the wait for those that are not. */
export function whenKnown<T, R>(value: T | PromiseLike<T>, then: (value: T) => R): R | Promise<R> {
  // `resolve` waits for what another promise or thenable gives in its turn.
  return isThenable(value) ? Promise.resolve(value as PromiseLike<T>).then(then) : then(value as T);
}

/** An array of values of which some are promises as the promise of an array. */
export function allKnown(values: unknown[]): unknown[] | Promise<unknown[]> {
  return values.some(isThenable) ? Promise.all(values) : values;
}
