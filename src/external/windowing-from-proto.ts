// SPDX-License-Identifier: Apache-2.0
// The windowing of what comes out of another SDK. It is only passed on: this room never assigns
// elements to windows.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, coderFromProto, GlobalWindowCoder, type Window } from '../coders/index.ts';
import { type WindowFn, type WindowingStrategy, windowingStrategy } from '../pipeline/index.ts';
import { pb } from '../proto/index.ts';

const GLOBAL_WINDOWS = 'beam:window_fn:global_windows:v1';

/** A window function that another SDK or a runner evaluates. */
class ForeignWindowFn implements WindowFn {
  constructor(
    private readonly spec: { urn: string; payload: Uint8Array },
    private readonly coder: Coder<Window>,
    private readonly merging: boolean,
    private readonly oneWindow: boolean,
  ) {}

  assignWindows(): Window[] {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `the windows of ${this.spec.urn} are assigned elsewhere`,
      {
        hint: 'Apply windowInto with a window function of this package.',
      },
    );
  }

  windowCoder(): Coder<Window> {
    return this.coder;
  }

  toProto() {
    return this.spec;
  }

  isMerging(): boolean {
    return this.merging;
  }

  assignsToOneWindow(): boolean {
    return this.oneWindow;
  }
}

/** Everything in one window: the windowing of what a source gives. */
export function globalWindowing(): WindowingStrategy {
  const spec = { urn: GLOBAL_WINDOWS, payload: new Uint8Array() };
  return windowingStrategy(
    new ForeignWindowFn(spec, new GlobalWindowCoder() as Coder<Window>, false, true),
  );
}

/** A strategy of an expansion, in the terms of our graph. */
export function windowingFromProto(
  message: pb.WindowingStrategy,
  coders: Readonly<Record<string, pb.Coder>>,
): WindowingStrategy {
  const { urn = '', payload = new Uint8Array() } = message.windowFn ?? {};
  const windowFn = new ForeignWindowFn(
    { urn, payload },
    coderFromProto(message.windowCoderId, coders) as Coder<Window>,
    message.mergeStatus === pb.MergeStatus_Enum.NEEDS_MERGE,
    message.assignsToOneWindow,
  );
  return windowingStrategy(windowFn, {
    ...(message.trigger ? { trigger: message.trigger } : {}),
    accumulationMode:
      message.accumulationMode === pb.AccumulationMode_Enum.ACCUMULATING
        ? 'accumulating'
        : 'discarding',
    allowedLateness: Number(message.allowedLateness),
    timestampCombiner: TIMESTAMP_COMBINERS.get(message.outputTime) ?? 'endOfWindow',
    closingBehavior:
      message.closingBehavior === pb.ClosingBehavior_Enum.EMIT_ALWAYS
        ? 'emitAlways'
        : 'emitIfNonEmpty',
    onTimeBehavior:
      message.onTimeBehavior === pb.OnTimeBehavior_Enum.FIRE_IF_NONEMPTY
        ? 'fireIfNonEmpty'
        : 'fireAlways',
  });
}

const TIMESTAMP_COMBINERS = new Map<pb.OutputTime_Enum, WindowingStrategy['timestampCombiner']>([
  [pb.OutputTime_Enum.EARLIEST_IN_PANE, 'earliest'],
  [pb.OutputTime_Enum.LATEST_IN_PANE, 'latest'],
  [pb.OutputTime_Enum.END_OF_WINDOW, 'endOfWindow'],
]);

/** Whether elements stay in the windows that they came in. */
export function sameWindowFn(message: pb.WindowingStrategy, strategy: WindowingStrategy): boolean {
  const ours = strategy.windowFn.toProto();
  const theirs = message.windowFn;
  return (
    ours?.urn === theirs?.urn &&
    Buffer.compare(ours?.payload ?? new Uint8Array(), theirs?.payload ?? new Uint8Array()) === 0
  );
}
