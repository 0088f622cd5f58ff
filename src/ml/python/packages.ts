// SPDX-License-Identifier: Apache-2.0
// Which pinned packages a model handler needs, by its name or its source text. A user's own version of
// one of them goes beside: the environment's installation lets the rest fit it.

import type { PythonExtra } from '../../services/index.ts';

/** What tells that a framework is used. */
const FRAMEWORKS: readonly [PythonExtra, RegExp][] = [
  ['sklearn', /sklearn/i],
  ['torch', /pytorch|\btorch\b/i],
  ['onnx', /onnx/i],
  ['xgboost', /xgboost/i],
  ['tensorflow', /tensorflow/i],
  ['huggingface', /hugging_?face|\btransformers\b/i],
  ['adk', /agent_development_kit/i],
  ['vertexai', /vertex_ai/i],
  ['gemini', /gemini_inference/i],
  ['anthropic', /anthropic_inference/i],
  ['tensorrt', /tensorrt/i],
  ['vllm', /vllm/i],
];

/** The extras of a model loader. */
export function inferExtras(modelLoader: string): PythonExtra[] {
  return FRAMEWORKS.filter(([, pattern]) => pattern.test(modelLoader)).map(([extra]) => extra);
}
