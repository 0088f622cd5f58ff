// SPDX-License-Identifier: Apache-2.0
// Requests to Azure that may not wait for ever: its package waits as long as a connection is open.

import { again } from '../objects/again.ts';
import { statusOf, TornTransfer } from '../objects/failures.ts';
import type { Sending } from './package.ts';

/** That there were too many requests, which the package does not ask again, as it does what else may pass. */
export function isThrottled(error: unknown): boolean {
  return statusOf(error) === 429;
}

/** Makes a request, and makes it again where no byte went either way for a while, or there were too many. */
export function attempt<T>(idleMs: number, request: (options: Sending) => Promise<T>): Promise<T> {
  const mayPass = (error: unknown) => error instanceof TornTransfer || isThrottled(error);
  return again(mayPass, async () => {
    const stop = new AbortController();
    const torn = new TornTransfer(`no byte came for ${idleMs} ms`);
    const timer = setTimeout(() => stop.abort(torn), idleMs);
    try {
      return await request({ abortSignal: stop.signal, onProgress: () => timer.refresh() });
    } catch (error) {
      throw stop.signal.aborted ? torn : error;
    } finally {
      clearTimeout(timer);
    }
  });
}
