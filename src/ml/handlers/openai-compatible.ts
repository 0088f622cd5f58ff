// SPDX-License-Identifier: Apache-2.0
// Models behind an endpoint that speaks OpenAI's API.

import { array, float32, row, type SchemaType, string } from '../../schema/index.ts';
import type { PythonModelHandler } from './handler.ts';
import {
  type Check,
  type Checks,
  checkedHandler,
  count,
  type JsonArguments,
  jsonArguments,
  oneOf,
  text,
} from './options.ts';
import {
  amount,
  excluding,
  httpUrl,
  NOT_REMOTE,
  REMOTE_CHECKS,
  type RemoteOptions,
  variable,
} from './remote.ts';

/** One message of a conversation. */
export interface ChatMessage {
  /** Who speaks: `system`, `user` or `assistant`. */
  role: string;
  content: string;
}

/** Type of a conversation: an array of {@link ChatMessage}. */
export const chatMessages: SchemaType<ChatMessage[]> = array(
  row({ role: string, content: string }),
);

/** Options of {@link openAiCompatible}. */
export interface OpenAiCompatibleOptions extends RemoteOptions {
  /** Address up to the path of an API, such as `https://api.openai.com/v1`. */
  baseUrl: string;
  /** Name of the model, as the endpoint knows it. */
  model: string;
  /** Which API is spoken. @default 'chat' */
  api?: 'chat' | 'completions' | 'embeddings';
  /** With `chat`, what an example is: the user's text, or a whole conversation. @default 'text' */
  input?: 'text' | 'messages';
  /**
   * What a prediction is: the text (the embedding with `embeddings`), or the endpoint's whole answer
   * as JSON text.
   *
   * @default 'text'
   */
  response?: 'text' | 'json';
  /**
   * Name of the environment variable that holds the API key. The key itself is read by the Python
   * worker and is never part of the pipeline.
   *
   * @default no key is sent
   */
  apiKeyEnv?: string;
  /** With `chat`, a message of the role `system` before each conversation. */
  system?: string;
  /** Sampling temperature; 0 is greedy. @default the endpoint's */
  temperature?: number;
  /** Most tokens of an answer. @default the endpoint's */
  maxTokens?: number;
  /** Share of likely tokens that are sampled from. @default the endpoint's */
  topP?: number;
  /** Seed of the sampling, where the endpoint knows one. */
  seed?: number;
  /** Texts at which the answer ends. */
  stop?: readonly string[];
  /** With `embeddings`, how many numbers one has. @default the model's */
  dimensions?: number;
  /** Further fields of each request's body, such as `{ response_format: { type: 'json_object' } }`. */
  parameters?: JsonArguments;
  /** Further HTTP headers. They are part of the pipeline: keep secrets out. */
  headers?: Readonly<Record<string, string>>;
  /** HTTP headers whose values environment variables hold: the header's name, the variable's name. */
  secretHeaders?: Readonly<Record<string, string>>;
  /** With `embeddings`, most examples in one request. @default 32 */
  inputsPerRequest?: number;
}

const whole: Check = (value) => (Number.isSafeInteger(value) ? undefined : 'not a whole number');

const stop: Check = (value) =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== '')
    ? undefined
    : 'not an array of texts';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const headers: Check = (value) => {
  if (!isRecord(value) || Object.values(value).some((each) => typeof each !== 'string'))
    return 'not an object of texts';
  const secret = Object.keys(value).find((name) => /^(proxy-)?authorization$|api-?key/i.test(name));
  return secret && `holding ${secret}: name its variable in apiKeyEnv or secretHeaders`;
};

const secretHeaders: Check = (value) =>
  isRecord(value) ? Object.values(value).map(variable).find(Boolean) : 'not an object of texts';

const CHECKS: Checks<OpenAiCompatibleOptions> = {
  ...REMOTE_CHECKS,
  baseUrl: httpUrl,
  model: text,
  api: oneOf('chat', 'completions', 'embeddings'),
  input: oneOf('text', 'messages'),
  response: oneOf('text', 'json'),
  apiKeyEnv: variable,
  system: text,
  temperature: amount,
  maxTokens: count,
  topP: amount,
  seed: whole,
  stop,
  dimensions: count,
  parameters: jsonArguments,
  headers,
  secretHeaders,
  inputsPerRequest: count,
};

/**
 * A model behind an endpoint that speaks OpenAI's API: OpenAI itself, and vLLM, llama.cpp, Ollama and
 * most gateways. Nothing is installed for it.
 *
 * Requests of a batch are in flight together and tried again one by one; a row whose request fails
 * for good fails alone, with dead letters. Counters of the namespace `OpenAICompatibleModelHandler`:
 * `remote_requests`, `remote_retries`, `remote_prompt_tokens`, `remote_completion_tokens`, and Beam's
 * `cumulativeThrottlingSeconds`.
 *
 * Errors when run: `CREDENTIALS_MISSING`, `CREDENTIALS_REFUSED` (each ends the run), and for a row
 * `ENDPOINT_UNAVAILABLE` (no connection, no answer in time, throttled or failing after all tries),
 * `ENDPOINT_REFUSED`, `ENDPOINT_MISMATCH`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const llm = openAiCompatible({
 *   baseUrl: 'https://api.openai.com/v1',
 *   model: 'gpt-4o-mini',
 *   apiKeyEnv: 'OPENAI_API_KEY',
 *   temperature: 0,
 *   requestsPerSecond: 5,
 * });
 * questions.apply(RunInference.of(llm)).map(({ example, inference }) => `${example} ${inference}`);
 * ```
 */
export function openAiCompatible(
  options: OpenAiCompatibleOptions & { api: 'embeddings'; response?: 'text' },
): PythonModelHandler<string, number[]>;
/** With conversations as examples. */
export function openAiCompatible(
  options: OpenAiCompatibleOptions & { api?: 'chat'; input: 'messages' },
): PythonModelHandler<ChatMessage[], string>;
/** With texts as examples and predictions. */
export function openAiCompatible(
  options: OpenAiCompatibleOptions & { input?: 'text' },
): PythonModelHandler<string, string>;
export function openAiCompatible(options: OpenAiCompatibleOptions): object {
  const { api = 'chat', input = 'text', response = 'text' } = options ?? {};
  const refuse = (message: string, hint: string) => {
    throw excluding('openAiCompatible', message, hint);
  };
  if (input === 'messages' && api !== 'chat') {
    refuse(`${api} takes no messages`, "Leave input out, or set api: 'chat'.");
  }
  if (options?.system !== undefined && api !== 'chat') {
    refuse(`${api} has no system message`, "Put it into the text, or set api: 'chat'.");
  }
  return checkedHandler<OpenAiCompatibleOptions, unknown, unknown>(options, {
    name: 'openAiCompatible',
    provider: 'openai_compatible.openai_compatible',
    checks: CHECKS,
    lacks: NOT_REMOTE,
    required: ['baseUrl', 'model'],
    types: {
      example: input === 'messages' ? chatMessages : string,
      inference: api === 'embeddings' && response === 'text' ? array(float32) : string,
    },
  });
}
