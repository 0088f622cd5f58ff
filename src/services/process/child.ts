// SPDX-License-Identifier: Apache-2.0
// A process of the operating system, from its start to its end. Node's own module is enough for that,
// and a library for more would be a third of the time in which a program with a Python step starts.

import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A process whose input and output are streams of ours. */
export type PipedProcess = ChildProcessWithoutNullStreams;

/** How a process ended. */
export interface Ended {
  /** Exit status; undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

/** How {@link startProcess} starts a process. */
export interface StartOptions {
  readonly stdio: ('pipe' | 'ignore')[];
  readonly detached: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/**
 * Starts a process; nothing that it says or how it ends is missed by whoever listens at once.
 *
 * @throws Error of the operating system: no such file or folder, too many processes
 */
export async function startProcess<Child extends ChildProcess = PipedProcess>(
  file: string,
  args: readonly string[],
  options: StartOptions,
): Promise<{ readonly child: Child; readonly ended: Promise<Ended> }> {
  const child = spawn(file, args, { ...options, env: { ...options.env } }) as ChildProcess as Child;
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
  });
  await once(child, 'spawn');
  // Such as that a signal could not be sent: the end tells what matters.
  child.on('error', () => {});
  return { child, ended };
}
