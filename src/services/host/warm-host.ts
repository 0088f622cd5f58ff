// SPDX-License-Identifier: Apache-2.0
// One warm host, as a program sees it that uses it: not its child, and not its to end.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, errorNonce, getLogger } from '../../base/index.ts';
import { KILL_AFTER_MS, signalGroup } from '../process/guard.ts';
import { isAlive, startOf } from '../process/identity.ts';
import type { Host } from './host.ts';

const WATCH_MS = 500;
const LAST_BYTES = 16 * 1024;

/** What is kept in the state file of a warm host. */
export interface DetachedState {
  address: string;
  pool: string;
  token: string;
  pid: number;
  /** When the process started, since process numbers are used again. */
  started: string;
  python: string;
  environment: string;
  /** Digest of the host's program: a host of another version is no use. */
  program: string;
}

/** Whether its process is there. */
export function isRunning({ pid, started }: DetachedState): boolean {
  return isAlive(pid) && startOf(pid) === started;
}

/** The host of a state file. */
export function hostOf(state: DetachedState, file: string): Host {
  let exited:
    | Promise<{ code: undefined; signal: undefined; expected: boolean; stderr: string }>
    | undefined;
  const { address, pool, token, pid, python, environment } = state;
  // Another program may have started it.
  errorNonce(token);
  return {
    address,
    pool,
    token,
    pid,
    python,
    environment,
    isOwn: false,
    get alive() {
      return isRunning(state);
    },
    get exited() {
      exited ??= watch(state);
      return exited;
    },
    stderr: () => lastWords(file),
    diedError: () => warmDiedError(pid, file),
    stop: async (killAfter) => {
      await end(state, killAfter);
      await rm(file, { force: true });
    },
    // It is not this program's to end.
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What the host of a state file writes to standard error. */
export function logOf(file: string): string {
  return `${file}.log`;
}

/** How it ended is known to nobody: it was a child of a program that is long gone. */
function warmDiedError(pid: number, file: string): BeamBridgeError {
  return new BeamBridgeError('HOST_DIED', `the warm Python host (process ${pid}) is gone`, {
    hint: 'Other programs may use it, so this one starts none in its place: run the pipeline again, with a host of its own, or start another one with `beambridge host start`.',
    detail: lastWords(file) || undefined,
  });
}

/** The end of its standard error, or of that of the next one there. */
function lastWords(file: string): string {
  try {
    const log = openSync(logOf(file), 'r');
    try {
      const last = Buffer.alloc(LAST_BYTES);
      const { size } = fstatSync(log);
      const count = readSync(log, last, 0, LAST_BYTES, Math.max(0, size - LAST_BYTES));
      return last.toString('utf8', 0, count).trim();
    } finally {
      closeSync(log);
    }
  } catch (error) {
    getLogger('host').debug(`what a warm host printed cannot be read: ${String(error)}`);
    return '';
  }
}

async function watch(state: DetachedState) {
  // Not our child: the kernel tells us nothing, so look now and then, without keeping the program up.
  while (isRunning(state)) await delay(WATCH_MS, undefined, { ref: false });
  return { code: undefined, signal: undefined, expected: false, stderr: '' };
}

async function end(state: DetachedState, killAfter = KILL_AFTER_MS): Promise<void> {
  if (!isRunning(state)) return;
  signalGroup(state.pid, 'SIGTERM');
  const deadline = performance.now() + killAfter;
  while (isRunning(state)) {
    if (performance.now() > deadline) signalGroup(state.pid, 'SIGKILL');
    await delay(50);
  }
  // What the host itself started is in its group and goes with it.
  signalGroup(state.pid, 'SIGKILL');
}
