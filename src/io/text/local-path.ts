// SPDX-License-Identifier: Apache-2.0
// Paths of local files, and what only looks like one.

import { fileURLToPath } from 'node:url';
import { BeamBridgeError } from '../../base/index.ts';

const PYTHONS = { read: 'ReadFromText', written: 'WriteToText' } as const;

/**
 * The path that a person means by a path or a URL of a file.
 *
 * @throws `UNSUPPORTED` for a URL of anything else, which would otherwise be a folder of that name
 */
export function localPath(path: string, done: 'read' | 'written'): string {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(path)?.[1];
  if (scheme === undefined || !path.startsWith('//', scheme.length + 1)) {
    return path.startsWith('file:/') ? fileURLToPath(path) : path;
  }
  if (scheme.toLowerCase() === 'file') {
    try {
      return fileURLToPath(path);
    } catch (error) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${path} is no URL of a local file`, {
        hint: 'Write file:///folder/name, or the path alone.',
        cause: error,
      });
    }
  }
  throw new BeamBridgeError('UNSUPPORTED', `${path}: only local files can be ${done} here`, {
    hint: `Use pythonTransform('apache_beam.io.${PYTHONS[done]}', …) for ${scheme} files.`,
  });
}
