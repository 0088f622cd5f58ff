// SPDX-License-Identifier: Apache-2.0
// One builder at a time, across programs, containers and machines that share a folder. A lock is a file
// that names its owner, who touches it every few seconds. The lock of a process that no longer lives,
// or that nobody touches, is taken over; whoever is stuck is told by which file.

import { readFileSync, readlinkSync } from 'node:fs';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../base/index.ts';
import { folderError } from './cache.ts';

const POLL_MS = 200;
/** How often an owner touches its lock. */
const TOUCH_MS = 5000;
/** A lock that was not touched for so long has no owner any more. */
const STALE_MS = 30_000;
/** Removing a stale lock takes microseconds: whoever takes longer died while doing it. */
const TAKEOVER_MS = 10_000;

/** A lock that this program holds. */
export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
}

/** How {@link acquireLock} waits. */
export interface LockOptions {
  /** Called once when someone else holds the lock, with that process's number if it is known. */
  onWait?: (pid: number | undefined) => void;
  signal?: AbortSignal | undefined;
  /** Milliseconds. @default 30000 */
  staleAfter?: number;
}

interface Owner {
  pid: number;
  /** Start time as the kernel tells it, since process numbers are used again. */
  start: string;
  host: string;
  /** The process numbers of which container these are. */
  numbers: string;
}

/**
 * Waits until the lock is free and takes it.
 *
 * @throws BeamBridgeError `ABORTED`; `ENVIRONMENT_BUILD_FAILED` when the lock cannot be written, or is
 * left behind and cannot be removed
 */
export async function acquireLock(
  file: string,
  { onWait, signal, staleAfter = STALE_MS }: LockOptions = {},
): Promise<Lock> {
  const us = JSON.stringify(currentOwner());
  const watch = new Watch(file);
  const takeover = new Watch(`${file}.takeover`);
  let told = false;
  for (;;) {
    if (signal?.aborted)
      throw new BeamBridgeError('ABORTED', 'waiting for another build was cancelled');
    if (await createFile(file, us)) return hold(file);
    const owner = await readOwner(file);
    if (owner !== 'gone') {
      const isStale = await isLeft(owner, watch, staleAfter);
      if (isStale && (await removeStale(file, takeover, owner))) continue;
      if (!isStale && !told) {
        told = true;
        onWait?.(owner?.pid);
      }
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

function hold(file: string): Lock {
  // Of no use to anyone whether it succeeds: a lock that was taken away is found by nobody.
  const touch = () => void utimes(file, new Date(), new Date()).catch(() => {});
  const timer = setInterval(touch, TOUCH_MS).unref();
  const release = () => {
    clearInterval(timer);
    return rm(file, { force: true });
  };
  return { release, [Symbol.asyncDispose]: release };
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

/** Undefined when it cannot be told who it is: half written, damaged, or not ours to read. */
async function readOwner(file: string): Promise<Owner | undefined | 'gone'> {
  try {
    const owner = JSON.parse(await readFile(file, 'utf8')) as Partial<Owner> | null;
    return typeof owner?.pid === 'number' && typeof owner.host === 'string'
      ? { start: '', numbers: '', ...owner, pid: owner.pid, host: owner.host }
      : undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : undefined;
  }
}

async function isLeft(
  owner: Owner | undefined,
  watch: Watch,
  staleAfter: number,
): Promise<boolean> {
  const { age, untouched } = await watch.look();
  const { host, numbers } = currentOwner();
  if (owner?.host === host && owner.numbers === numbers) {
    return !isAlive(owner.pid) || startOf(owner.pid) !== owner.start;
  }
  // Clocks of two machines differ, and a time may lie in the future: only what was seen here counts.
  return untouched > staleAfter || (owner === undefined && age > staleAfter);
}

/** How long a file stays as it is, by a clock of our own. */
class Watch {
  private seen = '';
  private since = performance.now();

  constructor(private readonly file: string) {}

  /** Milliseconds since the file's own time, and since we first saw it like this. */
  async look(): Promise<{ age: number; untouched: number }> {
    const found = await stat(this.file).catch(() => undefined);
    const { mtimeMs = Number.NaN, ino = 0 } = found ?? {};
    const seen = `${ino} ${mtimeMs}`;
    if (seen !== this.seen) {
      this.seen = seen;
      this.since = performance.now();
    }
    return { age: Date.now() - mtimeMs, untouched: performance.now() - this.since };
  }
}

/** Only one process at a time may remove a stale lock, or it could remove the next one's fresh one. */
async function removeStale(
  file: string,
  takeover: Watch,
  owner: Owner | undefined,
): Promise<boolean> {
  const marker = `${file}.takeover`;
  if (!(await createFile(marker, String(process.pid)))) {
    const { age, untouched } = await takeover.look();
    if (age > TAKEOVER_MS || untouched > TAKEOVER_MS) await remove(marker);
    return false;
  }
  try {
    const now = await readOwner(file);
    if (JSON.stringify(now) === JSON.stringify(owner)) await remove(file);
    return true;
  } finally {
    await rm(marker, { force: true });
  }
}

async function remove(file: string): Promise<void> {
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

let current: Owner | undefined;

function currentOwner(): Owner {
  current ??= {
    pid: process.pid,
    start: startOf(process.pid),
    host: hostname(),
    numbers: processNumbers(),
  };
  return current;
}

/** Two containers may have one host name, and different processes of the same number. */
function processNumbers(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
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
