// SPDX-License-Identifier: Apache-2.0
// Waiting that ends early without an error.

import { setTimeout as delay } from 'node:timers/promises';

/** Resolves after some milliseconds, or when the signal says that waiting is no use. */
export async function nap(millis: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(millis, undefined, signal ? { signal } : {});
  } catch {
    // Only an abort rejects: whoever waits looks at the signal.
  }
}
