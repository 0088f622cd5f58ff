// SPDX-License-Identifier: Apache-2.0
// How a PCollection's elements are grouped in event time. Beam calls the whole of it a windowing
// strategy: https://beam.apache.org/documentation/programming-guide/#windowing

import { type Coder, END_OF_GLOBAL_WINDOW, type Instant, type Window } from '../coders/index.ts';
import type { MessageInitShape, pb } from '../proto/index.ts';

/** Assigns elements to windows by their timestamps. */
export interface WindowFn<W extends Window = Window> {
  /** The windows of an element with this timestamp (milliseconds since the epoch). */
  assignWindows(timestamp: Instant, element?: unknown): W[];
  /**
   * How windows travel: an `IntervalWindowCoder` where they are `IntervalWindow`s, which every runner
   * reads. A coder of your own runs on `node` alone, once `registerCoder` has made its URN known.
   */
  windowCoder(): Coder<W>;
  /** The function in Beam's own terms; undefined for a window function written by a user. */
  toProto(): MessageInitShape<typeof pb.FunctionSpecSchema> | undefined;
  /** Whether windows of one key merge when they meet, as sessions do. */
  isMerging(): boolean;
  assignsToOneWindow(): boolean;
  /** For merging windows: groups of windows that become one. */
  mergeWindows?(windows: readonly W[]): { from: W[]; to: W }[];
  beamName?: string;
}

/** Which timestamp a grouped element gets. */
export type TimestampCombiner = 'earliest' | 'latest' | 'endOfWindow';

/** What happens to a pane's elements once the pane has fired. */
export type AccumulationMode = 'discarding' | 'accumulating';

/** Whether a window's last pane comes out although it is empty. Python's DirectRunner never emits it. */
export type ClosingBehavior = 'emitAlways' | 'emitIfNonEmpty';

/** Whether the pane at the end of a window comes out although it is empty. */
export type OnTimeBehavior = 'fireAlways' | 'fireIfNonEmpty';

/** Everything that decides when and how grouped elements come out. */
export interface WindowingStrategy {
  readonly windowFn: WindowFn;
  /** Beam's trigger message. @default `{ default: {} }`: once, when the watermark passes */
  readonly trigger: MessageInitShape<typeof pb.TriggerSchema>;
  /** @default `'discarding'` */
  readonly accumulationMode: AccumulationMode;
  /** How long after the end of its window an element still counts, in milliseconds. @default 0 */
  readonly allowedLateness: number;
  /** @default `'endOfWindow'` */
  readonly timestampCombiner: TimestampCombiner;
  /** @default `'emitIfNonEmpty'` */
  readonly closingBehavior: ClosingBehavior;
  /** @default `'fireAlways'` */
  readonly onTimeBehavior: OnTimeBehavior;
}

/** A strategy with Beam's defaults for what `options` leaves out. */
export function windowingStrategy(
  windowFn: WindowFn,
  options: Partial<Omit<WindowingStrategy, 'windowFn'>> = {},
): WindowingStrategy {
  return {
    windowFn,
    trigger: { trigger: { case: 'default', value: {} } },
    accumulationMode: 'discarding',
    allowedLateness: 0,
    timestampCombiner: 'endOfWindow',
    closingBehavior: 'emitIfNonEmpty',
    onTimeBehavior: 'fireAlways',
    ...options,
  };
}

/**
 * The last watermark at which a window still counts: its last instant and the allowed lateness. No
 * lateness outlasts the global window.
 *
 * @param allowedLateness - in milliseconds
 */
export function windowExpiry(window: Window, allowedLateness: number): Instant {
  const last = window.maxTimestamp();
  return last >= END_OF_GLOBAL_WINDOW
    ? last
    : Math.min(last + allowedLateness, END_OF_GLOBAL_WINDOW);
}
