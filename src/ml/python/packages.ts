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

/** Installed only where asked for by name: they need a GPU to be installed, or to be of use. */
const BY_NAME_ONLY: readonly PythonExtra[] = ['tensorrt', 'vllm'];

/** Modules that come with an extra. */
const BROUGHT: readonly [PythonExtra, RegExp][] = [
  ...FRAMEWORKS.filter(([extra]) => !BY_NAME_ONLY.includes(extra)),
  ['sklearn', /^(pandas|joblib)\b/],
  ['tensorflow', /^keras\b/],
];

/** The extras of what a Python file imports, but for those that want a GPU. */
export function importedExtras(source: string): PythonExtra[] {
  const imports = source.matchAll(/^[ \t]*(?:from[ \t]+([\w.]+)|import[ \t]+([^#;\n]+))/gm);
  const modules = [...imports].flatMap(([, module, list = '']) =>
    module ? [module] : list.split(',').map((name) => name.trim().split(/\s/)[0]!),
  );
  const extras = BROUGHT.filter(([, pattern]) => modules.some((name) => pattern.test(name)));
  return [...new Set(extras.map(([extra]) => extra))];
}
