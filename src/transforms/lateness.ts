// SPDX-License-Identifier: Apache-2.0
// How late elements may be. Windows take seconds and timestamps are milliseconds, as in the official
// SDK: a plain number that is probably the one where the other is meant is refused.

import { BeamBridgeError } from '../base/index.ts';
import { IntervalWindow } from '../coders/index.ts';
import type { WindowFn } from '../pipeline/index.ts';

/** A duration that names its unit. Several units add up. */
export interface Duration {
  readonly milliseconds?: number;
  readonly seconds?: number;
  readonly minutes?: number;
  readonly hours?: number;
  readonly days?: number;
}

const MILLIS: Readonly<Record<keyof Duration, number>> = {
  milliseconds: 1,
  seconds: 1000,
  minutes: 60_000,
  hours: 3_600_000,
  days: 86_400_000,
};

/**
 * An allowed lateness in whole milliseconds.
 *
 * @throws `INVALID_ARGUMENT` for what is no duration, and for a plain number that looks like seconds:
 *   less than a second, or than a hundredth of the window, beside windows of a second and more
 */
export function latenessOf(given: number | Duration, windowFn: WindowFn): number {
  const millis = typeof given === 'number' ? given : total(given);
  if (!Number.isSafeInteger(millis) || millis < 0) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `allowedLateness is ${JSON.stringify(given)}`, {
      hint: 'Give it in whole milliseconds, 0 or more, or with its unit: { seconds: 60 }.',
    });
  }
  const size = lengthOf(windowFn);
  const isTiny = size >= 1000 && millis < Math.max(1000, size / 100);
  if (typeof given !== 'number' || millis === 0 || !isTiny) return millis;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `allowedLateness is ${given} milliseconds, beside windows of ${size / 1000} seconds`,
    {
      hint: `Windows take seconds, allowedLateness milliseconds. Name the unit: { seconds: ${given} }, or { milliseconds: ${given} } if that is meant.`,
    },
  );
}

function total(given: Duration): number {
  const entries = Object.entries(given ?? {});
  if (entries.length === 0) return Number.NaN;
  return entries.reduce(
    (sum, [unit, count]) => sum + (MILLIS[unit as keyof Duration] ?? Number.NaN) * Number(count),
    0,
  );
}

/** Of Beam's own windows, in milliseconds; 0 for others. */
function lengthOf(windowFn: WindowFn): number {
  if (!windowFn.toProto()) return 0;
  const [window] = windowFn.assignWindows(0);
  return window instanceof IntervalWindow ? window.end - window.start : 0;
}
