// SPDX-License-Identifier: Apache-2.0
// The last step of an output: whole files get their names, all of them or none.

import { link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BeamBridgeError, getLogger } from '../../../base/index.ts';
import { writeError } from '../../file-error.ts';
import type { Move } from '../store.ts';

const log = getLogger('io');

/**
 * Renames each file. When one cannot be renamed, those before it are taken back and what they had
 * replaced is there again, so that no shards of two runs lie together. May be repeated, also after a
 * process that was killed in the middle: until then new and old shards do lie together.
 *
 * Where another process does the same at the same time, at least one of the two warns.
 *
 * @throws `OUTPUT_NOT_WRITABLE`, `IO_FAILED`
 */
export async function placeAll(moves: readonly Move[]): Promise<void> {
  const done: Move[] = [];
  const files = new Map<Move, bigint | undefined>();
  for (const [index, move] of moves.entries()) {
    try {
      await keep(move, index);
      files.set(move, await identityOf(move.from));
      await rename(move.from, move.to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || !(await isMoved(move, index))) {
        await takeBack(done);
        await putBack(move, index);
        throw writeError(error, move.to);
      }
    }
    done.push(move);
  }
  await warnOfMixture(files);
}

/** Whoever waits for files may have taken them away already: then there is nothing to compare. */
async function warnOfMixture(files: ReadonlyMap<Move, bigint | undefined>): Promise<void> {
  for (const [{ to }, file] of files) {
    const found = await identityOf(to);
    if (file === undefined || found === undefined || found === file) continue;
    log.warn(
      `${to} was replaced by another program while this run gave its files their names: if that writes the same output, some files are of the one and others of the other. Let each write to a name of its own`,
    );
    return;
  }
}

async function identityOf(path: string): Promise<bigint | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.ino;
}

const KEPT = 'replaced-';

function keptAs({ temporary }: Move, index: number): string {
  return join(temporary, `${KEPT}${index}`);
}

/** Whether a file of a temporary folder is what another had the name of, or says that nothing had. */
export function isKept(name: string): boolean {
  return name.startsWith(KEPT);
}

/** A file that says that nothing had the name before. */
function noneAs({ temporary }: Move, index: number): string {
  return join(temporary, `${KEPT}none-${index}`);
}

/** A second name for what is about to be replaced, or a note that there is nothing; once for all calls. */
async function keep(move: Move, index: number): Promise<void> {
  const as = keptAs(move, index);
  if ((await exists(as)) || (await exists(noneAs(move, index)))) return;
  try {
    await link(move.to, as);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      await writeFile(noneAs(move, index), '');
      return;
    }
    // A folder is not ours to replace.
    await refuseFolder(move.to);
    // A file system without second names: for a moment there is no file.
    await rename(move.to, as);
  }
}

/** Whether an earlier call did it: the file that has the name is not the one from before. */
async function isMoved(move: Move, index: number): Promise<boolean> {
  const found = await stat(move.to).catch(() => undefined);
  if (!found) return false;
  if (await exists(noneAs(move, index))) return true;
  const before = await stat(keptAs(move, index)).catch(() => undefined);
  return before !== undefined && before.ino !== found.ino;
}

async function takeBack(moves: readonly Move[]): Promise<void> {
  for (const [index, move] of [...moves.entries()].reverse()) {
    const { from, to } = move;
    try {
      await rename(to, from);
      await rm(noneAs(move, index), { force: true });
      await rename(keptAs(move, index), to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      log.warn(`${to} could not be put back as it was before the run`, error);
    }
  }
}

/** What had the name of a file that could not be named: without second names it has none meanwhile. */
async function putBack(move: Move, index: number): Promise<void> {
  const as = keptAs(move, index);
  if ((await exists(move.to)) || !(await exists(as))) return;
  await rename(as, move.to).catch((error: unknown) => {
    log.warn(`${move.to} could not be put back as it was before the run`, error);
  });
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
