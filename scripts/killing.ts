// SPDX-License-Identifier: Apache-2.0
// Whom scripts kill: processes by a mark in their environment, and numbers that are random and the same
// for a seed.

import { readdirSync, readFileSync } from 'node:fs';

/** A generator of numbers from 0 to 1, the same for a seed. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** The processes that have `mark` in their environment, which all processes of a run inherit. */
export function marked(mark: string): Process[] {
  const found: Process[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'latin1').includes(mark)) continue;
      // A zombie has ended: it waits for its parent to look.
      const status = readFileSync(`/proc/${name}/status`, 'latin1');
      if (/^State:\s+Z/m.test(status)) continue;
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ');
      found.push({ pid, parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]), command });
    } catch {
      // It ended while it was looked at.
    }
  }
  return found;
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
}
