// SPDX-License-Identifier: Apache-2.0
// Runs a whole program and tells how long it took and how much memory each of its processes held.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Measured {
  seconds: number;
  /** Peak resident memory in MB of the program's processes, the largest first (Linux only). */
  peakMb: { command: string; mb: number }[];
  output: string;
}

/** Runs `command` to its end; a non-zero exit is an error that shows what it printed. */
export async function measure(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Measured> {
  const start = performance.now();
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const peaks = new Map<number, { command: string; mb: number }>();
  const sampler = setInterval(() => sample(child.pid!, peaks), 50);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearInterval(sampler);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`);
  return {
    seconds: (performance.now() - start) / 1000,
    peakMb: [...peaks.values()].sort((a, b) => b.mb - a.mb),
    output,
  };
}

function sample(root: number, peaks: Map<number, { command: string; mb: number }>): void {
  const parents = new Map<number, number>();
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
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {} // It ended in between.
  }
  const tree = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (!tree.has(pid) && tree.has(parent)) {
        tree.add(pid);
        grown = true;
      }
    }
  }
  for (const pid of tree) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const mb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
      const command = /Name:\s+(.*)/.exec(status)?.[1] ?? '?';
      if (mb > (peaks.get(pid)?.mb ?? 0)) peaks.set(pid, { command, mb });
    } catch {}
  }
}
