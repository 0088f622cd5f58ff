// SPDX-License-Identifier: Apache-2.0
// A misspelt option would be left aside without a word: TypeScript refuses it in a literal only, and
// programs in JavaScript have nothing that does.

import { BeamBridgeError } from './errors.ts';

/** The names of options, each of them: the compiler refuses a list that lacks one. */
export type OptionNames<T> = Readonly<Record<keyof T & string, true>>;

/**
 * Refuses what is no object of options, and options that there are not. One that is undefined is none.
 *
 * @param of - what the program called
 * @param known - an object with the names
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function checkOptionNames(
  of: string,
  options: unknown,
  known: Readonly<Record<string, unknown>>,
): void {
  if (options === undefined) return;
  const names = Object.keys(known);
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: ${kindOf(options)} is no options`, {
      hint: `Give an object of ${names.join(', ')}.`,
    });
  }
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !Object.hasOwn(known, name)) throw unknownOption(of, name, names);
  }
}

/**
 * Refuses names that are one letter from those of options which were not given, where others are the program's own.
 * A function stands for an option that is one, and for no other.
 *
 * @param given - each name with its value
 * @param isFunction - by the names of all options
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function checkNearNames(
  of: string,
  given: ReadonlyMap<string, unknown>,
  isFunction: Readonly<Record<string, boolean>>,
): void {
  const missing = Object.keys(isFunction).filter((known) => given.get(known) === undefined);
  for (const [name, value] of given) {
    if (value === undefined || Object.hasOwn(isFunction, name)) continue;
    const isOne = typeof value === 'function';
    if (missing.some((known) => isFunction[known] === isOne && isNear(name, known))) {
      throw unknownOption(of, name, Object.keys(isFunction));
    }
  }
}

/**
 * Refuses a list of texts that is none: one text would be taken for a list of its letters, each of them the name
 * of somebody's package.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function checkTexts(name: string, value: unknown): void {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${name} is no array of texts`, {
    hint: `Give one, also for a single text: [${typeof value === 'string' ? JSON.stringify(value) : "'…'"}].`,
  });
}

/** The refusal of an option that there is not. */
export function unknownOption(of: string, name: string, known: readonly string[]): BeamBridgeError {
  const near = known.find((one) => isNear(name, one)) ?? known.find((one) => isAlike(name, one));
  const guess = near === undefined ? '' : `Did you mean ${near}? `;
  return new BeamBridgeError('INVALID_ARGUMENT', `${of}: there is no option ${name}`, {
    hint: `${guess}Options are ${known.join(', ')}.`,
  });
}

/** Whether one letter was left out, added, replaced, or swapped with its neighbour. */
export function isNear(name: string, known: string): boolean {
  const [a, b] = [plain(name), plain(known)];
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  return (
    restA === restB ||
    restA.slice(1) === restB ||
    restA === restB.slice(1) ||
    restA.slice(1) === restB.slice(1) ||
    (restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2))
  );
}

const plain = (name: string) => name.replaceAll(/[-_]/g, '').toLowerCase();

/** Whether one begins as the other, or has all words of the other: `skipHeader` for `skipHeaderLines`. */
function isAlike(name: string, known: string): boolean {
  const [short, long] = name.length < known.length ? [name, known] : [known, name];
  if (plain(short).length > 2 && plain(long).startsWith(plain(short))) return true;
  const words = wordsOf(long);
  const wanted = wordsOf(short);
  return wanted.length > 0 && wanted.every((word) => words.includes(word));
}

function wordsOf(name: string): string[] {
  const words = name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
  return words.split(/[-_]+/).filter((word) => word !== '');
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
