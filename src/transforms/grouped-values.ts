// SPDX-License-Identifier: Apache-2.0
// The values of one key when a runner sends only the first of them with the element.

import { StateBackedIterable } from '../coders/index.ts';

/** Gives `use` values that a plain `for` can read, fetching what lies in the runner's state first. */
export function withLoaded<T, R>(
  values: Iterable<T>,
  use: (values: Iterable<T>) => R,
): R | Promise<R> {
  return values instanceof StateBackedIterable && values.token
    ? values.load().then(() => use(values))
    : use(values);
}

/** An output for each value, one at a time, so that a key's values need not fit in memory. */
export function eachValue<T, O>(
  values: Iterable<T>,
  output: (value: T) => O,
): Iterable<O> | AsyncIterable<O> {
  return values instanceof StateBackedIterable && values.token
    ? fetchEach(values, output)
    : readEach(values, output);
}

function* readEach<T, O>(values: Iterable<T>, output: (value: T) => O): Generator<O> {
  for (const value of values) yield output(value);
}

async function* fetchEach<T, O>(values: AsyncIterable<T>, output: (value: T) => O) {
  for await (const value of values) yield output(value);
}
