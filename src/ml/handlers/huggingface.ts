// SPDX-License-Identifier: Apache-2.0
// Hugging Face: pipelines by task, and models on tensors.

import { BeamBridgeError } from '../../base/index.ts';
import { array, float32, type SchemaType } from '../../schema/index.ts';
import type { PythonModelHandler } from './handler.ts';
import {
  contentOf,
  depthOf,
  type HuggingfaceTask,
  type TaskExample,
  type TaskInference,
  typesOf,
} from './huggingface-tasks.ts';
import {
  type Checks,
  checkedHandler,
  type DeclaredTypes,
  fieldNames,
  flag,
  isNamed,
  type JsonArguments,
  jsonArguments,
  oneOf,
  type PythonFunction,
  type PythonHandlerOptions,
  pythonFunction,
  text,
} from './options.ts';

/** Options of {@link huggingfacePipeline}. */
export interface HuggingfacePipelineOptions extends PythonHandlerOptions {
  /** What the pipeline does. @default what the model was made for */
  task?: string;
  /**
   * Name of a model of the Hugging Face Hub, or path of a folder, or of a `.gguf` file.
   *
   * @default the task's own, of the Hub
   */
  model?: string;
  /** Where the model runs. @default 'GPU' where there is one, else 'CPU' */
  device?: 'CPU' | 'GPU';
  /**
   * Arguments of `transformers.pipeline`, among them those of every call, such as
   * `{ max_new_tokens: 20, do_sample: false }`.
   *
   * @default none
   */
  loadPipelineArgs?: JsonArguments;
  /**
   * Whether examples are what a user says to a chat model: a text, or an array of
   * `row({ role: string, content: string })`. The inference is the model's answer alone.
   *
   * @default false
   */
  chat?: boolean;
  /**
   * For feature-extraction: makes one vector of those of the tokens, their mean or the first. The
   * inference is then `array(float32)` unless declared.
   *
   * @default none: a vector for each token
   */
  pooling?: 'mean' | 'cls';
  /** Whether the vector that `pooling` makes is brought to length 1. @default false */
  normalize?: boolean;
  /**
   * Function `(batch, pipeline, inference_args)` that gives the answers of a batch.
   *
   * @default calls the pipeline
   */
  inferenceFn?: PythonFunction;
}

const PIPELINE_CHECKS: Checks<HuggingfacePipelineOptions> = {
  task: text,
  model: text,
  device: oneOf('CPU', 'GPU'),
  loadPipelineArgs: jsonArguments,
  chat: flag,
  pooling: oneOf('mean', 'cls'),
  normalize: flag,
  inferenceFn: pythonFunction,
};

/**
 * A pipeline of Hugging Face's transformers: Beam's `HuggingFacePipelineModelHandler`. Types follow
 * from the task for the common ones, and are declared for others, or where arguments change what a
 * pipeline gives. Lists of one that pipelines put around an answer are taken off.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const answer = huggingfacePipeline({
 *   task: 'text-generation',
 *   model: 'SmolLM2-135M.gguf',
 *   chat: true,
 *   loadPipelineArgs: { max_new_tokens: 20, do_sample: false },
 * });
 * questions.apply(RunInference.of(answer)).map(({ inference }) => inference.generated_text);
 * ```
 */
export function huggingfacePipeline<ExampleT = string>(
  options: Omit<HuggingfacePipelineOptions, 'task'> & {
    task: 'feature-extraction';
    pooling: 'mean' | 'cls';
    example?: SchemaType<ExampleT>;
    inference?: never;
  },
): PythonModelHandler<NoInfer<ExampleT>, number[]>;
/** Types follow from the task. */
export function huggingfacePipeline<
  T extends HuggingfaceTask,
  ExampleT = TaskExample<T>,
  InferenceT = TaskInference<T>,
>(
  options: Omit<HuggingfacePipelineOptions, 'task'> & { task: T } & Partial<
      DeclaredTypes<ExampleT, InferenceT>
    >,
): PythonModelHandler<NoInfer<ExampleT>, NoInfer<InferenceT>>;
/** For any other task, or that of the model: types are declared. */
export function huggingfacePipeline<ExampleT, InferenceT>(
  options: HuggingfacePipelineOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT>;
export function huggingfacePipeline(
  options: HuggingfacePipelineOptions & Partial<DeclaredTypes<unknown, unknown>>,
): PythonModelHandler {
  const known = typesOf(options?.task);
  const example = options?.example ?? known?.example;
  const inference = options?.inference ?? (options?.pooling ? array(float32) : known?.inference);
  const content = contentOf(options?.task);
  const handler = checkedHandler(options as HuggingfacePipelineOptions, {
    name: 'huggingfacePipeline',
    provider: 'huggingface.pipeline',
    extra: 'huggingface',
    checks: PIPELINE_CHECKS,
    required: [],
    types: { example, inference } as DeclaredTypes<unknown, unknown>,
    more: {
      ...(inference ? { depth: depthOf(inference) } : {}),
      ...(content ? { content } : {}),
    },
  });
  const refuse = (message: string, hint: string) => {
    throw new BeamBridgeError('INVALID_ARGUMENT', `huggingfacePipeline: ${message}`, { hint });
  };
  const { task, model, chat, pooling, normalize, inferenceFn } = options;
  if (task === undefined && model === undefined) {
    refuse('there is neither a task nor a model', 'Give one of them, or both.');
  }
  if (chat && task !== undefined && task !== 'text-generation') {
    refuse(`chat is for text-generation, not ${task}`, "Set task: 'text-generation'.");
  }
  if (pooling && task !== 'feature-extraction') {
    refuse('pooling is for feature-extraction', "Set task: 'feature-extraction'.");
  }
  if (normalize && !pooling) refuse('normalize needs pooling', "Set pooling: 'mean'.");
  if (pooling && inferenceFn !== undefined) {
    refuse('pooling is done on what the pipeline gives', 'Leave inferenceFn out, or pool there.');
  }
  return handler;
}

/** Options of {@link huggingface}. */
export interface HuggingfaceOptions extends PythonHandlerOptions {
  /** Name of a model of the Hugging Face Hub, or path of a folder. */
  modelUri: string;
  /** Name of a class of `transformers`, such as `AutoModelForMaskedLM`; or a dotted name. */
  modelClass: PythonFunction;
  /** PyTorch or TensorFlow, of which transformers 5 has no models. @default 'pt' */
  framework?: 'pt' | 'tf';
  /** Where the model runs; on a machine without GPU, always the CPU. @default 'CPU' */
  device?: 'CPU' | 'GPU';
  /** Arguments of `from_pretrained`. @default none */
  loadModelArgs?: JsonArguments;
  /**
   * Function `(batch, model, device, inference_args, model_id)` that gives the `PredictionResult`s of
   * a batch.
   *
   * @default calls the model with the stacked batch, without gradients
   */
  inferenceFn?: PythonFunction;
}

const CHECKS: Checks<HuggingfaceOptions> = {
  modelUri: text,
  modelClass: pythonFunction,
  framework: oneOf('pt', 'tf'),
  device: oneOf('CPU', 'GPU'),
  loadModelArgs: jsonArguments,
  inferenceFn: pythonFunction,
};

/**
 * A model of Hugging Face's transformers on tensors: Beam's `HuggingFaceModelHandlerTensor`, and
 * `HuggingFaceModelHandlerKeyedTensor` where examples are rows, whose fields are the model's inputs
 * such as `input_ids`. Where the inference is a row, its fields are the model's outputs by name, else
 * it is the first output.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const encoder = huggingface({
 *   modelUri: 'sentence-transformers/all-MiniLM-L6-v2',
 *   modelClass: 'AutoModel',
 *   example: row({ input_ids: array(int64), attention_mask: array(int64) }),
 *   inference: row({ pooler_output: array(float32) }),
 * });
 * ```
 */
export function huggingface<ExampleT, InferenceT>(
  options: HuggingfaceOptions & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const outputs = fieldNames(options?.inference);
  return checkedHandler(options as HuggingfaceOptions, {
    name: 'huggingface',
    provider: 'huggingface.tensors',
    extra: 'huggingface',
    checks: CHECKS,
    required: ['modelUri', 'modelClass'],
    types: options,
    more: { keyed: isNamed(options?.example), ...(outputs ? { outputs } : {}) },
  });
}
