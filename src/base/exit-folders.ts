// SPDX-License-Identifier: Apache-2.0
// Temporary folders that go with the program where it ends without tidying up: by process.exit(), or
// by an error that nobody caught. A signal that kills leaves them.

import { rmSync } from 'node:fs';

const folders = new Set<string>();

/** Removes the folder when the program exits, until the returned function is called. */
export function removeAtExit(folder: string): () => void {
  if (folders.size === 0) process.on('exit', removeAll);
  folders.add(folder);
  return () => {
    if (folders.delete(folder) && folders.size === 0) process.off('exit', removeAll);
  };
}

function removeAll(): void {
  for (const folder of folders) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // It is too late to tell anybody.
    }
  }
}
