// SPDX-License-Identifier: Apache-2.0
// A host that is kept warm between runs (`beambridge host start`). What a program needs to use it,
// its token above all, is in a file that only its owner can read.

import type { ChildProcessByStdio } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../base/index.ts';
import { startProcess } from '../process/child.ts';
import { KILL_AFTER_MS, signalGroup } from '../process/guard.ts';
import { startOf } from '../process/identity.ts';
import { onLines } from '../process/lines.ts';
import { cacheFolder, folderError, makeFolder } from '../python/cache.ts';
import { type EnvironmentOptions, ensurePythonEnvironment } from '../python/environment.ts';
import { acquireLock } from '../python/lock.ts';
import {
  type Host,
  type HostAnnouncement,
  type HostRefusal,
  hostArguments,
  hostEnvironment,
  readAnnouncement,
  readRefusal,
  refusedError,
} from './host.ts';
import { PYTHON_ENV_FOLDER } from './paths.ts';
import { preloadFor } from './preload.ts';
import { type DetachedState, hostOf, isRunning, logOf } from './warm-host.ts';

const IDLE_TIMEOUT_S = 30 * 60;
const START_TIMEOUT_MS = 180_000;

// Keeps the process number: the shell becomes the host. An own file, since a pipe would break with us.
const TO_LOG = 'log=$1; shift; exec "$@" 2>"$log"';

/** How a warm host is started. */
export interface StartDetachedHostOptions extends EnvironmentOptions {
  /** Seconds without a call until it ends itself. @default 1800 */
  idleTimeout?: number;
}

/**
 * Starts a host that outlives this program, or returns the one that is there. Every program that asks
 * for the same extras and packages uses it from then on.
 *
 * @throws BeamBridgeError `HOST_START_FAILED` and the codes of `ensurePythonEnvironment`
 */
export async function startDetachedHost(options: StartDetachedHostOptions = {}): Promise<Host> {
  const environment = await ensurePythonEnvironment(options);
  await makeFolder(stateFolder());
  const file = stateFile(environment.key);
  await using _lock = await acquireLock(`${file}.lock`, { signal: options.signal });
  const existing = await findDetachedHost(environment.key);
  if (existing) return existing;
  const { state, stay } = await launch(environment.python, environment.key, options);
  try {
    await writeFile(`${file}.partial`, JSON.stringify(state), { mode: 0o600 });
    await rename(`${file}.partial`, file);
    await stay();
  } catch (error) {
    signalGroup(state.pid, 'SIGKILL');
    throw folderError(error, file, 'HOST_START_FAILED');
  }
  return hostOf(state, file);
}

async function launch(
  python: string,
  environment: string,
  { extras = [], idleTimeout = IDLE_TIMEOUT_S, signal }: StartDetachedHostOptions,
): Promise<{ state: DetachedState; stay: () => Promise<void> }> {
  const token = randomBytes(24).toString('base64url');
  const program = programDigest();
  const logFile = logOf(stateFile(environment));
  await emptyLog(logFile);
  const args = hostArguments(preloadFor(extras), idleTimeout);
  const command = ['-c', TO_LOG, 'beambridge', logFile, python, ...args];
  const { child, ended } = await startProcess<ChildProcessByStdio<null, Readable, null>>(
    '/bin/sh',
    command,
    {
      detached: true,
      // Nobody reads its log lines: what a job logs reaches its client as job messages. It reads the
      // last until it is told to stay: should we be killed before others can know of it, it ends.
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
      env: { ...process.env, ...hostEnvironment(token), BEAMBRIDGE_PROGRAM_PIPE: '3' },
    },
  );
  let refusal: HostRefusal | undefined;
  const ready = new Promise<HostAnnouncement>((resolve) => {
    onLines(child.stdout, (line) => {
      refusal ??= readRefusal(line);
      const announcement = readAnnouncement(line);
      if (announcement) resolve(announcement);
    });
  });
  const over = new AbortController();
  const cancelled = new Promise<undefined>((resolve) => {
    if (signal?.aborted) resolve(undefined);
    signal?.addEventListener('abort', () => resolve(undefined), { signal: over.signal });
  });
  const announced = await Promise.race([
    ready,
    cancelled,
    ended.then(() => undefined),
    delay(START_TIMEOUT_MS, undefined, { signal: over.signal }).catch(() => undefined),
  ]);
  over.abort();
  const { pid } = child;
  if (announced === undefined || pid === undefined) {
    // In good order if it can, so that its folder goes with it.
    signalGroup(pid, 'SIGTERM');
    await Promise.race([ended, delay(KILL_AFTER_MS, undefined, { ref: false })]);
    signalGroup(pid, 'SIGKILL');
    if (signal?.aborted) {
      throw new BeamBridgeError('ABORTED', 'the start of the Python host was cancelled');
    }
    if (refusal) throw refusedError(refusal);
    throw new BeamBridgeError('HOST_START_FAILED', 'the Python host did not start', {
      hint: `What it printed is in ${logFile}.`,
      detail: (await readFile(logFile, 'utf8').catch(() => '')).trim().slice(-4096) || undefined,
    });
  }
  child.unref();
  // The pipe is a socket, which the types of streams do not tell.
  (child.stdout as Readable & { unref?: () => void }).unref?.();
  const stay = () =>
    new Promise<void>((resolve) => {
      const pipe = child.stdio[3] as Writable;
      // The other end stays open in the host's forks, which must not keep this program.
      pipe.end('stay\n', () => {
        pipe.destroy();
        resolve();
      });
    });
  const { address, pool } = announced;
  const started = startOf(pid);
  return { state: { address, pool, token, pid, started, python, environment, program }, stay };
}

async function emptyLog(file: string): Promise<void> {
  try {
    await writeFile(file, '', { mode: 0o600 });
  } catch (error) {
    throw folderError(error, file, 'HOST_START_FAILED');
  }
}

/** The warm host for an environment, or undefined. A state file that is stale or not ours is ignored. */
export async function findDetachedHost(environment: string): Promise<Host | undefined> {
  const file = stateFile(environment);
  const state = await readState(file);
  return state ? hostOf(state, file) : undefined;
}

/** All warm hosts of this user. */
export async function listDetachedHosts(): Promise<Host[]> {
  const names = await readdir(stateFolder()).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map((name) => findDetachedHost(name.slice(0, -'.json'.length))),
  );
  return found.filter((host) => host !== undefined);
}

/** Stops the warm host of an environment, or all of them; resolves to how many there were. */
export async function stopDetachedHosts(environment?: string): Promise<number> {
  const all = await listDetachedHosts();
  const chosen = all.filter(
    (host) => environment === undefined || host.environment === environment,
  );
  await Promise.all(chosen.map((host) => host.stop()));
  return chosen.length;
}

async function readState(file: string): Promise<DetachedState | undefined> {
  try {
    const { uid, mode } = await stat(file);
    // Whoever can write this file can hand us to a host of theirs.
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) return undefined;
    const state = JSON.parse(await readFile(file, 'utf8')) as DetachedState;
    if (!isRunning(state) || state.program !== programDigest()) return undefined;
    return state;
  } catch {
    return undefined;
  }
}

function stateFolder(): string {
  return path.join(cacheFolder(), 'warm');
}

function stateFile(environment: string): string {
  return path.join(stateFolder(), `${environment.replaceAll(/[^\w.-]/g, '_')}.json`);
}

let digest: string | undefined;

/** Digest of the host's program files. */
function programDigest(): string {
  digest ??= computeDigest();
  return digest;
}

/** At once: to wait for each of eighty small files takes ten times as long as to read them. */
function computeDigest(): string {
  const folder = path.join(PYTHON_ENV_FOLDER, 'beambridge_host');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.py'))
    .sort();
  const hash = createHash('sha256');
  for (const name of names)
    hash.update(`${name}\0${readFileSync(path.join(folder, name), 'utf8')}`);
  return hash.digest('hex');
}
