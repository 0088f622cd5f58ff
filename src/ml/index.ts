// SPDX-License-Identifier: Apache-2.0
// Machine-learning models in pipelines. May import `external`, `transforms`, `io` and what
// those may import.
//
// The way of a row: `RunInference` (run-inference.ts) holds what it was asked for (options.ts,
// check-options.ts, configurable.ts, settings.ts) and declared to give (declared.ts); applied, it becomes steps
// (expand.ts), and a row goes through these rooms in turn:
//
//   packing/   rows become columns of a batch, and answered batches become predictions again. The
//              other end of its bytes is python-env/beambridge_host/wire. May import `failures`
//              and `updates`.
//   updates/   which model is current for a row, and batches that wait for one. May import `packing`.
//   failures/  rows that could not be scored, and how many may be. Imports no other room.
//   python/    the step that Python runs on packed batches, its packages and its models.
//   local/     the step that runs in this process in its place, a test's model among them.
//   handlers/  what a program names: a function for each kind of model, and what it takes.
//
// `packing`, `updates` and `failures` know nothing of where a model runs; `python` and `local` nothing
// of each other.

export { Configurable } from './configurable.ts';
export type { InferenceFields } from './declared.ts';
export type {
  DeadLettered,
  DeadLetterOptions,
  FailedInference,
  Failure,
  InferenceStep,
} from './failures/dead-letters.ts';
export * from './handlers/index.ts';
export {
  type InferenceDistribution,
  type InferenceMetrics,
  type InferenceMetricsFilter,
  inferenceMetrics,
} from './inference-metrics.ts';
export type { LocalBatching } from './local/batch-sizes.ts';
export {
  type TestModel,
  type TestModelRequest,
  type TestModels,
  withTestModel,
} from './local/test-model.ts';
export type { BatchingOptions, ModelManagerOptions, ResourceHints } from './options.ts';
export type { PredictionResult, WithModelId } from './prediction.ts';
export { RunInference } from './run-inference.ts';
export type { WatchedModelOptions } from './updates/model-updates.ts';
export type { ModelMetadata } from './updates/updates.ts';
