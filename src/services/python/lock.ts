// SPDX-License-Identifier: Apache-2.0
// One builder at a time, across programs, containers and machines that share a folder. A lock is a file
// that names its owner, who touches it every few seconds. The lock of a process that no longer lives,
// or that nobody touches, is taken over; whoever is stuck is told by which file.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../base/index.ts';
import { createLockFile, LockRemover, type OwnLockFile, readLockFile } from './lock-file.ts';

const POLL_MS = 200;
/** How often an owner touches its lock. */
const TOUCH_MS = 5000;
/** A lock that was not touched for so long has no owner any more. */
const STALE_MS = 30_000;

/** A lock that this program holds. */
export interface Lock extends AsyncDisposable {
  /** Gives it back. One that another program took over in the meantime stays theirs. */
  release(): Promise<void>;
}

/** How {@link acquireLock} waits. */
export interface LockOptions {
  /** Called once when someone else holds the lock, with that process's number if it is known. */
  onWait?: (pid: number | undefined) => void;
  signal?: AbortSignal | undefined;
  /** Milliseconds. @default 30000 */
  staleAfter?: number;
  /** Milliseconds between two signs of life of the lock's owner. @default 5000 */
  touchEvery?: number;
}

/**
 * Waits until the lock is free and takes it.
 *
 * @throws BeamBridgeError `ABORTED`; `ENVIRONMENT_BUILD_FAILED` when the lock cannot be written, or is
 * left behind and cannot be removed
 */
export async function acquireLock(
  file: string,
  { onWait, signal, staleAfter = STALE_MS, touchEvery = TOUCH_MS }: LockOptions = {},
): Promise<Lock> {
  const remover = new LockRemover();
  let told = false;
  for (;;) {
    if (signal?.aborted)
      throw new BeamBridgeError('ABORTED', 'waiting for another build was cancelled');
    const own = await createLockFile(file);
    if (own) return hold(file, own, touchEvery);
    const owner = await readLockFile(file);
    if (owner) {
      const isLeft = await remover.isLeft(file, owner, staleAfter);
      if (isLeft && (await remover.remove(file, owner.id))) continue;
      if (!isLeft && !told) {
        told = true;
        onWait?.(owner.process?.pid);
      }
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** Takes the lock if it is free or was left behind; undefined when somebody holds it. */
export async function tryLock(file: string): Promise<Lock | undefined> {
  const giveUp = new AbortController();
  try {
    return await acquireLock(file, { signal: giveUp.signal, onWait: () => giveUp.abort() });
  } catch (error) {
    if (giveUp.signal.aborted) return undefined;
    throw error;
  }
}

/** Whether somebody who lives, as far as can be told, holds the lock. */
export async function isHeld(file: string): Promise<boolean> {
  const owner = await readLockFile(file);
  return owner !== undefined && !(await new LockRemover().isLeft(file, owner, STALE_MS));
}

function hold(file: string, { id, handle }: OwnLockFile, touchEvery: number): Lock {
  const touch = () => {
    const now = new Date();
    // Of no use to anyone whether it succeeds: whoever sees no touch takes the lock over.
    handle.utimes(now, now).catch(() => {});
  };
  const timer = setInterval(touch, touchEvery).unref();
  const end = async () => {
    clearInterval(timer);
    await handle.close();
    const remover = new LockRemover();
    while (!(await remover.remove(file, id))) await delay(POLL_MS);
  };
  let ended: Promise<void> | undefined;
  const release = () => {
    ended ??= end();
    return ended;
  };
  return { release, [Symbol.asyncDispose]: release };
}
