// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM while jobs run: streams come to their end and the program goes on; other jobs are
// cancelled, then the program ends as the signal would have ended it. Nothing is installed while no job runs.

import { BeamBridgeError, getLogger, removeExitFolders, within } from '../base/index.ts';
import type { PipelineOptions } from './options.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How long cleaning up may keep a program that was told to end. Milliseconds. */
const EXIT_AFTER_MS = 6000;

/** Something under way that a signal ends. */
export interface Interruptible {
  /** Ends it and cleans up; resolves when that is done, and never rejects. */
  interrupt(signal: NodeJS.Signals): Promise<void>;
  /** Lets a stream come to its end; false for what is none. */
  drain?: (() => boolean) | undefined;
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
/** Whether a signal has come that streams come to their end for. */
let isDraining = false;

/** What a run does about wishes to end it. */
export interface Endable {
  /** Ends the run; resolves when nothing of it is left, and never rejects. */
  end(wish: WishToEnd): Promise<void>;
  /** Lets a stream come to its end; false for what is none. */
  drain?: (() => boolean) | undefined;
}

/**
 * Listens for an `AbortSignal` and, unless it is not to, for Ctrl-C and its like, until the returned
 * function is called.
 */
export function whileWanted(
  { signal, handleSignals = true }: Pick<PipelineOptions, 'signal' | 'handleSignals'>,
  { end, drain }: Endable,
): () => void {
  const abort = () => {
    const reason = new BeamBridgeError('ABORTED', 'the run was aborted', { cause: signal!.reason });
    void end({ reason, isExiting: false });
  };
  signal?.addEventListener('abort', abort);
  const interrupt = (name: NodeJS.Signals) => {
    const reason = new BeamBridgeError('JOB_CANCELLED', `the run was cancelled by ${name}`);
    return end({ reason, isExiting: true });
  };
  const forget = handleSignals ? whileInterruptible({ interrupt, drain }) : () => {};
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
  isDraining = false;
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

/**
 * The first SIGTERM or SIGINT lets streams come to their end, after which the program goes on; what is
 * no stream ends at once. A second one cancels. A terminal that was closed waits for nothing.
 */
function drainAll(signal: NodeJS.Signals): boolean {
  if (isDraining || signal === 'SIGHUP') return false;
  const others = [...active].filter((run) => !run.drain?.());
  const streams = active.size - others.length;
  if (streams === 0) return false;
  isDraining = true;
  const what = streams === 1 ? 'a stream comes' : `${streams} streams come`;
  getLogger('runner').info(`${signal}: ${what} to the end; the next signal cancels`);
  for (const run of others) void run.interrupt(signal);
  return true;
}

function onSignal(signal: NodeJS.Signals): void {
  if (drainAll(signal)) return;
  // From here on a second Ctrl-C does what it does by default: end the program at once.
  uninstall();
  // A program that handles the signal itself decides on its own whether to exit.
  const handled = process.listenerCount(signal) > 0;
  exiting = !handled;
  getLogger('runner').info(
    `${signal}: cancelling ${active.size} ${active.size === 1 ? 'job' : 'jobs'}`,
  );
  const done = Promise.allSettled([...active].map((run) => run.interrupt(signal)));
  // It keeps the program, too: one with nothing left to wait for would end, but not by the signal.
  within(EXIT_AFTER_MS, done).then(() => {
    if (handled) return;
    // Whatever could not be cleaned up in time, or lives as long as the program.
    removeExitFolders();
    process.kill(process.pid, signal);
  });
}
