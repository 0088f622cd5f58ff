// SPDX-License-Identifier: Apache-2.0
// Groupings for tests, and their panes as text.

import {
  type Coder,
  IntervalWindow,
  JsCoder,
  NO_FIRING,
  Timing,
  type Window,
  type WindowedValue,
} from '../../../../src/coders/index.ts';
import {
  type WindowFn,
  type WindowingStrategy,
  windowingStrategy,
} from '../../../../src/pipeline/index.ts';
import { create, pb } from '../../../../src/proto/index.ts';
import {
  Grouping,
  type GroupingOptions,
} from '../../../../src/runners/node/engine/grouping/index.ts';

const COMBINERS = {
  earliest: pb.OutputTime_Enum.EARLIEST_IN_PANE,
  latest: pb.OutputTime_Enum.LATEST_IN_PANE,
  endOfWindow: pb.OutputTime_Enum.END_OF_WINDOW,
};

export type Strategy = Partial<Omit<WindowingStrategy, 'windowFn'>>;

/** Windows of `size` milliseconds. */
export function fixed(size: number): WindowFn<IntervalWindow> {
  return {
    beamName: `fixed(${size})`,
    assignWindows: (timestamp) => {
      const start = Math.floor(timestamp / size) * size;
      return [new IntervalWindow(start, start + size)];
    },
    windowCoder: () => new JsCoder() as unknown as Coder<IntervalWindow>,
    toProto: () => undefined,
    isMerging: () => false,
    assignsToOneWindow: () => true,
  };
}

export function strategyProto(windowFn: WindowFn, options: Strategy): pb.WindowingStrategy {
  const strategy = windowingStrategy(windowFn, options);
  return create(pb.WindowingStrategySchema, {
    mergeStatus: windowFn.isMerging()
      ? pb.MergeStatus_Enum.NEEDS_MERGE
      : pb.MergeStatus_Enum.NON_MERGING,
    trigger: strategy.trigger,
    accumulationMode:
      strategy.accumulationMode === 'discarding'
        ? pb.AccumulationMode_Enum.DISCARDING
        : pb.AccumulationMode_Enum.ACCUMULATING,
    outputTime: COMBINERS[strategy.timestampCombiner],
    closingBehavior:
      strategy.closingBehavior === 'emitAlways'
        ? pb.ClosingBehavior_Enum.EMIT_ALWAYS
        : pb.ClosingBehavior_Enum.EMIT_IF_NONEMPTY,
    onTimeBehavior:
      strategy.onTimeBehavior === 'fireAlways'
        ? pb.OnTimeBehavior_Enum.FIRE_ALWAYS
        : pb.OnTimeBehavior_Enum.FIRE_IF_NONEMPTY,
    allowedLateness: BigInt(strategy.allowedLateness),
  });
}

export function groupingOf(
  windowFn: WindowFn,
  options: Strategy = {},
  more: Partial<GroupingOptions> = {},
): Grouping {
  return new Grouping({
    windowing: strategyProto(windowFn, options),
    windowFn,
    keyCoder: new JsCoder({ deterministic: true }),
    valueCoder: new JsCoder(),
    windowCoder: windowFn.windowCoder() as unknown as Coder<unknown>,
    bounded: false,
    ...more,
  });
}

/** An element in the windows that it belongs to. */
export function element(
  windowFn: WindowFn,
  key: unknown,
  value: unknown,
  timestamp: number,
): WindowedValue<unknown> {
  const windows: readonly Window[] = windowFn.assignWindows(timestamp);
  return { value: { key, value }, timestamp, windows, pane: NO_FIRING };
}

export interface Pane {
  key: unknown;
  values: unknown[];
  window: [number, number];
  timestamp: number;
  index: number;
  nonspeculative_index: number;
  early: boolean;
  late: boolean;
  first: boolean;
  final: boolean;
}

/** All panes that are due. */
export async function fired(grouping: Grouping, watermark: number, now = 0): Promise<Pane[]> {
  const panes: Pane[] = [];
  for await (const block of grouping.fire(watermark, now)) {
    for (const { value, timestamp, windows, pane } of block) {
      const { key, value: values } = value as { key: unknown; value: unknown[] };
      const [window] = windows as [Window];
      panes.push({
        key,
        values,
        window: [window instanceof IntervalWindow ? window.start : 0, window.maxTimestamp()],
        timestamp,
        index: pane.index,
        nonspeculative_index: pane.onTimeIndex,
        early: pane.timing === Timing.EARLY,
        late: pane.timing === Timing.LATE,
        first: pane.isFirst,
        final: pane.isLast,
      });
    }
  }
  return panes;
}

/** `[values] timing index onTimeIndex first last @timestamp` */
export function text(pane: Pane): string {
  const timing = pane.early ? 'early' : pane.late ? 'late' : 'on time';
  const ends = `${pane.first ? ' first' : ''}${pane.final ? ' last' : ''}`;
  const values = [...pane.values].sort((a, b) => Number(a) - Number(b));
  return `[${values}] ${timing} ${pane.index} ${pane.nonspeculative_index}${ends} @${pane.timestamp}`;
}
