// SPDX-License-Identifier: Apache-2.0
// Whether this process is a worker that loads somebody's program. The program may bring a copy of this
// package along, so the mark is where all copies find it.

const MARK = Symbol.for('beambridge.worker');

/** A worker process, as the program that it loads may ask for it. */
export interface ThisWorker {
  /** Whether the caller is part of the program's own start, also in what that start leaves running. */
  isStart(): boolean;
  /** The program's start came to run a pipeline, which in a worker it never does. */
  runReached(pipeline: unknown): void;
  /** Whether functions may run pipelines of their own: in a thread of the submitting program they may. */
  readonly mayRun?: boolean | undefined;
}

/** The worker that this process is, if it is one. */
export function thisWorker(): ThisWorker | undefined {
  return (globalThis as { [MARK]?: ThisWorker })[MARK];
}

/** Makes this process a worker, or no longer one. */
export function setThisWorker(worker: ThisWorker | undefined): void {
  (globalThis as { [MARK]?: ThisWorker | undefined })[MARK] = worker;
}
