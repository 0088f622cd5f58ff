// SPDX-License-Identifier: Apache-2.0
// The threads of one run: started when there is work for them, each with any number of bundles, and ended with
// the run. No bundle waits for a thread to be free: what it waits for may be another bundle of the same thread.

import { BeamBridgeError } from '../../base/index.ts';
import type { BundleIO } from '../../harness/index.ts';
import type { fn } from '../../proto/index.ts';
import type { ThreadProgram } from './messages.ts';
import { type NumberedStage, Thread, type ThreadOptions } from './thread.ts';
import type { ThreadBundle } from './thread-bundle.ts';

/** Options of a {@link ThreadPool}. */
export interface ThreadPoolOptions extends ThreadOptions {
  /** How many threads there may be. */
  readonly most: number;
  /** What they run; asked for once, before the first is started. */
  program(): Promise<ThreadProgram>;
}

export class ThreadPool {
  private readonly threads: Thread[] = [];
  private readonly stages = new Map<fn.ProcessBundleDescriptor, NumberedStage>();
  private program: Promise<ThreadProgram> | undefined;
  private closed: BeamBridgeError | undefined;

  constructor(private readonly options: ThreadPoolOptions) {}

  /** How many threads there may be. */
  get most(): number {
    return this.options.most;
  }

  /**
   * Resolves when so many threads can run bundles, or as many as there may be.
   *
   * @throws BeamBridgeError why one cannot be started
   */
  async prepare(count: number): Promise<void> {
    const wanted = Math.min(count, this.options.most);
    while (this.threads.length < wanted) this.add();
    await Promise.all(this.threads.slice(0, wanted).map(({ ready }) => ready));
  }

  private add(): Thread {
    this.program ??= this.options.program();
    const thread = new Thread(this.program, this.options);
    thread.ready.catch(() => {});
    this.threads.push(thread);
    return thread;
  }

  /**
   * Starts a bundle, in the thread that has the fewest of its stage. Pass the same descriptor object each time.
   *
   * `done` rejects with the error that ended the bundle: `WORKER_DIED` when its thread ended, `WORKER_START_FAILED`
   * or `WORKER_MISMATCH` when there is none.
   */
  start(descriptor: fn.ProcessBundleDescriptor, io: BundleIO): ThreadBundle {
    const stage = this.stages.get(descriptor) ?? { number: this.stages.size + 1, descriptor };
    this.stages.set(descriptor, stage);
    return this.threadFor(stage).start(stage, io);
  }

  private threadFor(stage: NumberedStage): Thread {
    if (this.closed) throw this.closed;
    const [best] = this.threads
      .filter(({ isGone }) => !isGone)
      .sort((a, b) => a.running(stage) - b.running(stage) || a.running() - b.running());
    const isBusy = !best || best.running(stage) > 0;
    return isBusy && this.threads.length < this.options.most ? this.add() : (best ?? this.add());
  }

  /**
   * Tears the functions of all threads down and ends them.
   *
   * @param limit - resolves when that is not to be waited for any longer
   */
  async close(limit: Promise<unknown>): Promise<void> {
    this.closed = new BeamBridgeError('ABORTED', 'the threads of the run are closed');
    await Promise.all(this.threads.map((thread) => thread.close(limit)));
  }
}
