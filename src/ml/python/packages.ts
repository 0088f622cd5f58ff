// SPDX-License-Identifier: Apache-2.0
// Which pinned packages a model handler needs, by its name or its source text.

import type { PythonExtra } from '../../services/index.ts';

/** What tells that a framework is used, and which packages of a user's stand in for ours. */
const FRAMEWORKS: readonly [PythonExtra, RegExp, readonly string[]][] = [
  ['sklearn', /sklearn/i, ['scikit-learn']],
  ['torch', /pytorch|\btorch\b/i, ['torch']],
  ['onnx', /onnx/i, ['onnxruntime', 'onnxruntime-gpu']],
  ['xgboost', /xgboost/i, ['xgboost']],
  ['tensorflow', /tensorflow/i, ['tensorflow', 'tensorflow-cpu']],
  ['huggingface', /hugging_?face|\btransformers\b/i, ['transformers']],
  ['adk', /agent_development_kit/i, ['google-adk']],
  ['vertexai', /vertex_ai/i, ['google-cloud-aiplatform']],
  ['gemini', /gemini_inference/i, ['google-genai']],
  ['anthropic', /anthropic_inference/i, ['anthropic']],
  ['tensorrt', /tensorrt/i, ['tensorrt', 'tensorrt-cu12', 'tensorrt-cu13']],
  ['vllm', /vllm/i, ['vllm']],
];

/**
 * The extras of a model loader. A framework that the user's own packages bring is left out, so that
 * their version and ours do not meet.
 */
export function inferExtras(modelLoader: string, packages: readonly string[]): PythonExtra[] {
  const mentioned = FRAMEWORKS.filter(([, pattern]) => pattern.test(modelLoader));
  return extrasBeside(
    mentioned.map(([extra]) => extra),
    packages,
  );
}

/** Extras without those whose framework is among a user's packages. */
export function extrasBeside(
  extras: readonly PythonExtra[],
  packages: readonly string[],
): PythonExtra[] {
  const given = new Set(packages.map(packageName));
  const brought = FRAMEWORKS.filter(([, , names]) => names.some((name) => given.has(name)));
  return extras.filter((extra) => !brought.some(([other]) => other === extra));
}

/** The name in `name==1.0`, `name[extra]>=2` and the like, as PyPI compares names. */
function packageName(requirement: string): string {
  const [name = ''] = /^[A-Za-z0-9._-]+/.exec(requirement.trim()) ?? [];
  return name.toLowerCase().replaceAll(/[._-]+/g, '-');
}
