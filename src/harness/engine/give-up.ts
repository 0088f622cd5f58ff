// SPDX-License-Identifier: Apache-2.0
// The end of an iterator that nobody reads any longer, because something failed.

import { getLogger, isThenable, within } from '../../base/index.ts';
import type { MaybePromise } from './types.ts';

const log = getLogger('harness');

/** How long it may take before the error that came first is told. Milliseconds. */
const GIVE_UP_MS = 2000;

/**
 * Lets a user's iterator tidy up. What fails in that is logged and not thrown: it would hide the error
 * that came first, which is why the iterator is given up.
 */
export function giveUp(
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  transform: string,
): MaybePromise<void> {
  const tell = (error: unknown) => {
    log.warn(`after another failure, the iterator of outputs in ${transform} failed too`, error);
  };
  try {
    const ended: unknown = iterator.return?.();
    if (isThenable(ended)) return settled(Promise.resolve(ended).catch(tell), transform);
  } catch (error) {
    tell(error);
  }
}

async function settled(ended: Promise<unknown>, transform: string): Promise<void> {
  let isOver = false;
  const over = ended.then(() => {
    isOver = true;
  });
  await within(GIVE_UP_MS, over);
  if (isOver) return;
  log.warn(
    `after another failure, the iterator of outputs in ${transform} does not come to its end: it is left behind`,
  );
}
