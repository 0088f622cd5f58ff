// SPDX-License-Identifier: Apache-2.0
// The processes of a program while it runs, looked at from outside. Linux only: elsewhere there are none.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startOf } from '../../src/services/process/identity.ts';

/** A process as it was when it was last looked at. */
export interface Sampled {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** When it started, in the kernel's own unit. */
  readonly start: string;
  /** Peak resident memory. */
  readonly mb: number;
  /** Processor time in seconds until the last look. */
  readonly processor: number;
  /** The same of its children that had ended. */
  readonly ofEnded: number;
}

export const SAMPLED_EVERY_MS = 20;
/** Of the times in /proc, on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;

/** Looks at a process and all that it started. */
export function sampleTree(root: number, processes: Map<number, Sampled>): void {
  const stats = new Map<number, string[]>();
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return; // No /proc here: times are measured, memory is not.
  }
  for (const entry of entries) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      stats.set(Number(entry), stat.slice(stat.lastIndexOf(')') + 2).split(' '));
    } catch {} // It ended in between.
  }
  const tree = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, [, parent]] of stats) {
      if (!tree.has(pid) && tree.has(Number(parent))) {
        tree.add(pid);
        grown = true;
      }
    }
  }
  for (const pid of tree) {
    const stat = stats.get(pid);
    if (!stat) continue;
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const mb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
      const before = processes.get(pid);
      processes.set(pid, {
        pid,
        parent: Number(stat[1]),
        command: /Name:\s+(.*)/.exec(status)?.[1] ?? '?',
        start: stat[19]!,
        // One that is ending has no memory any more.
        mb: Math.max(mb, before?.mb ?? 0),
        processor: (Number(stat[11]) + Number(stat[12])) / TICKS_A_SECOND,
        ofEnded: (Number(stat[13]) + Number(stat[14])) / TICKS_A_SECOND,
      });
    } catch {}
  }
}

/** How long processes may outlive the program that started them: they look for it now and then. Milliseconds. */
const AFTER_MS = 3000;

/** Those that are there still a while after their program's end. */
export async function leftOf(processes: readonly Sampled[]): Promise<Sampled[]> {
  for (const end = Date.now() + AFTER_MS; ; await delay(SAMPLED_EVERY_MS)) {
    const left = processes.filter(({ pid, start }) => startOf(pid) === start);
    if (left.length === 0 || Date.now() > end) return left;
  }
}
