// SPDX-License-Identifier: Apache-2.0
// What a run leaves to be undone, undone: every step is tried, whatever becomes of the others.

import { getLogger } from '../base/index.ts';

const log = getLogger('runner');

/** Runs the steps one after the other. One that fails is told about and does not stop the rest. */
export async function tidyUp(steps: readonly (() => unknown)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      log.warn('tidying up after the run failed', error);
    }
  }
}
