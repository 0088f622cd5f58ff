// SPDX-License-Identifier: Apache-2.0
// Folders and those above them, level by level: Node's own `recursive` never ends where a folder is there and answers
// ENOENT to whoever makes one in it, as those of /proc do, and such a program does not hear SIGTERM either.

import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder, and those above it that are missing. One that is there already is left as it is.
 *
 * @param mode - of those that are made
 * @throws what the system says
 */
export async function makeFolders(folder: string, mode?: number): Promise<void> {
  const failed = await made(folder, mode);
  const above = dirname(folder);
  if (failed?.code === 'ENOENT' && above !== folder) {
    await makeFolders(above, mode);
    const refused = await made(folder, mode);
    if (refused) throw refused;
  } else if (failed) throw failed;
}

/** Why a folder could not be made; undefined where it is there now, whoever made it. */
async function made(folder: string, mode?: number): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(folder, { mode });
  } catch (error) {
    const isThere = (await stat(folder).catch(() => undefined))?.isDirectory();
    if (!isThere) return error as NodeJS.ErrnoException;
  }
  return undefined;
}
