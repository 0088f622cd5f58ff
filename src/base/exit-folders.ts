// SPDX-License-Identifier: Apache-2.0
// Temporary folders that go with the program where it ends without tidying up: by process.exit(), by an
// error that nobody caught, or by a signal that a run was told of. One that kills at once leaves them.

import { rmSync } from 'node:fs';

const folders = new Set<string>();

/** Removes the folder when the program exits, until the returned function is called. */
export function removeAtExit(folder: string): () => void {
  if (folders.size === 0) process.on('exit', removeExitFolders);
  folders.add(folder);
  return () => {
    if (folders.delete(folder) && folders.size === 0) process.off('exit', removeExitFolders);
  };
}

/** Removes those folders now, for whoever is about to end the program in a way that has no `exit`. */
export function removeExitFolders(): void {
  for (const folder of folders) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // It is too late to tell anybody.
    }
  }
}
