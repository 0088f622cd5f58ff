// SPDX-License-Identifier: Apache-2.0
// What a run says when the engine that it started is gone.

import { BeamBridgeError } from '../base/index.ts';
import type { ServiceExit } from '../services/index.ts';

/**
 * @param name - what messages call the engine
 * @param remedy - what can be done beside reading its last words
 * @param lastWords - what it said at its end. @default all that is kept of its standard error
 */
export function engineDied(
  name: string,
  { code, signal, stderr }: ServiceExit,
  remedy = '',
  lastWords: string = stderr,
): BeamBridgeError {
  const how = signal ? `ended by ${signal}` : `ended with status ${code ?? 'unknown'}`;
  return new BeamBridgeError('ENGINE_DIED', `${name} was ${how} while it ran a job`, {
    hint: `Its last words are below. Signal 9 often means that the machine ran out of memory${remedy}.`,
    detail: lastWords || undefined,
  });
}
