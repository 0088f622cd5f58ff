// SPDX-License-Identifier: Apache-2.0
// Paths of local files.

import { fileURLToPath } from 'node:url';
import { BeamBridgeError } from '../../../base/index.ts';

/**
 * The path that a person means by a path or a URL of a file.
 *
 * @throws `INVALID_ARGUMENT` for a URL of a file of another machine
 */
export function localPath(path: string): string {
  if (!/^file:\//i.test(path)) return path;
  try {
    return fileURLToPath(path);
  } catch (error) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${path} is no URL of a local file`, {
      hint: 'Write file:///folder/name, or the path alone.',
      cause: error,
    });
  }
}
