// SPDX-License-Identifier: Apache-2.0
// The values that travel through every Beam pipeline besides the user's own: key-values, time,
// windows, panes and timers.

import { BeamBridgeError } from '../base/index.ts';

/** A key and a value: what `groupByKey` and every other keyed transform works on. */
export interface KV<K, V> {
  key: K;
  value: V;
}

/**
 * A point in event time: whole milliseconds since 1970-01-01T00:00:00Z.
 *
 * Beam's three special instants lie outside the safe integers. They are exact all the same:
 * {@link MIN_TIMESTAMP}, {@link MAX_TIMESTAMP} and {@link END_OF_GLOBAL_WINDOW} stand for them, and
 * the coders write and read their exact bytes. Any other number beyond ±2^53 means exactly the
 * integer that the double holds; an instant read from elsewhere that falls between two doubles
 * becomes the nearer one.
 */
export type Instant = number;

/** The exact milliseconds of Beam's special instants (`BeamConstants` of the runner API). */
export const MIN_TIMESTAMP_MILLIS = -9223372036854775n;
export const MAX_TIMESTAMP_MILLIS = 9223372036854775n;
export const END_OF_GLOBAL_WINDOW_MILLIS = 9223371950454775n;

/** Before all other time: the timestamp of `impulse` and `create`. */
export const MIN_TIMESTAMP: Instant = Number(MIN_TIMESTAMP_MILLIS);
/** After all other time: a watermark there says that the input has ended. */
export const MAX_TIMESTAMP: Instant = Number(MAX_TIMESTAMP_MILLIS);
/** The last instant of the global window, one day before {@link MAX_TIMESTAMP}. */
export const END_OF_GLOBAL_WINDOW: Instant = Number(END_OF_GLOBAL_WINDOW_MILLIS);

/** A bounded set of event times that grouping puts together. */
export interface Window {
  /** The last instant that belongs to the window. */
  maxTimestamp(): Instant;
}

/** The one window that holds all of time; use {@link GlobalWindow.INSTANCE}. */
export class GlobalWindow implements Window {
  static readonly INSTANCE = new GlobalWindow();

  maxTimestamp(): Instant {
    return END_OF_GLOBAL_WINDOW;
  }

  toString(): string {
    return 'GlobalWindow';
  }
}

/**
 * The window from `start` (included) to `end` (excluded), in milliseconds.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` when it ends before it starts
 */
export class IntervalWindow implements Window {
  readonly start: Instant;
  readonly end: Instant;

  constructor(start: Instant, end: Instant) {
    if (!(start <= end)) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `a window cannot end (${end}) before it starts (${start})`,
        { hint: 'Give start and end in milliseconds since 1970, start first.' },
      );
    }
    this.start = start;
    this.end = end;
  }

  maxTimestamp(): Instant {
    return this.end - 1;
  }

  toString(): string {
    return `[${this.start}, ${this.end})`;
  }
}

/** When a pane fired, relative to the watermark passing the end of its window. */
export const Timing = { EARLY: 0, ON_TIME: 1, LATE: 2, UNKNOWN: 3 } as const;
export type Timing = (typeof Timing)[keyof typeof Timing];

/** Which firing of a window's trigger an element came from. */
export interface PaneInfo {
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly timing: Timing;
  /** 0 for the first pane of a window, 1 for the second, … */
  readonly index: number;
  /** The same, not counting early panes; -1 in an early pane. */
  readonly onTimeIndex: number;
}

/** The pane of an element that no trigger has fired yet. */
export const NO_FIRING: PaneInfo = Object.freeze({
  isFirst: true,
  isLast: true,
  timing: Timing.UNKNOWN,
  index: 0,
  onTimeIndex: 0,
});

/** A value with its event time, its windows and its pane. */
export interface WindowedValue<T> {
  value: T;
  timestamp: Instant;
  windows: readonly Window[];
  pane: PaneInfo;
}

/** What every timer says, whether it is set or cleared. */
interface TimerBase<K> {
  userKey: K;
  /** Tells apart the timers of one dynamic family; empty for a plain timer. */
  dynamicTimerTag: string;
  windows: readonly Window[];
}

/** A request to call back at `fireTimestamp`, or to take such a request back (`clearBit`). */
export type Timer<K> =
  | (TimerBase<K> & {
      clearBit: false;
      fireTimestamp: Instant;
      /** Holds the output watermark; the timestamp of what the callback emits by default. */
      holdTimestamp: Instant;
      pane: PaneInfo;
    })
  | (TimerBase<K> & { clearBit: true });

/** A key with the shard that a runner gave it, as `GroupIntoBatches.withShardedKey` makes them. */
export interface ShardedKey<K> {
  key: K;
  shardId: Uint8Array;
}
