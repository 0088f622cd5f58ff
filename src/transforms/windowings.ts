// SPDX-License-Identifier: Apache-2.0
// Beam's four standard window functions. Their wire form is Beam's own, so runners know them.

import { BeamBridgeError } from '../base/index.ts';
import {
  GlobalWindow,
  GlobalWindowCoder,
  type Instant,
  IntervalWindow,
  IntervalWindowCoder,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  numberOf,
} from '../coders/index.ts';
import type { WindowFn } from '../pipeline/index.ts';
import { create, fromBinary, pb, toBinary, urns } from '../proto/index.ts';

const GLOBAL = urns.GlobalWindowsPayload_Enum.PROPERTIES;
const FIXED = urns.FixedWindowsPayload_Enum.PROPERTIES;
const SLIDING = urns.SlidingWindowsPayload_Enum.PROPERTIES;
const SESSIONS = urns.SessionWindowsPayload_Enum.PROPERTIES;

/** Everything in one window: how every PCollection starts. */
export function globalWindows(): WindowFn<GlobalWindow> {
  return {
    beamName: 'globalWindows',
    assignWindows: () => [GlobalWindow.INSTANCE],
    windowCoder: () => new GlobalWindowCoder(),
    isMerging: () => false,
    assignsToOneWindow: () => true,
    toProto: () => ({ urn: GLOBAL }),
  };
}

/**
 * Windows of equal length, one after the other.
 *
 * @param sizeSeconds - length in seconds; fractions down to a millisecond count
 * @param offsetSeconds - shifts the beginnings, in seconds since 1970. @default 0
 * @throws `INVALID_ARGUMENT` for a size that is not positive
 */
export function fixedWindows(sizeSeconds: number, offsetSeconds = 0): WindowFn<IntervalWindow> {
  return fixed(
    positive('fixedWindows', 'size', sizeSeconds),
    millis('fixedWindows', 'offset', offsetSeconds),
  );
}

function fixed(size: number, givenOffset: number): WindowFn<IntervalWindow> {
  const offset = within(givenOffset, size);
  return {
    beamName: `fixedWindows(${seconds(size, offset)})`,
    assignWindows: (timestamp) => [interval(lastStart(timestamp, size, offset), size)],
    windowCoder: () => new IntervalWindowCoder(),
    isMerging: () => false,
    assignsToOneWindow: () => true,
    toProto: () => ({
      urn: FIXED,
      payload: toBinary(
        pb.FixedWindowsPayloadSchema,
        create(pb.FixedWindowsPayloadSchema, { size: duration(size), offset: duration(offset) }),
      ),
    }),
  };
}

/**
 * Windows of equal length of which a new one begins each period, so that an element is in several.
 * With a period longer than the size, elements between windows are in none: they are dropped, and
 * counted in the metric `droppedInNoWindow`.
 *
 * @param sizeSeconds - length in seconds; fractions down to a millisecond count
 * @param periodSeconds - from the beginning of one window to the next, in seconds
 * @param offsetSeconds - shifts the beginnings, in seconds since 1970. @default 0
 * @throws `INVALID_ARGUMENT` for a size or period that is not positive
 */
export function slidingWindows(
  sizeSeconds: number,
  periodSeconds: number,
  offsetSeconds = 0,
): WindowFn<IntervalWindow> {
  return sliding(
    positive('slidingWindows', 'size', sizeSeconds),
    positive('slidingWindows', 'period', periodSeconds),
    millis('slidingWindows', 'offset', offsetSeconds),
  );
}

function sliding(size: number, period: number, givenOffset: number): WindowFn<IntervalWindow> {
  const offset = within(givenOffset, period);
  return {
    beamName: `slidingWindows(${size / 1000}, ${seconds(period, offset)})`,
    assignWindows: (timestamp) => {
      const windows: IntervalWindow[] = [];
      // By how far into its window the element is: at the ends of time, numbers are further apart than
      // milliseconds, so that neighbours are the same window there.
      const least = timestamp - lastStart(timestamp, period, offset);
      for (let into = least; into < size; into += period) {
        const window = interval(timestamp - into, size);
        const before = windows.at(-1);
        if (before?.start !== window.start || before.end !== window.end) windows.push(window);
      }
      return windows;
    },
    windowCoder: () => new IntervalWindowCoder(),
    isMerging: () => false,
    assignsToOneWindow: () => size === period,
    toProto: () => ({
      urn: SLIDING,
      payload: toBinary(
        pb.SlidingWindowsPayloadSchema,
        create(pb.SlidingWindowsPayloadSchema, {
          size: duration(size),
          period: duration(period),
          offset: duration(offset),
        }),
      ),
    }),
  };
}

/**
 * For each key, windows that last as long as elements keep coming.
 *
 * @param gapSeconds - silence that ends a session, in seconds; fractions down to a millisecond count
 * @throws `INVALID_ARGUMENT` for a gap that is not positive
 */
export function sessions(gapSeconds: number): WindowFn<IntervalWindow> {
  return sessionWindows(positive('sessions', 'gap', gapSeconds));
}

function sessionWindows(gap: number): WindowFn<IntervalWindow> {
  return {
    beamName: `sessions(${gap / 1000})`,
    assignWindows: (timestamp) => [interval(timestamp, gap)],
    windowCoder: () => new IntervalWindowCoder(),
    isMerging: () => true,
    assignsToOneWindow: () => true,
    mergeWindows: mergeOverlapping,
    toProto: () => ({
      urn: SESSIONS,
      payload: toBinary(
        pb.SessionWindowsPayloadSchema,
        create(pb.SessionWindowsPayloadSchema, { gapSize: duration(gap) }),
      ),
    }),
  };
}

/** Windows that overlap become one that spans them; windows that only touch do not. */
function mergeOverlapping(windows: readonly IntervalWindow[]) {
  const merged: { from: IntervalWindow[]; to: IntervalWindow }[] = [];
  for (const window of [...windows].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const last = merged.at(-1);
    if (last && window.start < last.to.end) {
      last.from.push(window);
      if (window.end > last.to.end) last.to = new IntervalWindow(last.to.start, window.end);
    } else {
      merged.push({ from: [window], to: window });
    }
  }
  return merged.filter((group) => group.from.length > 1);
}

/**
 * The standard window function that a specification names, for the bundle engine.
 *
 * @returns undefined when it is none of the four
 */
export function standardWindowFn(spec: {
  urn: string;
  payload?: Uint8Array;
}): WindowFn | undefined {
  const payload = spec.payload ?? new Uint8Array();
  switch (spec.urn) {
    case GLOBAL:
      return globalWindows();
    case FIXED: {
      const { size, offset } = fromBinary(pb.FixedWindowsPayloadSchema, payload);
      return fixed(toMillis(size), toMillis(offset)) as WindowFn;
    }
    case SLIDING: {
      const { size, period, offset } = fromBinary(pb.SlidingWindowsPayloadSchema, payload);
      return sliding(toMillis(size), toMillis(period), toMillis(offset)) as WindowFn;
    }
    case SESSIONS: {
      const { gapSize } = fromBinary(pb.SessionWindowsPayloadSchema, payload);
      return sessionWindows(toMillis(gapSize)) as WindowFn;
    }
    default:
      return undefined;
  }
}

/** Whether a window function is Beam's global one. */
export function isGlobal(windowFn: WindowFn): boolean {
  return windowFn.toProto()?.urn === GLOBAL;
}

/** The offset as other SDKs write it: those that differ by whole periods make the same windows. */
function within(offset: number, period: number): number {
  const rest = offset % period;
  return rest < 0 ? rest + period : rest;
}

/** The latest beginning of a window at or before `timestamp`. */
function lastStart(timestamp: Instant, period: number, offset: number): Instant {
  return timestamp - within(timestamp - offset, period);
}

/** Beam's time is finite: windows at its ends are cut short. */
function interval(start: Instant, size: number): IntervalWindow {
  const from = Math.max(start, MIN_TIMESTAMP);
  const to = Math.min(start + size, MAX_TIMESTAMP);
  // Numbers are 2 apart at the ends of time: a window of a millisecond has at least its own instant.
  return new IntervalWindow(from, to > from ? to : Math.min(from + 2, MAX_TIMESTAMP));
}

/** Whole milliseconds from seconds. @throws `INVALID_ARGUMENT` when they are no number */
export function millis(what: string, which: string, givenOrLong: number): number {
  // A `Long` of the official SDK's converts itself.
  const given = numberOf(givenOrLong) as number;
  const rounded = Math.round(given * 1000);
  if (typeof given === 'number' && Number.isSafeInteger(rounded)) return rounded;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${what}: ${which} is ${String(given)}`, {
    hint: `Give the ${which} as a number of seconds.`,
  });
}

function positive(what: string, which: string, given: number): number {
  const rounded = millis(what, which, given);
  if (rounded > 0) return rounded;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${what}: ${which} is ${given} seconds`, {
    hint: `A ${which} is at least one millisecond (0.001).`,
  });
}

function seconds(size: number, offset: number): string {
  return offset === 0 ? `${size / 1000}` : `${size / 1000}, ${offset / 1000}`;
}

function duration(ms: number): { seconds: bigint; nanos: number } {
  const whole = Math.floor(ms / 1000);
  return { seconds: BigInt(whole), nanos: (ms - whole * 1000) * 1_000_000 };
}

function toMillis(given: { seconds: bigint; nanos: number } | undefined): number {
  return given ? Number(given.seconds) * 1000 + Math.round(given.nanos / 1_000_000) : 0;
}
