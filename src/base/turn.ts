// SPDX-License-Identifier: Apache-2.0
// Sharing this thread: work that waits for nothing but promises keeps signals, timers and sockets
// waiting for as long as it lasts, however often it awaits. One clock serves all of the process, for
// it has one event loop.

/** For how long work may keep the event loop. */
const TURN_MILLIS = 20;

let began = performance.now();

/**
 * A promise to be awaited when work has kept the event loop for long: all that waits has its turn
 * then. Undefined otherwise, in a fraction of a microsecond.
 */
export function yieldIfDue(): Promise<void> | undefined {
  if (performance.now() - began < TURN_MILLIS) return undefined;
  return new Promise((resolve) => {
    setImmediate(() => {
      began = performance.now();
      resolve();
    });
  });
}
