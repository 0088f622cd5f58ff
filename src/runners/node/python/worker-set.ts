// SPDX-License-Identifier: Apache-2.0
// The workers of one environment: so many at most, one bundle at a time in each, and a new one for
// each that was lost.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger, retry } from '../../../base/index.ts';
import { createClient, fn } from '../../../proto/index.ts';
import type { Host } from '../../../services/index.ts';
import type { PythonPool } from '../../python-pool.ts';
import type { FnServer } from './fn-server.ts';
import { Worker, type WorkerHome } from './worker.ts';

const log = getLogger('python');

/** How often a worker is started that ends before it is ready. */
const STARTS = 3;
/** How long a worker of our host may take until it is ready. Milliseconds. */
const START_MS = 180_000;
/** The same of a pool of somebody else, which tells nobody when a worker ends as it begins. */
const FOREIGN_START_MS = 60_000;
/** After how long it is said that a worker of somebody else is waited for. Milliseconds. */
const SAID_AFTER_MS = 10_000;
/** How long idle workers may take to tear their functions down. Milliseconds. */
const TEARDOWN_MS = 2000;

/** Options of a {@link WorkerSet}. */
export interface WorkerSetOptions {
  /** Where workers are asked for: a pool's `host:port`. */
  readonly endpoint: string;
  /** What the pool wants to be shown. */
  readonly params: Record<string, string>;
  /** How many workers there may be. */
  readonly limit: number;
  readonly server: FnServer;
  /** The managed host's side of the pool; undefined for a pool of somebody else. */
  readonly pool: PythonPool | undefined;
  /** That host; undefined for a pool of somebody else. */
  readonly host?: Host | undefined;
  /** The service of Java that has the pool, where it is ours. */
  readonly java?: WorkerHome | undefined;
  /** How long a worker of somebody else's pool may take until it connects. @default 60,000 */
  readonly foreignStartMs?: number | undefined;
}

interface Waiter {
  resolve(worker: Worker): void;
  reject(error: unknown): void;
}

export class WorkerSet {
  private readonly client;
  private readonly all = new Map<string, Worker>();
  private readonly idle: Worker[] = [];
  private readonly waiters = new Set<Waiter>();
  /** Who waits for the end of a worker's process. */
  private readonly exits = new Map<string, () => void>();
  private starting = 0;
  /** Why there will be no more workers. */
  private broken: BeamBridgeError | undefined;

  constructor(private readonly options: WorkerSetOptions) {
    this.client = createClient(fn.BeamFnExternalWorkerPool, options.endpoint, {
      sharedBy: options.host,
    });
    void this.home?.ended.then((reason) => this.close(reason));
  }

  private get home(): WorkerHome | undefined {
    return this.options.pool ?? this.options.java;
  }

  /** Starts as many workers as there may be. */
  warmUp(): void {
    while (!this.broken && this.all.size < this.options.limit) this.start();
  }

  /** Resolves when there is a worker, be it at work or not. */
  async ready(signal: AbortSignal): Promise<void> {
    if ([...this.all.values()].some(({ isReady }) => isReady)) return;
    this.release(await this.acquire(signal), true);
  }

  /** A worker for one bundle; waits until there is one. */
  acquire(signal: AbortSignal): Promise<Worker> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.broken) return Promise.reject(this.broken);
    for (let worker = this.idle.pop(); worker; worker = this.idle.pop()) {
      if (worker.isReady) return Promise.resolve(worker);
    }
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.waiters.delete(waiter);
        reject(signal.reason);
      };
      const settled = () => {
        this.waiters.delete(waiter);
        signal.removeEventListener('abort', abort);
      };
      const waiter: Waiter = {
        resolve: (worker) => {
          settled();
          resolve(worker);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal.addEventListener('abort', abort);
      this.waiters.add(waiter);
      this.startForWaiters();
    });
  }

  /** Takes a worker back after a bundle; one that may still be at work on it is ended. */
  release(worker: Worker, isSettled: boolean): void {
    if (isSettled) this.offer(worker);
    else this.stop(worker, new BeamBridgeError('ABORTED', 'the bundle was given up'));
  }

  /** Hears from the host that a worker ended. */
  lost(workerId: string, reason: string): void {
    const signal = /signal (\d+)$/.exec(reason)?.[1] ?? '';
    const hint = HINTS[signal] ?? OWN_END;
    this.all.get(workerId)?.lose(new BeamBridgeError('WORKER_DIED', reason, { hint }));
  }

  /** Hears from the host that a worker's process ended in good order. */
  ended(workerId: string): void {
    this.exits.get(workerId)?.();
    const reason = `the Python worker ${workerId} ended by itself`;
    this.all.get(workerId)?.lose(new BeamBridgeError('WORKER_DIED', reason, { hint: OWN_END }));
  }

  private offer(worker: Worker): void {
    if (!worker.isReady) return;
    const [waiter] = this.waiters;
    if (waiter) waiter.resolve(worker);
    else this.idle.push(worker);
  }

  private startForWaiters(): void {
    const { limit } = this.options;
    while (!this.broken && this.starting < this.waiters.size && this.all.size < limit) this.start();
  }

  /** Starts a worker; one that ends before it is ready is tried again. */
  private start(): void {
    const { pool } = this.options;
    const { home } = this;
    this.starting += 1;
    retry(() => this.launch(), {
      mostAttempts: STARTS,
      // With a host that is gone it is no use: the set is about to hear of that.
      mayRetry: (error) =>
        !this.broken && !home?.isBroken && (pool !== undefined || !isTooLate(error)),
      retrying: (error) => log.debug(`a Python worker did not start: ${String(error)}`),
    }).then(
      (worker) => {
        this.starting -= 1;
        void worker.gone.then((reason) => {
          if (!this.broken) log.debug(`a worker is to be replaced: ${reason.shortMessage}`);
          this.startForWaiters();
        });
        this.offer(worker);
      },
      (error: unknown) => {
        this.starting -= 1;
        if (home?.isBroken) return;
        const cause = BeamBridgeError.from(error);
        this.close(!pool && isTooLate(cause) ? cause : this.startFailed(cause));
      },
    );
  }

  private startFailed(cause: BeamBridgeError): BeamBridgeError {
    const { endpoint, pool } = this.options;
    const whose = pool ? 'Python workers' : `workers of ${endpoint}`;
    return new BeamBridgeError(
      'HOST_START_FAILED',
      `${STARTS} ${whose} in a row ended before they were ready: ${cause.shortMessage}`,
      { hint: pool ? MEMORY : SEE_ITS_LOG, detail: this.home?.tail() || undefined, cause },
    );
  }

  /** Ends a worker that does not get ready in time, and says that it is waited for. */
  private limitStart(worker: Worker): () => void {
    const { endpoint, pool, server, foreignStartMs = FOREIGN_START_MS } = this.options;
    if (pool) {
      const late = () =>
        this.stop(worker, new BeamBridgeError('TIMEOUT', 'a Python worker did not become ready'));
      const timer = setTimeout(late, START_MS);
      return () => clearTimeout(timer);
    }
    const what = `${endpoint} was asked for a worker, which has not connected to ${server.address}`;
    const said = setTimeout(() => log.warn(`${what} so far`), SAID_AFTER_MS);
    const late = setTimeout(() => {
      const reason = new BeamBridgeError('TIMEOUT', `${what} within ${foreignStartMs / 1000} s`, {
        hint: `${SEE_ITS_LOG} It must be able to reach this machine at that address; one that is only slow to start is given longer with the option workerStartTimeoutMs.`,
        detail: this.home?.tail() || undefined,
      });
      this.stop(worker, reason);
    }, foreignStartMs);
    return () => {
      clearTimeout(said);
      clearTimeout(late);
    };
  }

  /** Resolves with a worker that is ready. */
  private async launch(): Promise<Worker> {
    const { params, server } = this.options;
    const worker = new Worker(this.home);
    this.all.set(worker.id, worker);
    server.expect(worker);
    void worker.gone.then(() => {
      this.all.delete(worker.id);
      const index = this.idle.indexOf(worker);
      if (index >= 0) this.idle.splice(index, 1);
    });
    const withinLimit = this.limitStart(worker);
    // Not awaited: a pool may never answer.
    this.ask(worker, { url: server.address }, params).catch((error: unknown) =>
      worker.lose(BeamBridgeError.from(error, 'WORKER_DIED')),
    );
    try {
      await worker.connected;
    } finally {
      withinLimit();
    }
    return worker;
  }

  private async ask(
    { id: workerId }: Worker,
    here: { url: string },
    params: Record<string, string>,
  ): Promise<void> {
    await this.options.pool?.opened;
    const { error } = await this.client.startWorker({
      workerId,
      controlEndpoint: here,
      loggingEndpoint: here,
      params,
    });
    if (error) throw new BeamBridgeError('WORKER_DIED', error);
  }

  private stop(worker: Worker, reason: BeamBridgeError): void {
    worker.hangUp();
    worker.lose(reason);
    // What it is doing may never end by itself. A pool that does not hear this is gone with it.
    const { token = '' } = this.options.params;
    const metadata = { authorization: `Bearer ${token}` };
    this.client.stopWorker({ workerId: worker.id }, { metadata }).catch(() => {});
  }

  /** Closes, and resolves when the processes of idle workers of our host have ended. */
  async finish(reason: BeamBridgeError): Promise<void> {
    const idle = this.options.pool ? this.idle.filter((worker) => worker.isReady) : [];
    const over = new AbortController();
    const ended = Promise.all(
      idle.map(({ id }) => new Promise<void>((resolve) => this.exits.set(id, resolve))),
    );
    this.close(reason);
    await Promise.race([
      ended,
      delay(TEARDOWN_MS, undefined, { signal: over.signal }).catch(ignore),
    ]);
    over.abort();
  }

  /** Ends all workers in good order, and fails all who wait for one. */
  close(reason: BeamBridgeError): void {
    if (this.broken) return;
    this.broken = reason;
    for (const waiter of this.waiters) waiter.reject(reason);
    for (const worker of this.all.values()) {
      worker.hangUp();
      worker.lose(reason);
    }
    this.client.close();
  }
}

function ignore(): void {}

function isTooLate(error: unknown): boolean {
  return error instanceof BeamBridgeError && error.code === 'TIMEOUT';
}

const SEE_ITS_LOG =
  'The log of that service may tell why: a worker may have ended as it began, as one in Java does without jamm on its class path.';
const MEMORY = 'Signal 9 often means that the machine ran out of memory.';
const HINTS: Readonly<Record<string, string>> = {
  9: MEMORY,
  15: 'Another program ended it: an operator, or one that does so before memory runs out.',
};
const OWN_END =
  'Native code of a library that crashes, or code that calls os._exit, ends the process: see what Python wrote last.';
