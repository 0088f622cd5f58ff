// SPDX-License-Identifier: Apache-2.0
// Files for what memory does not hold. They have no name from the moment that they are open, so that
// nothing of them is left, however the program ends: there is nothing to sweep, and nobody else's to
// take for a dead program's.

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BeamBridgeError } from '../../../../base/index.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** What the file system says about a file of ours. */
export function fileError(error: unknown, path: string): BeamBridgeError {
  if (error instanceof BeamBridgeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new BeamBridgeError(
    'IO_FAILED',
    `what is larger than memory needs files, but ${path} cannot be used: ${message}`,
    {
      hint: FULL.has(code ?? '')
        ? 'The disk is full: free some space, or point TMPDIR to a folder on another disk.'
        : 'Point TMPDIR to a folder that this program may write to.',
      cause: error,
    },
  );
}

/**
 * Opens a new file for reading and writing.
 *
 * @param folder - @default the system's temporary folder
 */
export async function openUnnamed(folder: string = tmpdir()): Promise<FileHandle> {
  const path = join(folder, `beambridge-spill-${randomBytes(9).toString('base64url')}`);
  try {
    const handle = await open(path, 'wx+', 0o600);
    await rm(path, { force: true });
    return handle;
  } catch (error) {
    throw fileError(error, path);
  }
}
