// SPDX-License-Identifier: Apache-2.0
// What the file system says, as one of our errors.

import { BeamBridgeError } from '../base/index.ts';

const NOT_FOUND = new Set(['ENOENT', 'ENOTDIR']);
const NOT_WRITABLE: Readonly<Record<string, string>> = {
  EACCES: 'Permission is missing: choose another folder, or change its mode.',
  EPERM: 'Permission is missing: choose another folder, or change its mode.',
  EROFS: 'The file system is read-only: choose another folder.',
  ENOTDIR: 'A part of the path is a file: choose another folder.',
  EEXIST: 'A part of the path is a file: choose another folder.',
  EISDIR: 'There is a folder of that name: choose another prefix.',
  ENOENT: 'The folder cannot be made there: choose another.',
  ENOSPC: 'The disk is full: free some space, or choose a folder on another disk.',
  EDQUOT: 'The disk quota is used up: free some space, or choose another folder.',
};

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error of reading `path`. */
export function readError(error: unknown, path: string): BeamBridgeError {
  if (error instanceof BeamBridgeError) return error;
  const code = codeOf(error);
  if (NOT_FOUND.has(code)) {
    return new BeamBridgeError('FILE_NOT_FOUND', `${path} is not there`, { cause: error });
  }
  if (/^Z_|^ERR_ZLIB/.test(code)) {
    return new BeamBridgeError(
      'MALFORMED_DATA',
      `${path} is no whole gzip file: ${messageOf(error)}`,
      {
        hint: "If it is not compressed, read it with { compression: 'none' }.",
        cause: error,
      },
    );
  }
  return new BeamBridgeError('IO_FAILED', `${path} cannot be read: ${messageOf(error)}`, {
    cause: error,
  });
}

/** An error of writing `path`. */
export function writeError(error: unknown, path: string): BeamBridgeError {
  if (error instanceof BeamBridgeError) return error;
  const hint = NOT_WRITABLE[codeOf(error)];
  return new BeamBridgeError(
    hint ? 'OUTPUT_NOT_WRITABLE' : 'IO_FAILED',
    `${path} cannot be written: ${messageOf(error)}`,
    { hint, cause: error },
  );
}
