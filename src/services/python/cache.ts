// SPDX-License-Identifier: Apache-2.0
// Where environments and the state of a warm host are kept, and how a folder that cannot be written
// is reported.

import { homedir } from 'node:os';
import path from 'node:path';
import { BeamBridgeError, type ErrorCode, makeFolders } from '../../base/index.ts';

/** `$BEAMBRIDGE_HOME`, else `$XDG_CACHE_HOME/beambridge`, else `~/.cache/beambridge`. */
export function cacheFolder(): string {
  const { BEAMBRIDGE_HOME: home, XDG_CACHE_HOME: cache } = process.env;
  if (home) return path.resolve(home);
  return path.join(cache ? path.resolve(cache) : path.join(homedir(), '.cache'), 'beambridge');
}

/** Creates a folder and those above it, readable by nobody else. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await makeFolders(folder, 0o700);
  } catch (error) {
    throw folderError(error, folder);
  }
}

const REASONS = new Map([
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'the file system is read-only'],
  ['ENOTDIR', 'a part of the path is a file'],
  ['EEXIST', 'a part of the path is a file'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
]);

/** A failed file operation in the cache folder as an error that says what to do. */
export function folderError(
  error: unknown,
  folder: string,
  code: ErrorCode = 'ENVIRONMENT_BUILD_FAILED',
): BeamBridgeError {
  const { code: errno, message } = error as NodeJS.ErrnoException;
  return new BeamBridgeError(
    code,
    `cannot write to ${folder}: ${REASONS.get(errno ?? '') ?? message}`,
    {
      hint: 'Free space there, or set BEAMBRIDGE_HOME to a folder that can be written.',
      cause: error,
    },
  );
}
