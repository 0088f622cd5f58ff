// SPDX-License-Identifier: Apache-2.0
// One rule for every time that a program gives: of outputs, elements, timers, watermarks.

import { BeamBridgeError } from '../base/index.ts';
import { describeValue } from './describe.ts';
import { type Instant, MAX_TIMESTAMP, MIN_TIMESTAMP } from './values.ts';

/**
 * The instant that a program means: whole milliseconds since 1970. A fraction, as clocks of high
 * resolution have it, is cut off: the instant is the last millisecond that has begun. What converts
 * itself to a number, as a `Long` of the official SDK's does, counts as that number.
 *
 * @param what - whose time it is, for the error
 * @throws `INVALID_ARGUMENT` for what is no number, and for a number outside Beam's time
 */
export function instantOf(given: unknown, what: string): Instant {
  const number = numberOf(given);
  // Adding 0 makes 0 of -0.
  if (typeof number === 'number') {
    const whole = Math.floor(number) + 0;
    if (whole >= MIN_TIMESTAMP && whole <= MAX_TIMESTAMP) return whole;
  }
  const isOutside = typeof number === 'number' && Number.isFinite(number);
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    isOutside ? `${what} is ${number}, outside Beam's time` : `${what} is ${describeValue(given)}`,
    {
      hint: isOutside
        ? 'Times are milliseconds since 1970, not microseconds or nanoseconds.'
        : 'A time is a number of milliseconds since 1970: use date.getTime() for a Date. Date.parse gives NaN for a text that is no date.',
    },
  );
}

/** What converts itself to a number as that number; everything else as it is. */
export function numberOf(given: unknown): unknown {
  if (typeof given === 'bigint') return Number(given);
  const convertible = given as { toNumber?: unknown } | null | undefined;
  if (typeof given !== 'object' || typeof convertible?.toNumber !== 'function') return given;
  return convertible.toNumber();
}
