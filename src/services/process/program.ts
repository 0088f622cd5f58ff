// SPDX-License-Identifier: Apache-2.0
// A process that runs until it ends, or is ended: it says nothing that anybody waits for.

import { setTimeout as delay } from 'node:timers/promises';
import type { Ended } from './child.ts';
import { KILL_AFTER_MS, signalGroup, spawnGuarded } from './guard.ts';
import { onLines } from './lines.ts';

/** How {@link startProgram} starts a process. */
export interface ProgramOptions {
  /** Added to the environment of this program; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Sees each line of both outputs. */
  readonly onLine: (line: string) => void;
}

/** A process of ours. It never outlives this program. */
export interface Program {
  readonly pid: number;
  /** Resolves with how it ended; never rejects. A signal that killed it is status 128 and its number. */
  readonly ended: Promise<Ended>;
  /** SIGTERM, then SIGKILL, to it and its children. Resolves when they are gone. @param killAfter - ms; @default 5000 */
  stop(killAfter?: number): Promise<void>;
}

/** @throws Error of the operating system, when there can be no further process */
export async function startProgram(
  command: string,
  args: readonly string[],
  { env, onLine }: ProgramOptions,
): Promise<Program> {
  const { child, ended } = await spawnGuarded(command, args, env ? { env } : {});
  onLines(child.stdout, onLine);
  onLines(child.stderr, onLine);
  child.stdin.on('error', () => {});
  return {
    pid: child.pid!,
    ended,
    async stop(killAfter = KILL_AFTER_MS) {
      signalGroup(child.pid, 'SIGTERM');
      const over = new AbortController();
      delay(killAfter, undefined, { signal: over.signal }).then(
        () => signalGroup(child.pid, 'SIGKILL'),
        () => {},
      );
      await ended;
      over.abort();
    },
  };
}
