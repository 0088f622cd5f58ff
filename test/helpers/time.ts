// SPDX-License-Identifier: Apache-2.0
// Time that passes when a test says so.

import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';

/** Lets milliseconds pass, by timers and by `performance.now()`; promises have their turn in between. */
export function time({ mock }: TestContext): (millis: number) => Promise<void> {
  let now = 1;
  mock.method(performance, 'now', () => now);
  mock.timers.enable({ apis: ['setTimeout'] });
  return async (millis) => {
    for (const end = now + millis; now < end; ) {
      now += 100;
      mock.timers.tick(100);
      for (let i = 0; i < 5; i++) await setImmediate();
    }
  };
}
