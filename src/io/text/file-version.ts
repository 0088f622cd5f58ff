// SPDX-License-Identifier: Apache-2.0
// Whether a file is still the one that was listed: parts of two versions together are wrong lines.

import type { FileHandle } from 'node:fs/promises';
import { BeamBridgeError } from '../../base/index.ts';

/** How much a file holds, and which contents those are. */
export async function versionOf(file: FileHandle): Promise<{ size: number; version: string }> {
  const { ino, size, mtimeNs } = await file.stat({ bigint: true });
  return { size: Number(size), version: `${ino}-${size}-${mtimeNs}` };
}

/** @throws `IO_FAILED` when it is not the version that was listed */
export async function checkVersion(file: FileHandle, path: string, version: string): Promise<void> {
  if ((await versionOf(file)).version !== version) throw changed(path);
}

/** The error of a file that was shortened, replaced or written to. */
export function changed(path: string): BeamBridgeError {
  return new BeamBridgeError('IO_FAILED', `${path} was changed while it was read`, {
    hint: 'Whoever writes it should write under another name and rename it when it is complete; copy a file that still grows and read the copy.',
  });
}
