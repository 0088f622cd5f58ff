// SPDX-License-Identifier: Apache-2.0
// The part of a file's name that follows from an element. Whatever it is, the file lies where the prefix says, and no two
// destinations are one file.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue, isWellFormed } from '../../coders/index.ts';
import { baseOf } from '../stores/output-names.ts';

/** What follows the prefix in the names of an element's files. */
export type Destination<T> = (element: T) => string;

const LOOKS_LIKE = "'country=de/part'";

/**
 * The function that a program gave, each of whose answers is looked at.
 *
 * @param prefix - of the output, which a destination continues
 * @throws `INVALID_ARGUMENT` for what is no function
 */
export function checkedDestination<T>(
  transform: string,
  prefix: string,
  separator: string,
  given: Destination<T>,
): Destination<T> {
  if (typeof given !== 'function') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${transform}: destination is ${describeValue(given)}`,
      { hint: `Give a function from an element to text such as ${LOOKS_LIKE}.` },
    );
  }
  const base = baseOf(prefix, separator);
  return (element) => {
    const destination = given(element);
    checkDestination(transform, destination, base);
    return destination;
  };
}

/** What nearly all destinations are, seen at once: names that begin and end with a letter, a digit or `=`, `_`, `-`. */
const PLAIN = /^[\w=-]+(?:\.[\w=-]+)*(?:\/[\w=-]+(?:\.[\w=-]+)*)*$/;

/**
 * @param base - what the prefix has behind its last separator, which the first name of the destination goes on from
 * @throws `INVALID_ARGUMENT`
 */
function checkDestination(transform: string, given: unknown, base: string): void {
  if (typeof given === 'string' && PLAIN.test(given)) return;
  const wrong = whatIsWrong(given, base);
  if (wrong === undefined) return;
  const [what, hint] = wrong;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${transform}: destination gave ${describeValue(given)}${what}`,
    { hint },
  );
}

type Wrong = [what: string, hint: string] | undefined;

function whatIsWrong(given: unknown, base: string): Wrong {
  if (typeof given !== 'string') {
    const isPromise = typeof (given as PromiseLike<unknown> | undefined)?.then === 'function';
    return isPromise
      ? ['', 'It cannot be async: find out in a step before, and put it into the element.']
      : ['', `Give text, such as ${LOOKS_LIKE}.`];
  }
  if (given.startsWith('/'))
    return [
      ', which begins with a slash',
      'The prefix says where the files are: give what follows it.',
    ];
  if (given.includes('\0')) return [', which holds a NUL', 'No file can have such a name.'];
  if (!isWellFormed(given))
    return [', which holds half a surrogate pair', 'No file can have such a name.'];
  const names = `${base}${given}`.split('/');
  if (names.includes('..') || names.includes('.'))
    return [', which leads to another folder', "Leave names that are '.' or '..' out."];
  // The last name goes on with the number of the shard.
  if (names.slice(1, -1).includes(''))
    return [', which has an empty name in it', 'Put one slash between names.'];
  return undefined;
}
