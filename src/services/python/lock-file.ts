// SPDX-License-Identifier: Apache-2.0
// The file that is a lock. Each has an id of its own, so that whoever removes one can be sure that it is
// still the one that they mean: only the holder of the marker of that id may remove it.

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { BeamBridgeError } from '../../base/index.ts';
import { isRunning, ownIdentity, type ProcessIdentity } from '../process/identity.ts';
import { folderError } from './cache.ts';

/** Removing a lock takes microseconds: whoever takes longer died while doing it. */
const REMOVAL_MS = 10_000;

/** What is known of a lock. */
export interface LockOwner {
  readonly id: string;
  /** Undefined when it cannot be told who it is: half written, damaged, or not ours to read. */
  readonly process: ProcessIdentity | undefined;
}

/** A lock file that this program made. */
export interface OwnLockFile {
  readonly id: string;
  /** Open all the time: what is done to it reaches this file and never one that took its place. */
  readonly handle: FileHandle;
}

/** Makes the file; undefined when there is one. */
export async function createLockFile(file: string): Promise<OwnLockFile | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'wx', 0o600);
    const id = randomBytes(6).toString('hex');
    await handle.writeFile(JSON.stringify({ ...ownIdentity(), id }));
    return { id, handle };
  } catch (error) {
    if (!handle && (error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    if (handle) {
      await handle.close().catch(() => {});
      await rm(file, { force: true }).catch(() => {});
    }
    throw folderError(error, file);
  }
}

/** Whose lock it is; undefined when there is none. */
export async function readLockFile(file: string): Promise<LockOwner | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    const owner = JSON.parse(text) as (Partial<ProcessIdentity> & { id?: unknown }) | null;
    if (typeof owner?.pid === 'number' && typeof owner.host === 'string') {
      const { pid, host, start = '', numbers = '', id } = owner;
      return {
        id: typeof id === 'string' && /^[\da-f]+$/.test(id) ? id : await inodeOf(file),
        process: { pid, host, start, numbers },
      };
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  }
  return { id: await inodeOf(file), process: undefined };
}

async function inodeOf(file: string): Promise<string> {
  const { ino = 0 } = (await stat(file).catch(() => undefined)) ?? {};
  return `i${ino}`;
}

/** Removes locks that their owners left, or that are our own. One for each file: it remembers. */
export class LockRemover {
  /** How long each file, by its name, stays as it is. */
  private readonly watches = new Map<string, Watch>();

  /** True when the lock with this id is gone; false when somebody else is about to remove it. */
  async remove(file: string, id: string): Promise<boolean> {
    const marker = `${file}.${id}`;
    const own = await createLockFile(marker);
    if (!own) {
      const holder = await readLockFile(marker);
      if (holder && (await this.isLeft(marker, holder, REMOVAL_MS))) {
        await this.remove(marker, holder.id);
      }
      return false;
    }
    try {
      if ((await readLockFile(file))?.id === id) await removeFile(file);
      return true;
    } finally {
      await own.handle.close();
      if ((await readLockFile(marker))?.id === own.id) await rm(marker, { force: true });
    }
  }

  /** Whether the owner of a lock is gone: it does not live, or has not touched it for so long. */
  async isLeft(file: string, { process, id }: LockOwner, staleAfter: number): Promise<boolean> {
    const watch = this.watches.get(file) ?? new Watch(file);
    this.watches.set(file, watch);
    const { age, untouched } = await watch.look(id);
    const running = process && isRunning(process);
    if (running !== undefined) return !running;
    // Clocks of two machines differ, and a time may lie in the future: only what was seen here counts.
    return untouched > staleAfter || (process === undefined && age > staleAfter);
  }
}

/** How long a file stays as it is, by a clock of our own. */
class Watch {
  private seen = '';
  private since = performance.now();

  constructor(private readonly file: string) {}

  /** Milliseconds since the file's own time, and since we first saw it like this. */
  async look(id: string): Promise<{ age: number; untouched: number }> {
    const { mtimeMs = Number.NaN, ino = 0 } = (await stat(this.file).catch(() => undefined)) ?? {};
    const seen = `${id} ${ino} ${mtimeMs}`;
    if (seen !== this.seen) {
      this.seen = seen;
      this.since = performance.now();
    }
    return { age: Date.now() - mtimeMs, untouched: performance.now() - this.since };
  }
}

async function removeFile(file: string): Promise<void> {
  try {
    await rm(file, { force: true });
  } catch (error) {
    throw new BeamBridgeError(
      'ENVIRONMENT_BUILD_FAILED',
      `the lock ${file} was left behind and cannot be removed`,
      { hint: 'Remove it by hand, or set BEAMBRIDGE_HOME to a folder of your own.', cause: error },
    );
  }
}
