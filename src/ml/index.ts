// SPDX-License-Identifier: Apache-2.0
// Machine-learning models in pipelines. May import `external`, `transforms`, `io` and what
// those may import.

export { Configurable } from './configurable.ts';
export type {
  DeadLettered,
  DeadLetterOptions,
  FailedInference,
  Failure,
  InferenceStep,
} from './dead-letters.ts';
export type { InferenceFields } from './declared.ts';
export * from './handlers/index.ts';
export {
  type InferenceDistribution,
  type InferenceMetrics,
  type InferenceMetricsFilter,
  inferenceMetrics,
} from './inference-metrics.ts';
export type { LocalBatching } from './local/batch-sizes.ts';
export type { WatchedModelOptions } from './model-updates.ts';
export type { BatchingOptions, ModelManagerOptions, ResourceHints } from './options.ts';
export type { PredictionResult, WithModelId } from './prediction.ts';
export { RunInference } from './run-inference.ts';
export {
  type TestModel,
  type TestModelRequest,
  type TestModels,
  withTestModel,
} from './test-model.ts';
export type { ModelMetadata } from './updates.ts';
