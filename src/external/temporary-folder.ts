// SPDX-License-Identifier: Apache-2.0
// A folder for fetched files that is there only if it is needed, and gone when the program ends.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BeamBridgeError, removeAtExit } from '../base/index.ts';

/** Made at the first call of {@link path}; disposing of it removes it. */
export class TemporaryFolder implements AsyncDisposable {
  private made: Promise<string> | undefined;
  private keep = () => {};

  path(): Promise<string> {
    this.made ??= this.make();
    return this.made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const path = await this.made?.catch(() => undefined);
    if (path === undefined) return;
    await rm(path, { recursive: true, force: true });
    this.keep();
  }

  private async make(): Promise<string> {
    const parent = tmpdir();
    try {
      const path = await mkdtemp(join(parent, 'beambridge-artifacts-'));
      this.keep = removeAtExit(path);
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
}
