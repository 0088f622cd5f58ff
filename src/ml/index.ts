// SPDX-License-Identifier: Apache-2.0
// Machine-learning models in pipelines. May import `external`, `transforms` and what those may
// import.

export type { DeadLettered, FailedInference, Failure } from './dead-letters.ts';
export type { InferenceFields } from './declared.ts';
export { RunInference } from './run-inference.ts';
export {
  type TestModel,
  type TestModelRequest,
  type TestModels,
  withTestModel,
} from './test-model.ts';
