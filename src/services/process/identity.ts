// SPDX-License-Identifier: Apache-2.0
// Whether a process that a file names still lives, and is that one: process numbers are used again, and
// two containers may have one host name.

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, as others may find it. */
export interface ProcessIdentity {
  pid: number;
  /** Start time as the kernel tells it, since process numbers are used again. */
  start: string;
  host: string;
  /** The process numbers of which container these are. */
  numbers: string;
}

let own: ProcessIdentity | undefined;

/** This process. */
export function ownIdentity(): ProcessIdentity {
  own ??= {
    pid: process.pid,
    start: startOf(process.pid),
    host: hostname(),
    numbers: processNumbers(),
  };
  return own;
}

/** Whether the process lives; undefined for one of another machine or container. */
export function isRunning(process: ProcessIdentity): boolean | undefined {
  const { host, numbers } = ownIdentity();
  if (process.host !== host || process.numbers !== numbers) return undefined;
  return isAlive(process.pid) && startOf(process.pid) === process.start;
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
