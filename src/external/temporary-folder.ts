// SPDX-License-Identifier: Apache-2.0
// A folder for fetched files that is there only if it is needed, and gone when the program ends.

import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const live = new Set<string>();
let watching = false;

function removeAtExit(path: string): void {
  live.add(path);
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const each of live) rmSync(each, { recursive: true, force: true });
  });
}

/** Made at the first call of {@link path}; disposing of it removes it. */
export class TemporaryFolder implements AsyncDisposable {
  private made: Promise<string> | undefined;

  path(): Promise<string> {
    this.made ??= mkdtemp(join(tmpdir(), 'beambridge-artifacts-')).then((path) => {
      removeAtExit(path);
      return path;
    });
    return this.made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const path = await this.made?.catch(() => undefined);
    if (path === undefined) return;
    live.delete(path);
    await rm(path, { recursive: true, force: true });
  }
}
