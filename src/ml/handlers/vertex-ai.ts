// SPDX-License-Identifier: Apache-2.0
// Endpoints of Vertex AI.

import { string } from '../../schema/index.ts';
import type { PythonModelHandler } from './handler.ts';
import { type Checks, checkedHandler, type DeclaredTypes, flag, oneOf, text } from './options.ts';
import { excluding, NOT_REMOTE, REMOTE_CHECKS, type RemoteOptions } from './remote.ts';

/** Options of {@link vertexAi}. Beam sends and retries whole batches there. */
export interface VertexAiOptions
  extends Omit<
    RemoteOptions,
    'requestsPerSecond' | 'maxConcurrency' | 'maxRetryDelayMs' | 'maxThrottleMs' | 'timeoutMs'
  > {
  /** Number of the endpoint. */
  endpointId: string;
  /** Google Cloud project in which it is deployed. */
  project: string;
  /** Region in which it is deployed. */
  location: string;
  /** Label of an experiment for the queries. */
  experiment?: string;
  /** Full name of the Compute Engine network of a private endpoint. */
  network?: string;
  /** Whether the endpoint is private; needs `network`. @default false */
  private?: boolean;
  /** Path of an endpoint with routes of its own, such as `/predict/v1`. */
  invokeRoute?: string;
  /** What a prediction is: the value of the declared type, or JSON text. @default 'value' */
  response?: 'value' | 'json';
}

const LACKS = [
  ...NOT_REMOTE,
  'requestsPerSecond',
  'maxConcurrency',
  'maxRetryDelayMs',
  'maxThrottleMs',
  'timeoutMs',
] as const;

const CHECKS: Checks<VertexAiOptions> = {
  ...REMOTE_CHECKS,
  endpointId: text,
  project: text,
  location: text,
  experiment: text,
  network: text,
  private: flag,
  invokeRoute: (value) =>
    typeof value === 'string' && value.startsWith('/')
      ? undefined
      : 'not a path that starts with /',
  response: oneOf('value', 'json'),
};

/**
 * A model deployed to a Vertex AI endpoint: Beam's `VertexAIModelHandlerJSON`. Examples are sent as
 * JSON. The endpoint is asked before the run, with Google's default credentials.
 *
 * Errors before the run: `CREDENTIALS_MISSING`, `ENDPOINT_UNAVAILABLE`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `INVALID_SCHEMA`
 * @example
 * ```ts
 * const flowers = vertexAi({
 *   endpointId: '123', project: 'mine', location: 'us-central1',
 *   example: array(float32), inference: array(float32),
 * });
 * ```
 */
export function vertexAi<ExampleT>(
  options: VertexAiOptions & { response: 'json' } & Pick<
      DeclaredTypes<ExampleT, string>,
      'example'
    >,
): PythonModelHandler<ExampleT, string>;
/** With predictions of the declared type. */
export function vertexAi<ExampleT, InferenceT>(
  options: VertexAiOptions & { response?: 'value' } & DeclaredTypes<ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT>;
export function vertexAi(
  options: VertexAiOptions & Partial<DeclaredTypes<unknown, unknown>>,
): object {
  if (options?.private && options.network === undefined) {
    throw excluding(
      'vertexAi',
      'a private endpoint needs a network',
      'Give network its full name.',
    );
  }
  return checkedHandler<VertexAiOptions, unknown, unknown>(options, {
    name: 'vertexAi',
    provider: 'vertexai.vertexai',
    extra: 'vertexai',
    checks: CHECKS,
    lacks: LACKS as never,
    required: ['endpointId', 'project', 'location'],
    types: {
      example: options?.example as never,
      inference: options?.response === 'json' ? string : (options?.inference as never),
    },
  });
}
