// SPDX-License-Identifier: Apache-2.0
// The last step of an output: whole files get their names, all of them or none.

import { link, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BeamBridgeError, getLogger } from '../../base/index.ts';
import { writeError } from '../file-error.ts';

const log = getLogger('io');

/** A whole file and the name that it is to have. */
export interface Move {
  from: string;
  to: string;
  /** A folder on the same disk, where a file that is replaced is kept meanwhile. */
  temporary: string;
}

/**
 * Renames each file. When one cannot be renamed, those before it are taken back and what they had
 * replaced is there again, so that no shards of two runs lie together. May be repeated, also after a
 * process that was killed in the middle: until then new and old shards do lie together.
 *
 * @throws `OUTPUT_NOT_WRITABLE`, `IO_FAILED`
 */
export async function placeAll(moves: readonly Move[]): Promise<void> {
  const done: Move[] = [];
  for (const [index, move] of moves.entries()) {
    try {
      await keep(move.to, keptAs(move, index));
      await rename(move.from, move.to);
    } catch (error) {
      // A repeated call finds that the first one came this far.
      const moved = (error as NodeJS.ErrnoException).code === 'ENOENT' && (await exists(move.to));
      if (!moved) {
        await takeBack(done);
        throw writeError(error, move.to);
      }
    }
    done.push(move);
  }
}

function keptAs({ temporary }: Move, index: number): string {
  return join(temporary, `replaced-${index}`);
}

/** A second name for what is about to be replaced. */
async function keep(path: string, as: string): Promise<void> {
  try {
    await link(path, as);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Nothing is replaced, or an earlier call kept what was there first.
    if (code === 'ENOENT' || code === 'EEXIST') return;
    // Nor has a folder, which is not ours to replace.
    await refuseFolder(path);
    // A file system without second names: for a moment there is no file.
    await rename(path, as);
  }
}

async function takeBack(moves: readonly Move[]): Promise<void> {
  for (const [index, move] of [...moves.entries()].reverse()) {
    const { from, to } = move;
    try {
      await rename(to, from);
      await rename(keptAs(move, index), to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      log.warn(`${to} could not be put back as it was before the run`, error);
    }
  }
}

/** Whether there is a file, a folder or anything else of that name. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** @throws `OUTPUT_NOT_WRITABLE` for a path that is a folder */
export async function refuseFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) return;
  throw new BeamBridgeError('OUTPUT_NOT_WRITABLE', `${path} cannot be written: it is a folder`, {
    hint: 'Remove it, or choose another prefix.',
  });
}
