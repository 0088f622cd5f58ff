// SPDX-License-Identifier: Apache-2.0
// What users import in tests of their own pipelines: assertions about PCollections, a source
// that plays a script, models without Python. May import runners, ml and what those may import.

export {
  type TestModel,
  type TestModelRequest,
  type TestModels,
  withTestModel,
} from '../ml/index.ts';
export { assertContentsSatisfies, assertDeepEqual } from './assert.ts';
export { assertThat, type PCollectionAssert } from './assert-that.ts';
export type { Check } from './assertion.ts';
export { TestPipeline, type TestPipelineOptions } from './test-pipeline.ts';
export { TestStream, testStream } from './test-stream.ts';
