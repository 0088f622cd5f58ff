// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM while jobs run: the jobs are cancelled, then the program ends as the signal
// would have ended it. Nothing is installed while no job runs.

import { BeamBridgeError, getLogger } from '../base/index.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How long cleaning up may keep a program that was told to end. Milliseconds. */
const EXIT_AFTER_MS = 6000;

/** Something under way that a signal ends. */
export interface Interruptible {
  /** Ends it and cleans up; resolves when that is done, and never rejects. */
  interrupt(signal: NodeJS.Signals): Promise<void>;
}

/** A wish of the program, or of who sits in front of it, that a run should end. */
export interface WishToEnd {
  readonly reason: BeamBridgeError;
  /** Whether the program itself is about to end, which leaves little time. */
  readonly isExiting: boolean;
}

const active = new Set<Interruptible>();
let installed = false;
let exiting = false;

/**
 * Listens for an `AbortSignal` and for Ctrl-C and its like, until the returned function is called.
 *
 * @param end - ends the run; resolves when nothing of it is left, and never rejects
 */
export function whileWanted(
  signal: AbortSignal | undefined,
  end: (wish: WishToEnd) => Promise<void>,
): () => void {
  const abort = () => {
    const reason = new BeamBridgeError('ABORTED', 'the run was aborted', { cause: signal!.reason });
    void end({ reason, isExiting: false });
  };
  signal?.addEventListener('abort', abort);
  const forget = whileInterruptible({
    interrupt: (name) => {
      const reason = new BeamBridgeError('JOB_CANCELLED', `the run was cancelled by ${name}`);
      return end({ reason, isExiting: true });
    },
  });
  if (signal?.aborted) abort();
  return () => {
    signal?.removeEventListener('abort', abort);
    forget();
  };
}

/** Calls `interrupt` when a signal comes, until the returned function is called. */
export function whileInterruptible(run: Interruptible): () => void {
  if (!installed && !exiting) install();
  active.add(run);
  return () => {
    if (active.delete(run) && active.size === 0) uninstall();
  };
}

/**
 * Never resolves once a signal is about to end the program: code of the user's that waits for a
 * run must not go on, nor print a second story, while the jobs are cleaned up. Resolves at once
 * otherwise.
 */
export function unlessExiting(): Promise<void> {
  return exiting ? new Promise(() => {}) : Promise.resolve();
}

function install(): void {
  installed = true;
  // First in line: a handler of the program's that goes by `once` would be gone when we look.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function uninstall(): void {
  installed = false;
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  // From here on a second Ctrl-C does what it does by default: end the program at once.
  uninstall();
  // A program that handles the signal itself decides on its own whether to exit.
  const handled = process.listenerCount(signal) > 0;
  exiting = !handled;
  getLogger('runner').info(
    `${signal}: cancelling ${active.size} ${active.size === 1 ? 'job' : 'jobs'}`,
  );
  const done = Promise.allSettled([...active].map((run) => run.interrupt(signal)));
  const late = new Promise((resolve) => setTimeout(resolve, EXIT_AFTER_MS).unref());
  Promise.race([done, late]).then(() => {
    if (!handled) process.kill(process.pid, signal);
  });
}
