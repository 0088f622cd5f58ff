// SPDX-License-Identifier: Apache-2.0
// The bundle engine: a stage's descriptor and encoded elements in, encoded results out. It knows no
// gRPC; the worker beside it and the node runner both call it.

export { type DataPort, dataPorts, type TimerPort, timerPorts } from './descriptor.ts';
export {
  BundleEngine,
  type BundleEngineOptions,
  type RunningBundle,
} from './engine.ts';
export type { MonitoringInfo } from './metrics.ts';
export type { BundleResult } from './plan.ts';
export type { BundleFinalizer } from './scope.ts';
export type {
  BundleInput,
  BundleIO,
  BundleOutput,
  BundleState,
  ChannelSplit,
  DesiredSplit,
  ElementChunk,
  FunctionLookup,
  InputChunk,
  MaybePromise,
  Residual,
  SideInputKey,
  UserState,
  UserStateKey,
} from './types.ts';
