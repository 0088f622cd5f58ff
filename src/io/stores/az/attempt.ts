// SPDX-License-Identifier: Apache-2.0
// Requests to Azure that may not wait for ever: its package waits as long as a connection is open.

import { again } from '../objects/again.ts';
import { TornTransfer } from '../objects/failures.ts';
import type { Sending } from './package.ts';

/** Makes a request, and makes it again where no byte went either way for a while. */
export function attempt<T>(idleMs: number, request: (options: Sending) => Promise<T>): Promise<T> {
  const isTorn = (error: unknown) => error instanceof TornTransfer;
  return again(isTorn, async () => {
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
