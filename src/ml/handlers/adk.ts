// SPDX-License-Identifier: Apache-2.0
// Agents of Google's Agent Development Kit.

import { string } from '../../schema/index.ts';
import type { PythonModelHandler } from './handler.ts';
import {
  type Checks,
  checkedHandler,
  type PythonFunction,
  type PythonHandlerOptions,
  pythonFunction,
  text,
} from './options.ts';

/** Options of {@link adk}. */
export interface AdkOptions extends PythonHandlerOptions {
  /** Function without arguments that makes the agent, on each worker. */
  agent: PythonFunction;
  /** Name under which sessions are kept. @default 'beam_inference' */
  appName?: string;
  /** Function without arguments that makes the session service. @default sessions in memory */
  sessionServiceFactory?: PythonFunction;
}

const CHECKS: Checks<AdkOptions> = {
  agent: pythonFunction,
  appName: text,
  sessionServiceFactory: pythonFunction,
};

/**
 * An agent of Google's Agent Development Kit: Beam's `ADKAgentModelHandler`. An example is the user's
 * text, a prediction the text of the agent's final answer. Each example is a session of its own,
 * unless the inference arguments hold a `session_id`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const agent = adk({
 *   agent: `
 * from google.adk.agents import LlmAgent
 * def make():
 *   return LlmAgent(name='helper', model='gemini-2.5-flash', instruction='Be brief.')
 * `,
 * });
 * ```
 */
export function adk(options: AdkOptions): PythonModelHandler<string, string> {
  return checkedHandler<AdkOptions, string, string>(options, {
    name: 'adk',
    provider: 'adk.adk',
    extra: 'adk',
    checks: CHECKS,
    required: ['agent'],
    types: { example: string, inference: string },
  });
}
