// SPDX-License-Identifier: Apache-2.0
// What is given as an iterable and can be read once: a second reader would get a part of it, or nothing,
// without a word. It is known by its identity, in all pipelines of this process.

import { BeamBridgeError } from '../base/index.ts';
import type { Pipeline } from '../pipeline/index.ts';

/** By iterable, who is to read it: a pipeline that was built and never run has not read it. */
const readers = new WeakMap<object, { pipeline: Pipeline; hasBegun: boolean }>();

/** Says that a source of a pipeline is to read an iterable. @throws `INVALID_ARGUMENT` for the second */
export function claimReading(iterable: object, pipeline: Pipeline): void {
  const reader = readers.get(iterable);
  if (reader && (reader.hasBegun || reader.pipeline === pipeline)) throw refused();
  readers.set(iterable, { pipeline, hasBegun: false });
}

/** Says that a source of a pipeline begins to read it. @throws `INVALID_ARGUMENT` for the second */
export function beginReading(iterable: object, pipeline: Pipeline): void {
  if (readers.get(iterable)?.hasBegun) throw refused();
  readers.set(iterable, { pipeline, hasBegun: true });
}

function refused(): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_ARGUMENT',
    'fromAsyncIterable was given an iterable that another source reads: it can be read once',
    { hint: 'Give a function that returns a new one each time: fromAsyncIterable(() => read()).' },
  );
}

const usedUp = new WeakSet<object>();

/**
 * All elements of an iterable, for a source that keeps them. What is an iterator itself, as a generator is,
 * has none when it is asked again.
 *
 * @throws `INVALID_ARGUMENT` for an iterator that was asked before
 */
export function allOf<T>(iterable: Iterable<T>, what: string): readonly T[] {
  if (Array.isArray(iterable)) return iterable as readonly T[];
  const iterator = iterable[Symbol.iterator]() as Iterator<T> & object;
  if ((iterator as unknown) !== iterable) return [...iterable];
  if (usedUp.has(iterator)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${what} was given an iterator that was read before: it can be read once`,
      { hint: 'Collect it into an array first: const elements = [...iterator].' },
    );
  }
  usedUp.add(iterator);
  return [...iterable];
}
