// SPDX-License-Identifier: Apache-2.0
// Model handlers by framework.

export { type AdkOptions, adk } from './adk.ts';
export { type AnthropicOptions, anthropic } from './anthropic.ts';
export { type CustomOptions, custom } from './custom.ts';
export { type GeminiOptions, gemini, type PromptWithImages } from './gemini.ts';
export { type ModelHandler, type PythonModelHandler, pythonModelHandler } from './handler.ts';
export {
  type HuggingfaceOptions,
  type HuggingfacePipelineOptions,
  huggingface,
  huggingfacePipeline,
} from './huggingface.ts';
export type { HuggingfaceTask, TaskExample, TaskInference } from './huggingface-tasks.ts';
export { type OnnxOptions, onnx } from './onnx.ts';
export { type OnnxLocalOptions, onnxLocal } from './onnx-local.ts';
export {
  type ChatMessage,
  chatMessages,
  type OpenAiCompatibleOptions,
  openAiCompatible,
} from './openai-compatible.ts';
export type {
  DeclaredTypes,
  JsonArguments,
  JsonValue,
  PythonFunction,
  PythonHandlerOptions,
} from './options.ts';
export { type KeyedModel, type PerKeyHandler, perKey } from './per-key.ts';
export { type PytorchOptions, pytorch } from './pytorch.ts';
export type { RateLimiter, RemoteOptions } from './remote.ts';
export { type SklearnOptions, sklearn } from './sklearn.ts';
export { type TensorflowOptions, tensorflow } from './tensorflow.ts';
export { type TensorrtOptions, tensorrt } from './tensorrt.ts';
export { type InferenceArgs, modelHandler, type TypeScriptModelHandler } from './typescript.ts';
export { type VertexAiOptions, vertexAi } from './vertex-ai.ts';
export { type VllmOptions, vllm } from './vllm.ts';
export { type XgboostOptions, xgboost } from './xgboost.ts';
