// SPDX-License-Identifier: Apache-2.0
// What became of an object whose last call failed: the service may have done it, and its answer be lost. Whoever has
// written others beside it must know which, or that nobody knows.

import { pauseBehind } from './again.ts';
import { attemptsOf, failureOf, Unsettled } from './failures.ts';

/** How long a service is asked again, each time with its own patience. */
const PATIENCE_MS = 8000;

/** `over`: it is not there, and what was sent cannot become it any more. `open`: it may. */
export type Outcome = 'there' | 'over' | 'open';

/**
 * Ends where the object is there all the same.
 *
 * @param look - asks the service, and throws where that is no answer
 * @throws `error` where it is not there and does not come, {@link Unsettled} where that is not known
 */
export async function settle(error: unknown, look: () => Promise<Outcome>): Promise<void> {
  if (error instanceof Unsettled) throw error;
  // What was refused is not done, unless it was asked twice and the first answer lost.
  const isRefused = failureOf(error) === 'refused' && attemptsOf(error) <= 1;
  const begun = Date.now();
  let wasOver = false;
  for (let attempt = 1; ; attempt++) {
    const outcome = await look().catch(() => 'open');
    if (outcome === 'there') return;
    // Twice, with a pause: a service may still be at what it did not answer.
    if (isRefused || (outcome === 'over' && wasOver)) throw error;
    wasOver = outcome === 'over';
    if (Date.now() - begun > PATIENCE_MS) throw new Unsettled('unknown', error);
    await pauseBehind(attempt);
  }
}
