// SPDX-License-Identifier: Apache-2.0
// From patterns to paths.

import { BeamBridgeError } from '../../base/index.ts';
import type { StoreOptions } from '../stores/options.ts';
import { storeOf } from '../stores/store-of.ts';

/**
 * A path or pattern that means the same wherever the program's folder is later.
 *
 * @throws `INVALID_ARGUMENT` for what is no text, `UNSUPPORTED` for files of a store that is not known
 */
export function checkPattern(pattern: string, stores?: StoreOptions): string {
  if (typeof pattern !== 'string' || pattern === '') {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${String(pattern)} is no path`, {
      hint: "Pass a path or a pattern such as 'data/*.csv', or an array of them.",
    });
  }
  return storeOf(pattern, 'read', stores).pathOf(pattern);
}

/** @throws `FILE_NOT_FOUND` when nothing matches, unless that is allowed */
export function findFiles(
  pattern: string,
  cwd: string,
  allowEmptyMatch: boolean,
  stores?: StoreOptions,
): Promise<string[]> {
  return storeOf(pattern, 'read', stores).find(pattern, cwd, allowEmptyMatch);
}
