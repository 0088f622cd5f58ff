// SPDX-License-Identifier: Apache-2.0
// Anthropic's models.

import { type SchemaType, string } from '../../schema/index.ts';
import type { PythonModelHandler } from './handler.ts';
import { type ChatMessage, chatMessages } from './openai-compatible.ts';
import {
  type Checks,
  checkedHandler,
  count,
  type JsonArguments,
  type JsonValue,
  jsonArguments,
  oneOf,
  type PythonFunction,
  pythonFunction,
  text,
  texts,
} from './options.ts';
import {
  amount,
  httpUrl,
  jsonValue,
  NOT_REMOTE,
  REMOTE_CHECKS,
  type RemoteOptions,
  variable,
} from './remote.ts';

/** Options of {@link anthropic}. */
export interface AnthropicOptions extends RemoteOptions {
  /** Name of the model, such as `claude-haiku-4-5`. */
  modelName: string;
  /** Name of the environment variable that holds the API key. @default 'ANTHROPIC_API_KEY' */
  apiKeyEnv?: string;
  /** What an example is: the user's text, or a whole conversation. @default 'text' */
  input?: 'text' | 'messages';
  /** What a prediction is: the text, or the whole message as JSON text. @default 'text' */
  response?: 'text' | 'json';
  /** System prompt of each request: a text, or content blocks. */
  system?: JsonValue;
  /** A form that answers must have, as the Messages API takes it: `{ format: { … } }`. */
  outputConfig?: JsonArguments;
  /** Most tokens of an answer. @default 1024 */
  maxTokens?: number;
  /** Sampling temperature. @default the API's */
  temperature?: number;
  /** Share of likely tokens that are sampled from. @default the API's */
  topP?: number;
  /** How many likely tokens are sampled from. @default the API's */
  topK?: number;
  /** Texts at which the answer ends. */
  stopSequences?: readonly string[];
  /** Further arguments of `messages.create`. */
  parameters?: JsonArguments;
  /**
   * Function `(model_name, batch, client, inference_args)` that sends the request of a batch of one
   * example and returns a list of one message.
   *
   * @default Beam's `message_from_string` and `message_from_conversation`
   */
  requestFn?: PythonFunction;
  /** Address of the API. @default Anthropic's, or what ANTHROPIC_BASE_URL says */
  baseUrl?: string;
}

const CHECKS: Checks<AnthropicOptions> = {
  ...REMOTE_CHECKS,
  modelName: text,
  apiKeyEnv: variable,
  input: oneOf('text', 'messages'),
  response: oneOf('text', 'json'),
  system: jsonValue,
  outputConfig: jsonArguments,
  maxTokens: count,
  temperature: amount,
  topP: amount,
  topK: count,
  stopSequences: texts,
  parameters: jsonArguments,
  requestFn: pythonFunction,
  baseUrl: httpUrl,
};

/**
 * Anthropic's Claude models: Beam's `AnthropicModelHandler`, with requests that are tried again one
 * by one, and the key left out of the pipeline.
 *
 * Errors when run are those of {@link openAiCompatible}.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const claude = anthropic({ modelName: 'claude-haiku-4-5', system: 'Be brief.', maxTokens: 200 });
 * questions.apply(RunInference.of(claude)).map(({ inference }) => inference);
 * ```
 */
export function anthropic(
  options: AnthropicOptions & { input: 'messages' },
): PythonModelHandler<ChatMessage[], string>;
/** With texts as examples. */
export function anthropic(
  options: AnthropicOptions & { input?: 'text' },
): PythonModelHandler<string, string>;
export function anthropic(options: AnthropicOptions): object {
  const example: SchemaType = options?.input === 'messages' ? chatMessages : string;
  return checkedHandler<AnthropicOptions, unknown, string>(options, {
    name: 'anthropic',
    provider: 'anthropic.anthropic',
    extra: 'anthropic',
    checks: CHECKS,
    lacks: NOT_REMOTE,
    required: ['modelName'],
    types: { example, inference: string },
  });
}
