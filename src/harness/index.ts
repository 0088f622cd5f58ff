// SPDX-License-Identifier: Apache-2.0
// The SDK harness: the bundle engine, which runs stages of this program's functions, and the Fn API
// worker around it, which takes them from a runner. May import transforms and what that may import.

// The engine, for runners in this process.
export {
  accumulatorMerger,
  BundleEngine,
  type BundleEngineOptions,
  type BundleFinalizer,
  type BundleInput,
  type BundleIO,
  type BundleOutput,
  type BundleResult,
  type BundleState,
  type ChannelSplit,
  type DataPort,
  type DesiredSplit,
  dataPorts,
  type ElementChunk,
  type FunctionLookup,
  functionKey,
  type InputChunk,
  isThenable,
  type MaybePromise,
  type MonitoringInfo,
  type Residual,
  type RunningBundle,
  type SideInputKey,
  type SideInputToken,
  sideInputWindow,
  type TimerPort,
  type TransformInfo,
  timerPorts,
  type UserState,
  type UserStateKey,
  windowFnFromProto,
} from './engine/index.ts';
// The worker, for runners elsewhere.
export { CAPABILITIES, ownEnvironment } from './worker/environment.ts';
export { Failures, failureOf } from './worker/failures.ts';
export { LoggingChannel } from './worker/logging-channel.ts';
export { SdkWorker, type SdkWorkerOptions } from './worker/sdk-worker.ts';
export { WorkerPool, type WorkerPoolOptions } from './worker/worker-pool.ts';
