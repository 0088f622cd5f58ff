// SPDX-License-Identifier: Apache-2.0
// Google's Gemini models.

import { array, bytes, row, type SchemaType, string } from '../../schema/index.ts';
import type { PythonModelHandler } from './handler.ts';
import {
  type Checks,
  checkedHandler,
  flag,
  type JsonArguments,
  jsonArguments,
  oneOf,
  type PythonFunction,
  pythonFunction,
  text,
} from './options.ts';
import {
  excluding,
  httpUrl,
  NOT_REMOTE,
  REMOTE_CHECKS,
  type RemoteOptions,
  variable,
} from './remote.ts';

/** A prompt with images. */
export interface PromptWithImages {
  text: string;
  /** The bytes of PNG, JPEG, GIF or WebP files. */
  images: Uint8Array[];
}

const promptWithImages: SchemaType<PromptWithImages> = row({ text: string, images: array(bytes) });

/** Options of {@link gemini}. */
export interface GeminiOptions extends RemoteOptions {
  /** Name of the model, such as `gemini-2.5-flash`. */
  modelName: string;
  /**
   * Name of the environment variable that holds the key of the Gemini Developer API.
   *
   * @default 'GEMINI_API_KEY'
   */
  apiKeyEnv?: string;
  /** Google Cloud project: asks Vertex AI, with Google's default credentials. Needs `location`. */
  project?: string;
  /** Region of the project. */
  location?: string;
  /** With `project`, the cheaper and slower Flex API. @default false */
  useVertexFlexApi?: boolean;
  /** What an example is: a text, or a {@link PromptWithImages}. @default 'text' */
  input?: 'text' | 'images';
  /**
   * What a prediction is: the text, the whole answer as JSON text, or the first image's bytes.
   *
   * @default 'text'
   */
  response?: 'text' | 'json' | 'image';
  /** The `config` of `generate_content`: `{ temperature: 0, system_instruction: '…' }`. */
  config?: JsonArguments;
  /**
   * Function `(model_name, batch, client, inference_args)` that sends the request of one example, whose
   * parts `batch` holds, and returns the answer.
   *
   * @default Beam's `generate_from_string`
   */
  requestFn?: PythonFunction;
  /** Address of the API. @default Google's */
  baseUrl?: string;
}

const CHECKS: Checks<GeminiOptions> = {
  ...REMOTE_CHECKS,
  modelName: text,
  apiKeyEnv: variable,
  project: text,
  location: text,
  useVertexFlexApi: flag,
  input: oneOf('text', 'images'),
  response: oneOf('text', 'json', 'image'),
  config: jsonArguments,
  requestFn: pythonFunction,
  baseUrl: httpUrl,
};

/**
 * Google's Gemini models: Beam's `GeminiModelHandler`. Beam sends a whole batch as one prompt; here
 * each example is a request of its own, tried again by itself, and the key is left out of the pipeline.
 *
 * Errors when run are those of {@link openAiCompatible}.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const flash = gemini({ modelName: 'gemini-2.5-flash', config: { temperature: 0 } });
 * questions.apply(RunInference.of(flash)).map(({ inference }) => inference);
 * ```
 */
export function gemini(
  options: GeminiOptions & { input: 'images'; response: 'image' },
): PythonModelHandler<PromptWithImages, Uint8Array>;
/** With images as predictions. */
export function gemini(
  options: GeminiOptions & { input?: 'text'; response: 'image' },
): PythonModelHandler<string, Uint8Array>;
/** With images in examples. */
export function gemini(
  options: GeminiOptions & { input: 'images'; response?: 'text' | 'json' },
): PythonModelHandler<PromptWithImages, string>;
/** With texts. */
export function gemini(
  options: GeminiOptions & { input?: 'text'; response?: 'text' | 'json' },
): PythonModelHandler<string, string>;
export function gemini(options: GeminiOptions): object {
  const { project, location, apiKeyEnv, useVertexFlexApi, input, response } = options ?? {};
  if ((project === undefined) !== (location === undefined)) {
    throw excluding('gemini', 'project and location come together', 'Give both, or neither.');
  }
  if (project !== undefined && apiKeyEnv !== undefined) {
    throw excluding(
      'gemini',
      'both apiKeyEnv and project are given',
      'A key is for the Gemini Developer API, a project for Vertex AI: give one.',
    );
  }
  if (useVertexFlexApi && project === undefined) {
    throw excluding('gemini', 'useVertexFlexApi needs a project', 'Give project and location.');
  }
  return checkedHandler<GeminiOptions, unknown, unknown>(options, {
    name: 'gemini',
    provider: 'gemini.gemini',
    extra: 'gemini',
    checks: CHECKS,
    lacks: NOT_REMOTE,
    required: ['modelName'],
    types: {
      example: input === 'images' ? promptWithImages : string,
      inference: response === 'image' ? bytes : string,
    },
  });
}
