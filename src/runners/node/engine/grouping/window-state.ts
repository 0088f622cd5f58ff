// SPDX-License-Identifier: Apache-2.0
// What is kept for one key in one window.

import { type Instant, type PaneInfo, Timing, type Window } from '../../../../coders/index.ts';
import type { Scheduled } from '../times.ts';
import type { Held } from './accumulators.ts';
import type { KeyIndex } from './group-keys.ts';
import type { TriggerState } from './trigger-machine.ts';

/** All windows of one key, by name. */
export interface KeyGroup {
  readonly key: unknown;
  readonly windows: Map<string, WindowState>;
  /** So many windows make a look for those that merge worth its time. */
  mergeAt: number;
}

export type KeyGroups = KeyIndex<KeyGroup>;

export class WindowState implements Held {
  values: unknown[] = [];
  ranks: number[] | undefined;
  /** Elements since the last pane. */
  additions = 0;
  /** Whether the trigger fired for the last time: what comes now is dropped. */
  closed = false;
  /** Whether the window is over, or became part of another. */
  dead = false;
  /** Whether it waits for a look at its trigger. */
  touched = false;
  /** Keeps the watermark back for the timestamp of the next pane. */
  elementHold: Instant | undefined;
  /** Keeps the watermark back for a pane that comes late, or when the window closes. */
  closingHold: Instant | undefined;
  /** What of both was last reported. */
  held: Instant | undefined;
  lastPane: PaneInfo | undefined;
  /** When it is looked at next because of the watermark, and because of the clock. */
  ending: Scheduled<WindowState> | undefined;
  wakings: Scheduled<WindowState>[] = [];

  constructor(
    readonly group: KeyGroup,
    readonly window: Window,
    readonly name: string,
    readonly end: Instant,
    /** The last watermark at which it still takes elements. */
    readonly expiry: Instant,
    public trigger: TriggerState,
  ) {}
}

/**
 * The pane that comes out now, by the rules of Java's `PaneInfoTracker`.
 *
 * @param outputWatermark - past which a pane is late whatever the input says
 */
export function nextPane(
  { lastPane, end }: WindowState,
  isLast: boolean,
  watermark: Instant,
  outputWatermark: Instant,
): PaneInfo {
  const onlyEarlySoFar = !lastPane || lastPane.timing === Timing.EARLY;
  const timing =
    end < outputWatermark || !onlyEarlySoFar
      ? Timing.LATE
      : watermark <= end
        ? Timing.EARLY
        : Timing.ON_TIME;
  return {
    isFirst: !lastPane,
    isLast,
    timing,
    index: lastPane ? lastPane.index + 1 : 0,
    onTimeIndex: timing === Timing.EARLY ? -1 : lastPane ? lastPane.onTimeIndex + 1 : 0,
  };
}
