// SPDX-License-Identifier: Apache-2.0
// One builder at a time, across programs. A lock is a file that names its owner; the lock of a
// process that no longer lives is taken over.

import { readFileSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../base/index.ts';
import { folderError } from './cache.ts';

const POLL_MS = 200;
/** Removing a stale lock takes microseconds: whoever takes longer died while doing it. */
const TAKEOVER_MS = 10_000;
/** A lock of another machine (a shared home folder) cannot be checked, only waited for. */
const FOREIGN_MS = 30 * 60_000;

/** A lock that this program holds. */
export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
}

/** How {@link acquireLock} waits. */
export interface LockOptions {
  /** Called once when someone else holds the lock, with that process's number. */
  onWait?: (pid: number) => void;
  signal?: AbortSignal | undefined;
}

interface Owner {
  pid: number;
  /** Start time as the kernel tells it, since process numbers are used again. */
  start: string;
  host: string;
}

/** Waits until the lock is free and takes it. */
export async function acquireLock(
  file: string,
  { onWait, signal }: LockOptions = {},
): Promise<Lock> {
  const us = JSON.stringify(currentOwner());
  let told = false;
  for (;;) {
    if (signal?.aborted)
      throw new BeamBridgeError('ABORTED', 'waiting for another build was cancelled');
    if (await createFile(file, us)) {
      const release = () => rm(file, { force: true });
      return { release, [Symbol.asyncDispose]: release };
    }
    const owner = await readOwner(file);
    if (owner && (await isStale(file, owner))) {
      await removeStale(file);
      continue;
    }
    if (!told && owner) {
      told = true;
      onWait?.(owner.pid);
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

async function createFile(file: string, content: string): Promise<boolean> {
  try {
    await writeFile(file, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw folderError(error, file);
  }
}

/** Undefined when the file is gone; an owner that never lived when nothing readable is in it. */
async function readOwner(file: string): Promise<Owner | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as Owner;
  } catch {
    // Half written: by someone who is at it, or who was killed in that moment.
    return (await ageOf(file)) > TAKEOVER_MS ? { pid: -1, start: '', host: hostname() } : undefined;
  }
}

async function isStale(file: string, owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return (await ageOf(file)) > FOREIGN_MS;
  return !isAlive(owner.pid) || startOf(owner.pid) !== owner.start;
}

/** Only one process at a time may remove a stale lock, or it could remove the next one's fresh one. */
async function removeStale(file: string): Promise<void> {
  const takeover = `${file}.takeover`;
  if (!(await createFile(takeover, String(process.pid)))) {
    if ((await ageOf(takeover)) > TAKEOVER_MS) await rm(takeover, { force: true });
    await delay(POLL_MS);
    return;
  }
  try {
    const owner = await readOwner(file);
    if (owner && (await isStale(file, owner))) await rm(file, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

async function ageOf(file: string): Promise<number> {
  try {
    return Date.now() - (await stat(file)).mtimeMs;
  } catch {
    return 0;
  }
}

function currentOwner(): Owner {
  return { pid: process.pid, start: startOf(process.pid), host: hostname() };
}

/** True when a process with this number runs, whoever owns it. */
export function isAlive(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process started, in the kernel's own unit; empty where the kernel does not say. */
export function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; the start time is the 20th field after it.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
