// SPDX-License-Identifier: Apache-2.0
// A folder for fetched files that is there only if it is needed, and gone when the program ends.

import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BeamBridgeError } from '../base/index.ts';

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
    this.made ??= make();
    return this.made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const path = await this.made?.catch(() => undefined);
    if (path === undefined) return;
    live.delete(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function make(): Promise<string> {
  const parent = tmpdir();
  try {
    const path = await mkdtemp(join(parent, 'beambridge-artifacts-'));
    removeAtExit(path);
    return path;
  } catch (error) {
    throw new BeamBridgeError(
      'IO_FAILED',
      `files of a Python transform need a temporary folder, and ${parent} cannot be written: ${(error as Error).message}`,
      {
        hint: 'Point TMPDIR to a folder that this program may write to, or free space in it.',
        cause: error,
      },
    );
  }
}
