// SPDX-License-Identifier: Apache-2.0
// Where groups are written that memory does not hold.

import { mkdtemp, rm } from 'node:fs/promises';
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
    `a grouping that is larger than memory needs files, but ${path} cannot be used: ${message}`,
    {
      hint: FULL.has(code ?? '')
        ? 'The disk is full: free some space, or point TMPDIR to a folder on another disk.'
        : 'Point TMPDIR to a folder that this program may write to.',
      cause: error,
    },
  );
}

/** A folder that is made when it is first asked for. */
export class SpillFolder {
  private path: Promise<string> | undefined;

  /** @param parent - makes the folder to be in. @default the system's temporary folder */
  constructor(private readonly parent: () => Promise<string> = async () => tmpdir()) {}

  get(): Promise<string> {
    this.path ??= this.make();
    return this.path;
  }

  private async make(): Promise<string> {
    const parent = await this.parent();
    try {
      return await mkdtemp(join(parent, 'grouping-'));
    } catch (error) {
      throw fileError(error, parent);
    }
  }

  async remove(): Promise<void> {
    const made = await this.path?.catch(() => undefined);
    this.path = undefined;
    if (made !== undefined) await rm(made, { recursive: true, force: true });
  }
}
