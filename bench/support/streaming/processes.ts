// SPDX-License-Identifier: Apache-2.0
// The processes below this one, and the memory that each holds (Linux).

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** All processes whose ancestor this one is. */
export function descendants(): Process[] {
  const all: Process[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      all.push({ pid: Number(entry), parent, command });
    } catch {} // It ended in between.
  }
  const found = new Set([process.pid]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return all.filter(({ pid }) => pid !== process.pid && found.has(pid));
}

/** The host's processes: itself with what it forks workers from, and the workers. */
export function pythonProcesses(): { host: Process[]; workers: Process[] } {
  const all = descendants().filter(
    ({ command }) => command.includes('start.py beambridge_host') && !command.startsWith('/bin/sh'),
  );
  const byPid = new Map(all.map((one) => [one.pid, one]));
  const isWorker = ({ parent, command }: Process) =>
    command.includes('beambridge_host.worker') || byPid.has(byPid.get(parent)?.parent ?? 0);
  return { host: all.filter((one) => !isWorker(one)), workers: all.filter(isWorker) };
}

/** Resident memory in MB; 0 of a process that has ended. */
export function residentMb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
  } catch {
    return 0;
  }
}

/** CPU time so far, in ticks of 10 ms. */
function cpuTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

/**
 * Kills a process that is at work: it is stopped once it has computed something, gets more to do,
 * and never does it.
 */
export async function killAtWork(pid: number): Promise<void> {
  const before = cpuTicks(pid);
  for (let i = 0; i < 400 && cpuTicks(pid) <= before + 1; i++) await delay(5);
  process.kill(pid, 'SIGSTOP');
  await delay(1000);
  process.kill(pid, 'SIGKILL');
}
