// SPDX-License-Identifier: Apache-2.0
// What a grouping is told, and what of a windowing strategy it needs, checked once.

import { BeamBridgeError } from '../../../../base/index.ts';
import {
  type Coder,
  END_OF_GLOBAL_WINDOW,
  type Instant,
  type Window,
  type WindowedValue,
} from '../../../../coders/index.ts';
import type { WindowFn } from '../../../../pipeline/index.ts';
import { pb } from '../../../../proto/index.ts';

/** What a {@link Grouping} is made from. */
export interface GroupingOptions {
  readonly windowing: pb.WindowingStrategy;
  /** Needed to merge windows; undefined for one that is not of this program and does not merge. */
  readonly windowFn: WindowFn | undefined;
  readonly keyCoder: Coder<unknown>;
  readonly valueCoder: Coder<unknown>;
  readonly windowCoder: Coder<unknown>;
  /** Whether the input ends: nothing comes out before its end then, and no clock runs. */
  readonly bounded: boolean;
  /** Makes one accumulator of many, so that what is held stays small. */
  readonly compact?: ((values: unknown[]) => unknown) | undefined;
  /** Above so many bytes, by estimate, a bounded grouping writes to files. @default 256 MiB */
  readonly memoryBytes?: number | undefined;
  /** Says where those files are; asked at most once. @default the system's temporary folder */
  readonly spillFolder?: (() => Promise<string>) | undefined;
}

/** How many elements were dropped, once for each of their windows. */
export interface Dropped {
  /** Because their window was over, with the lateness that is allowed. */
  readonly late: number;
  /** Because the trigger of their window had fired for the last time. */
  readonly closed: number;
}

/** Grouped elements, some at a time. */
export type Panes = Iterable<WindowedValue<unknown>[]> | AsyncIterable<WindowedValue<unknown>[]>;

export type MergeWindows = (windows: readonly Window[]) => { from: Window[]; to: Window }[];

/** A windowing strategy, as far as grouping goes. */
export interface Rules {
  readonly trigger: pb.Trigger | undefined;
  readonly accumulating: boolean;
  /** Milliseconds. */
  readonly allowedLateness: number;
  readonly timestampCombiner: 'earliest' | 'latest' | 'endOfWindow';
  readonly closingAlways: boolean;
  readonly onTimeAlways: boolean;
  /** Undefined when windows do not merge. */
  readonly mergeWindows: MergeWindows | undefined;
}

/**
 * @throws BeamBridgeError `UNSUPPORTED` for retractions; `INVALID_ARGUMENT` for merging windows
 *   without a function that merges them
 */
export function rulesOf({ windowing, windowFn }: GroupingOptions): Rules {
  const { accumulationMode, outputTime, allowedLateness } = windowing;
  if (accumulationMode === pb.AccumulationMode_Enum.RETRACTING) {
    throw new BeamBridgeError('UNSUPPORTED', 'retracting panes are not supported', {
      hint: "Choose the accumulation mode 'discarding' or 'accumulating'.",
    });
  }
  return {
    trigger: windowing.trigger,
    accumulating: accumulationMode === pb.AccumulationMode_Enum.ACCUMULATING,
    allowedLateness: Number(allowedLateness),
    timestampCombiner:
      outputTime === pb.OutputTime_Enum.EARLIEST_IN_PANE
        ? 'earliest'
        : outputTime === pb.OutputTime_Enum.LATEST_IN_PANE
          ? 'latest'
          : 'endOfWindow',
    closingAlways: windowing.closingBehavior === pb.ClosingBehavior_Enum.EMIT_ALWAYS,
    onTimeAlways: windowing.onTimeBehavior !== pb.OnTimeBehavior_Enum.FIRE_IF_NONEMPTY,
    mergeWindows: mergingOf(windowing, windowFn),
  };
}

function mergingOf(
  { mergeStatus }: pb.WindowingStrategy,
  windowFn: WindowFn | undefined,
): MergeWindows | undefined {
  const { NEEDS_MERGE, UNSPECIFIED } = pb.MergeStatus_Enum;
  const merges =
    mergeStatus === NEEDS_MERGE || (mergeStatus === UNSPECIFIED && windowFn?.isMerging() === true);
  if (!merges) return undefined;
  if (!windowFn?.mergeWindows) {
    const name = windowFn?.beamName ?? 'a window function of another language';
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `the windows of ${name} merge, but it has no function mergeWindows`,
      { hint: 'Add mergeWindows(windows) to it, or let isMerging() return false.' },
    );
  }
  return (windows) => windowFn.mergeWindows!(windows);
}

/** The last instant of a window; a window never outlasts the global one. */
export function endOf(window: Window): Instant {
  return Math.min(window.maxTimestamp(), END_OF_GLOBAL_WINDOW);
}

/** The last watermark at which elements of a window that ends at `end` still count. */
export function expiryOf(end: Instant, { allowedLateness }: Rules): Instant {
  return Math.min(end + allowedLateness, END_OF_GLOBAL_WINDOW);
}
