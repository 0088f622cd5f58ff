// SPDX-License-Identifier: Apache-2.0
// Whether processes are there, for tests of what outlives what.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves once the process has ended, which must be within 10 s. */
export async function gone(pid: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (isAlive(pid)) {
    assert.ok(Date.now() < deadline, `process ${pid} is still there after 10 s`);
    await delay(50);
  }
}

/** A process as /proc tells it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly command: string;
  /** Its environment variables, as it was started with them. */
  readonly environment: string;
}

/** All processes of this machine that are no zombies; Linux only. */
export function processes(): ProcessInfo[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') return [];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').join(' ').trim();
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
      const numbers = { pid: Number(name), parent: Number(parent), group: Number(group) };
      return [{ ...numbers, command, environment }];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

/** The shells that watch a guarded process, given the number of any process in its group. */
export function watchersOf(pid: number): number[] {
  const all = processes();
  const { group } = all.find((each) => each.pid === pid)!;
  return all
    .filter((each) => each.parent === group && each.command.startsWith('/bin/sh -c'))
    .map((each) => each.pid);
}
