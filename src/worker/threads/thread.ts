// SPDX-License-Identifier: Apache-2.0
// One thread of the submitting program that runs bundles of it: started, spoken to, and ended.

import { SHARE_ENV, Worker, type WorkerOptions } from 'node:worker_threads';
import { BeamBridgeError, getLogger, within } from '../../base/index.ts';
import type { BundleIO, TransformInfo } from '../../harness/index.ts';
import { type fn, fn as fnSchemas, toBinary } from '../../proto/index.ts';
import { loadersOfThreads, threadEntry } from './loaders.ts';
import type { FromThread, ThreadProgram, ToThread } from './messages.ts';
import { fromPlainError } from './plain-error.ts';
import { ThreadBundle } from './thread-bundle.ts';

/** Loads what makes programs in TypeScript run, then the thread's own code. */
const BOOT = `
const { workerData } = require('node:worker_threads');
(async () => {
  for (const loader of workerData.loaders) {
    const { register, default: all } = await import(loader);
    (register ?? all.register)();
  }
  await import(workerData.entry);
})();
`;

/** How a thread is run. */
export interface ThreadOptions {
  /** The error of a function that does not come back, since nothing is left that it could wait for. */
  stuck(where: TransformInfo | undefined): BeamBridgeError;
  readonly resourceLimits?: WorkerOptions['resourceLimits'];
}

/** A stage with the number that threads know it by. */
export interface NumberedStage {
  readonly number: number;
  readonly descriptor: fn.ProcessBundleDescriptor;
}

export class Thread {
  /** Resolves when it can run bundles; rejects when it cannot be started. */
  readonly ready: Promise<void>;
  private worker: Worker | undefined;
  private gone: BeamBridgeError | undefined;
  private readonly stages = new Set<number>();
  private readonly bundles = new Map<number, { bundle: ThreadBundle; stage: NumberedStage }>();
  /** Bundles that were ended here, and whose functions may still be at work there. */
  private readonly left = new Set<number>();
  private bundlesSoFar = 0;
  private isStarting = true;
  private markReady!: () => void;
  private refuse!: (error: unknown) => void;
  private markClosed!: () => void;
  private readonly closed = new Promise<void>((resolve) => {
    this.markClosed = resolve;
  });

  constructor(
    program: Promise<ThreadProgram>,
    private readonly options: ThreadOptions,
  ) {
    this.ready = new Promise((resolve, reject) => {
      this.markReady = resolve;
      this.refuse = reject;
    });
    this.ready.then(
      () => {
        this.isStarting = false;
        this.look();
      },
      () => {},
    );
    program.then(
      (known) => this.begin(known),
      (error: unknown) => this.lose(BeamBridgeError.from(error)),
    );
  }

  private begin(program: ThreadProgram): void {
    if (this.gone) return;
    const { resourceLimits } = this.options;
    const worker = new Worker(BOOT, {
      eval: true,
      name: 'beambridge',
      argv: program.argv.slice(2),
      env: SHARE_ENV,
      workerData: { program, entry: threadEntry(), loaders: loadersOfThreads() },
      ...(resourceLimits && { resourceLimits }),
    });
    this.worker = worker;
    worker.on('message', (message: FromThread) => this.take(message));
    worker.on('error', (error) => this.lose(brokenBy(error)));
    worker.on('messageerror', (error) => this.lose(brokenBy(error)));
    worker.on('exit', (status) => this.lose(endedWith(status)));
  }

  /** How many bundles of a stage it runs, or of all stages. */
  running(stage?: NumberedStage): number {
    if (!stage) return this.bundles.size;
    return [...this.bundles.values()].filter((one) => one.stage.number === stage.number).length;
  }

  /** Whether it has ended, and runs nothing more. */
  get isGone(): boolean {
    return this.gone !== undefined;
  }

  start(stage: NumberedStage, io: BundleIO): ThreadBundle {
    this.bundlesSoFar += 1;
    const id = this.bundlesSoFar;
    const bundle = new ThreadBundle(
      id,
      io,
      (message, moved) => {
        if (message.kind === 'abort') this.left.add(id);
        this.send(message, moved);
      },
      () => this.look(),
      this.options.stuck,
    );
    this.bundles.set(id, { bundle, stage });
    const forget = () => {
      this.bundles.delete(id);
      this.look();
    };
    bundle.done.then(forget, forget);
    this.ready.then(
      () => this.hand(id, stage, bundle),
      (error: unknown) => bundle.fail(error),
    );
    return bundle;
  }

  private hand(id: number, stage: NumberedStage, bundle: ThreadBundle): void {
    if (bundle.isOver) return;
    if (this.gone) {
      bundle.fail(this.gone);
      return;
    }
    const { number, descriptor } = stage;
    if (!this.stages.has(number)) {
      this.stages.add(number);
      const bytes = toBinary(fnSchemas.ProcessBundleDescriptorSchema, descriptor);
      this.send({ kind: 'stage', stage: number, descriptor: bytes });
    }
    this.send({ kind: 'bundle', bundle: id, stage: number });
    this.look();
  }

  private send(message: ToThread, moved: readonly ArrayBuffer[] = []): void {
    this.worker?.postMessage(message, moved);
  }

  private take(message: FromThread): void {
    switch (message.kind) {
      case 'ready':
        this.markReady();
        return;
      case 'refused':
        this.lose(BeamBridgeError.from(fromPlainError(message.error)));
        return;
      case 'log': {
        const { level, name, message: text, error } = message.record;
        getLogger(name)[level === 'trace' ? 'trace' : level](
          text,
          error === undefined ? undefined : fromPlainError(error),
        );
        return;
      }
      case 'closed':
        this.markClosed();
        return;
    }
    if (message.kind === 'done' || message.kind === 'failed') this.left.delete(message.bundle);
    this.bundles.get(message.bundle)?.bundle.take(message);
  }

  /** It keeps the program alive only while it works on its own: what waits for the program does not. */
  private look(): void {
    const isAtWork = [...this.bundles.values()].some(({ bundle }) => !bundle.isAwaited);
    if (this.isStarting || isAtWork) this.worker?.ref();
    else this.worker?.unref();
  }

  private lose(reason: BeamBridgeError): void {
    this.gone ??= reason;
    this.refuse(
      reason.code === 'WORKER_DIED'
        ? new BeamBridgeError(
            'WORKER_START_FAILED',
            `no thread could be started: ${reason.shortMessage}`,
            {
              cause: reason.cause,
              detail: reason.detail,
              hint: 'What a module does when it is loaded, it does in each thread, too. With nodeWorkers: 1 there are none.',
            },
          )
        : reason,
    );
    for (const { bundle, stage } of this.bundles.values()) {
      bundle.fail(reason.code === 'WORKER_DIED' ? reason.with(workOf(stage)) : reason);
    }
    this.markClosed();
    void this.worker?.terminate();
  }

  /**
   * Ends it, once its functions are torn down.
   *
   * @param limit - resolves when that is not to be waited for any longer
   */
  async close(limit: Promise<unknown>): Promise<void> {
    if (this.worker && !this.gone && !this.isStarting) {
      this.send({ kind: 'close' });
      this.worker.ref();
      const closed = Promise.race([this.closed, limit]);
      await (this.left.size > 0 ? within(SETTLE_MS, closed) : closed);
    }
    this.gone ??= new BeamBridgeError('ABORTED', 'the threads of the run are closed');
    this.refuse(this.gone);
    for (const { bundle } of this.bundles.values()) bundle.fail(this.gone);
    if (this.worker) await within(TERMINATE_MS, this.worker.terminate());
  }
}

/** How long a function may take to notice that its bundle was ended. Milliseconds. */
const SETTLE_MS = 2000;
/** How long a thread that is ended may take to be gone. Milliseconds. */
const TERMINATE_MS = 5000;

/** What a thread was at when it was lost. */
function workOf({ descriptor }: NumberedStage) {
  const names = Object.values(descriptor.transforms)
    .filter(({ spec }) => !spec?.urn.startsWith('beam:runner:'))
    .map(({ uniqueName }) => uniqueName);
  const [first, ...others] = names;
  if (others.length === 0) return { transform: first };
  return { detail: `It was at work on: ${names.join(', ')}` };
}

function brokenBy(error: unknown): BeamBridgeError {
  const { code, stack } = error as NodeJS.ErrnoException;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new BeamBridgeError('WORKER_DIED', 'a thread of the program ran out of memory', {
      cause: error,
      hint: 'Its functions keep more than fits. More memory is node --max-old-space-size=MEGABYTES; with fewer nodeWorkers fewer share it.',
    });
  }
  return new BeamBridgeError(
    'WORKER_DIED',
    `a thread of the program ended by an error that nobody caught: ${String(error)}`,
    {
      cause: error,
      detail: stack,
      hint: 'Look for a callback, an event or a promise that nobody waits for.',
    },
  );
}

function endedWith(status: number): BeamBridgeError {
  return new BeamBridgeError('WORKER_DIED', `a thread of the program ended with status ${status}`, {
    hint: 'A function called process.exit(), which in a thread ends that thread: throw an error instead.',
  });
}
