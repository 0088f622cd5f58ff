// SPDX-License-Identifier: Apache-2.0
// Requests that are made again, for stores whose packages do not do it.

import { nap } from '../../../base/index.ts';
import { failureOf } from './failures.ts';

export const MOST_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 200;

/** How long is waited behind a failed attempt: longer each time, and not as long as others wait. */
export function pauseBehind(attempt: number, signal?: AbortSignal): Promise<void> {
  return nap(FIRST_PAUSE_MS * 2 ** attempt * (0.5 + Math.random() / 2), signal);
}

/** A connection that was lost, and a request that came to no end. */
export function isLost(error: unknown): boolean {
  return failureOf(error) === 'lost';
}

export function isBusy(error: unknown): boolean {
  return failureOf(error) === 'busy';
}

/** Whether a request may be made again that does no harm when it is done twice. */
export function isPassing(error: unknown): boolean {
  return isLost(error) || isBusy(error);
}

/** Makes a request, and makes it again where it fails like that. */
export async function again<T>(
  failsLike: (error: unknown) => boolean,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= MOST_ATTEMPTS || signal?.aborted || !failsLike(error)) throw error;
      await pauseBehind(attempt, signal);
    }
  }
}
