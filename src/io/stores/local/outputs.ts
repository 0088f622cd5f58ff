// SPDX-License-Identifier: Apache-2.0
// Outputs on the file system: temporary files lie in a hidden folder beside the output, so that a rename is all that it
// takes in the end.

import { accessSync, constants, createWriteStream, realpathSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BeamBridgeError, getLogger, makeFolders, removeAtExit } from '../../../base/index.ts';
import { writeError } from '../../file-error.ts';
import { folderOf, temporaryName } from '../output-names.ts';
import type { Move, Outputs } from '../store.ts';
import { exists, isKept, placeAll, refuseFolder } from './place.ts';

const log = getLogger('io');

export const localOutputs: Outputs = {
  separator: sep,
  canonical,
  checkWritable,
  makeTemporary,
  removeTemporary: remove,
  removeMarked,
  // Workers of other machines share the disk that the output is on.
  partFolder: async (temporary) => temporary,
  keepPart: async (_, path) => path,
  bringPart: async (_, path) => path,
  leavePart: async () => {},
  complete,
  refuseName: refuseFolder,
  place,
  replace,
  names: (folder) => readdir(folder).catch(() => []),
};

/**
 * Finds out early that an output cannot be written: its folder, or the first one above it that is
 * there, must be a folder with permission to write.
 *
 * @throws `OUTPUT_NOT_WRITABLE`
 */
function checkWritable(prefix: string): void {
  for (let folder = folderOf(prefix, sep); ; folder = dirname(folder)) {
    try {
      if (statSync(folder).isDirectory()) {
        accessSync(folder, constants.W_OK | constants.X_OK);
        return;
      }
    } catch (error) {
      const above = dirname(folder);
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && above !== folder) continue;
      if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw writeError(error, prefix);
    }
    throw new BeamBridgeError(
      'OUTPUT_NOT_WRITABLE',
      `${prefix} cannot be written: a part of the path is a file`,
      { hint: 'Choose another folder.' },
    );
  }
}

/**
 * Makes the folder and, hidden in it, one for temporary files, so that a rename is all that it
 * takes in the end.
 *
 * @param isOwn - whether all of the run happens in this process, with whose end the folder then goes
 * @param mark - `Pipeline.runMark`, by which another process finds it
 * @throws `OUTPUT_NOT_WRITABLE`
 */
async function makeTemporary(
  prefix: string,
  isOwn: boolean,
  mark: string | undefined,
): Promise<string> {
  try {
    await makeFolders(folderOf(prefix, sep));
    const folder = await mkdtemp(join(folderOf(prefix, sep), temporaryName(prefix, sep, mark)));
    if (isOwn) kept.set(folder, removeAtExit(folder));
    return folder;
  } catch (error) {
    throw writeError(error, prefix);
  }
}

/**
 * Removes the temporary folders that workers of a run made, as far as their disk is this one's. One that a
 * worker was taking files from, and keeps those that they replace in, is left.
 */
async function removeMarked(prefix: string, mark: string): Promise<void> {
  const folder = folderOf(prefix, sep);
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(temporaryName(prefix, sep, mark)))) {
    const made = join(folder, name);
    const inside = await readdir(made).catch(() => []);
    if (inside.some(isKept)) log.warn(`${made} is left: its files were getting their names`);
    else await remove(made);
  }
}

/** What keeps each temporary folder of this process from being removed when it exits. */
const kept = new Map<string, () => void>();

async function remove(folder: string): Promise<void> {
  // Workers of a run that failed may still write for a moment.
  const retries = { maxRetries: 5, retryDelay: 100 };
  await rm(folder, { recursive: true, force: true, ...retries }).catch((error) => {
    log.warn(`the temporary folder ${folder} could not be removed`, error);
  });
  kept.get(folder)?.();
  kept.delete(folder);
}

/** The prefix with the links in its folders followed, as far as they are there. */
function canonical(prefix: string): string {
  const at = prefix.lastIndexOf(sep);
  const missing: string[] = [prefix.slice(at + 1)];
  for (let folder = prefix.slice(0, at) || sep; ; folder = dirname(folder)) {
    try {
      return join(realpathSync(folder), ...missing.slice(0, -1)) + sep + missing.at(-1);
    } catch {
      if (dirname(folder) === folder) return prefix;
      missing.unshift(basename(folder));
    }
  }
}

async function complete(
  to: string,
  temporary: string,
  index: number,
  bytes: () => AsyncIterable<Uint8Array>,
  only: string | undefined,
): Promise<Move> {
  if (only !== undefined) return { from: only, to, temporary };
  const from = join(temporary, `shard-${index}`);
  try {
    await pipeline(bytes, createWriteStream(from));
    return { from, to, temporary };
  } catch (error) {
    throw writeError(error, from);
  }
}

async function place(moves: readonly Move[]): Promise<void> {
  const made: string[] = [];
  try {
    for (const folder of new Set(moves.map(({ to }) => dirname(to)))) {
      made.push(...(await missing(folder)));
      await makeFolders(folder).catch((error: unknown) => {
        throw writeError(error, folder);
      });
    }
    await placeAll(moves);
  } catch (error) {
    // Those that somebody has put something into stay.
    for (const folder of made.reverse()) await rmdir(folder).catch(() => {});
    throw error;
  }
}

/** Those of a folder and the ones above it that are not there, the uppermost first. */
async function missing(folder: string): Promise<string[]> {
  if ((await exists(folder)) || dirname(folder) === folder) return [];
  return [...(await missing(dirname(folder))), folder];
}

async function replace({ from, to }: Move): Promise<void> {
  try {
    await makeFolders(dirname(to));
    await refuseFolder(to);
    await rename(from, to);
  } catch (error) {
    throw writeError(error, to);
  }
}
