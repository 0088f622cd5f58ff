// SPDX-License-Identifier: Apache-2.0
// The end of an iterator that nobody reads any longer, because something failed.

import { getLogger, isThenable } from '../../base/index.ts';
import type { MaybePromise } from './types.ts';

const log = getLogger('harness');

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
    if (isThenable(ended)) return Promise.resolve(ended).then(() => {}, tell);
  } catch (error) {
    tell(error);
  }
}
