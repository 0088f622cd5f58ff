// SPDX-License-Identifier: Apache-2.0
// Copies of values that a program gave, which may refer to themselves: a coder refuses such a value with a
// word, where copying it would go round until the stack is full.

import { BeamBridgeError } from '../base/index.ts';
import { transcode } from './codec.ts';
import type { Coder } from './coder.ts';
import { describeValue } from './describe.ts';
import { JsCoder } from './js/js-coder.ts';
import * as own from './own-copy.ts';

/**
 * A value with nothing in it that others hold, see `own-copy.ts`.
 *
 * @throws BeamBridgeError `CODER_MISMATCH` for one that refers to itself
 */
export function ownCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return own.ownCopy(value);
  } catch (error) {
    if (!isOverflow(error)) throw error;
    throw new BeamBridgeError('CODER_MISMATCH', `${describeValue(value)} cannot be kept`, {
      hint: 'It nests too deep, most likely because it refers to itself: give plain data without cycles.',
      cause: error,
    });
  }
}

/** The same for a value of a declared type, which may say less of it than there is, see `own-copy.ts`. */
export function ownCopyOr<T>(value: T, otherwise: (value: T) => T): T {
  try {
    return own.ownCopyOr(value, otherwise);
  } catch (error) {
    if (!isOverflow(error)) throw error;
    return otherwise(value);
  }
}

/** The same by a coder, which takes instances of classes that nobody registered for what it writes of them. */
export function ownCopyBy<T>(coder: Coder<T>, value: T): T {
  return ownCopyOr(value, (other) => transcode(coder, other));
}

/**
 * A value as whoever reads it later finds it, in whatever bundle: with a declared type what that says of it, such
 * as a float32 that is rounded, and a field that was missing and is null.
 *
 * @throws BeamBridgeError what the coder refuses a value with that does not fit
 */
export function storedForm<T>(coder: Coder<T>, value: T): T {
  return (coder as Coder<unknown>) instanceof JsCoder
    ? ownCopyBy(coder, value)
    : transcode(coder, value);
}

/** What a function made of one's own value and of `given`, see `own-copy.ts`. */
export function ownResult<T>(result: T, given: unknown): T {
  return result === given ? ownCopy(result) : result;
}

function isOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes('call stack');
}
