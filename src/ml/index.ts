// SPDX-License-Identifier: Apache-2.0
// Machine-learning models in pipelines. May import `external`, `transforms` and what those may
// import.

export { type InferenceFields, RunInference } from './run-inference.ts';
