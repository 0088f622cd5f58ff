// SPDX-License-Identifier: Apache-2.0
// Language models that vLLM serves on the worker itself.

import { type SchemaType, string } from '../../schema/index.ts';
import type { PythonModelHandler } from './handler.ts';
import { type ChatMessage, chatMessages } from './openai-compatible.ts';
import {
  type Check,
  type Checks,
  checkedHandler,
  flag,
  oneOf,
  type PythonHandlerOptions,
  text,
} from './options.ts';
import { excluding } from './remote.ts';

/** Options of {@link vllm}. vLLM itself shares one model among all workers of a machine. */
export interface VllmOptions extends Omit<PythonHandlerOptions, 'largeModel' | 'modelCopies'> {
  /** Name or path of the model, as vLLM takes it. */
  modelName: string;
  /** Whether the model completes texts, or answers conversations. @default 'completions' */
  api?: 'completions' | 'chat';
  /** With `chat`, what an example is: the user's text, or a whole conversation. @default 'text' */
  input?: 'text' | 'messages';
  /** What a prediction is: the text, or vLLM's whole answer as JSON text. @default 'text' */
  response?: 'text' | 'json';
  /** Flags of vLLM's server without their dashes; null for one without a value. @default none */
  vllmServerKwargs?: Readonly<Record<string, string | null>>;
  /** With `chat`, path of a Jinja template. @default the model's own */
  chatTemplatePath?: string;
  /** Whether NVIDIA Dynamo runs vLLM. Needs the package `ai-dynamo[vllm]` in `packages`. @default false */
  useDynamo?: boolean;
  /** Flags of Dynamo's frontend, like `vllmServerKwargs`. */
  dynamoFrontendKwargs?: Readonly<Record<string, string | null>>;
}

const flags: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((each) => each === null || typeof each === 'string')
    ? undefined
    : 'not an object of texts and nulls';

const CHECKS: Checks<VllmOptions> = {
  modelName: text,
  api: oneOf('completions', 'chat'),
  input: oneOf('text', 'messages'),
  response: oneOf('text', 'json'),
  vllmServerKwargs: flags,
  chatTemplatePath: text,
  useDynamo: flag,
  dynamoFrontendKwargs: flags,
};

/**
 * A language model that vLLM serves on the worker: Beam's `VLLMCompletionsModelHandler` and
 * `VLLMChatModelHandler`. Needs Linux and, for all but the smallest models, a GPU.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const opt = vllm({
 *   modelName: 'facebook/opt-125m',
 *   vllmServerKwargs: { 'gpu-memory-utilization': '0.8' },
 * });
 * ```
 */
export function vllm(
  options: VllmOptions & { api: 'chat'; input: 'messages' },
): PythonModelHandler<ChatMessage[], string>;
/** With texts as examples. */
export function vllm(options: VllmOptions & { input?: 'text' }): PythonModelHandler<string, string>;
export function vllm(options: VllmOptions): object {
  const { api = 'completions', input = 'text', chatTemplatePath } = options ?? {};
  if (api !== 'chat' && (input === 'messages' || chatTemplatePath !== undefined)) {
    const what = input === 'messages' ? 'messages' : 'chat template';
    throw excluding('vllm', `completions have no ${what}`, "Set api: 'chat'.");
  }
  if (options?.dynamoFrontendKwargs !== undefined && !options.useDynamo) {
    throw excluding('vllm', 'dynamoFrontendKwargs needs useDynamo', 'Set useDynamo: true.');
  }
  const example: SchemaType = input === 'messages' ? chatMessages : string;
  return checkedHandler<VllmOptions, unknown, string>(options, {
    name: 'vllm',
    provider: 'vllm.vllm',
    extra: 'vllm',
    checks: CHECKS,
    lacks: ['largeModel', 'modelCopies'],
    required: ['modelName'],
    types: { example, inference: string },
  });
}
