// SPDX-License-Identifier: Apache-2.0
// Machine-learning models in pipelines. May import `external`, `transforms` and what those may
// import.

export type { DeadLettered, FailedInference, Failure } from './dead-letters.ts';
export type { InferenceFields } from './declared.ts';
export * from './handlers/index.ts';
export type { LocalBatching } from './local/batch-sizes.ts';
export { type PredictionResult, RunInference, type WithModelId } from './run-inference.ts';
export {
  type TestModel,
  type TestModelRequest,
  type TestModels,
  withTestModel,
} from './test-model.ts';
