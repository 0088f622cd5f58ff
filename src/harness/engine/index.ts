// SPDX-License-Identifier: Apache-2.0
// The bundle engine: a stage's descriptor and encoded elements in, encoded results out. It knows no
// gRPC; the worker beside it and the node runner both call it.

export { accumulatorMerger } from './accumulator-merger.ts';
export { type DataPort, dataPorts, functionKey, type TimerPort, timerPorts } from './descriptor.ts';
export {
  BundleEngine,
  type BundleEngineOptions,
  type RunningBundle,
} from './engine.ts';
export type { TransformInfo } from './errors.ts';
export type { MonitoringInfo } from './metrics.ts';
export type { BundleResult } from './plan.ts';
export type { BundleFinalizer } from './scope.ts';
export {
  type Application,
  type BundleInput,
  type BundleIO,
  type BundleOutput,
  type BundleState,
  type ChannelSplit,
  type DesiredSplit,
  type ElementChunk,
  type FunctionLookup,
  type InputChunk,
  isThenable,
  type MaybePromise,
  type Residual,
  type SideInputKey,
  type SideInputToken,
  type UserState,
  type UserStateKey,
} from './types.ts';
export { sideInputWindow, windowFnFromProto } from './window-fns.ts';
