// SPDX-License-Identifier: Apache-2.0
// Executes stages of Python functions: serves Beam's Fn API on one port, where worker processes of
// the managed host connect. Its shape is that of the bundle engine, which executes ours.

import { randomBytes } from 'node:crypto';
import { BeamBridgeError, type ErrorDetails, getLogger, retry } from '../../../base/index.ts';
import {
  isJavaFailure,
  javaError,
  parsePythonFailure,
  pythonError,
} from '../../../external/index.ts';
import type { BundleIO, BundleResult } from '../../../harness/index.ts';
import { type fn, fromBinary, pb, urns } from '../../../proto/index.ts';
import { type Host, runningHosts } from '../../../services/index.ts';
import { openPythonPool } from '../../python-pool.ts';
import type { StageBundle } from '../engine/executor.ts';
import { runBundle, type Split } from './bundle.ts';
import { WorkerDescriptors } from './descriptors.ts';
import { FnServer } from './fn-server.ts';
import { javaHome } from './java-home.ts';
import type { WorkerHome } from './worker.ts';
import { WorkerSet } from './worker-set.ts';

const log = getLogger('python');

/** Options of a {@link PythonExecutor}. */
export interface PythonExecutorOptions {
  /** How many worker processes there may be for each environment. @default 1 */
  workers?: number | undefined;
  /** How long a worker of somebody else's pool may take until it connects. Milliseconds. @default 60,000 */
  foreignStartMs?: number | undefined;
  /** Ends everything, as disposing does. */
  signal?: AbortSignal | undefined;
  /** What the managed host is told of workers that it may keep for another run. @default none are kept */
  keep?: Record<string, string> | undefined;
  /**
   * The error that a bundle rejects with for what Python says of its failure, a traceback, and of the
   * transforms of its stage.
   * @default the one that the text itself tells, with the transform's name in the expansion
   */
  describeFailure?: ((text: string, working: readonly string[]) => BeamBridgeError) | undefined;
  /** What there is to say of where a worker was lost, from the transforms of its stage. @default nothing */
  whereLost?: ((working: readonly string[]) => ErrorDetails) | undefined;
  /**
   * Gives another host in the place of one that is gone, which can run what that one expanded, or nothing
   * where there can be none. Bundles that were lost with it can then be repeated, as those of a worker.
   * @default none: the loss of a host ends everything
   */
  replaceHost?: ((gone: Host, signal: AbortSignal) => Promise<Host> | undefined) | undefined;
}

/** So many hosts in a row may be lost before a bundle succeeds again. */
const MOST_HOSTS = 3;

/**
 * Runs bundles of Python stages, one at a time in each worker process.
 *
 * @example
 * ```ts
 * await using python = await PythonExecutor.start({ workers: 2 });
 * python.warmUp(environment);
 * const { done } = python.start(environment, descriptor, { input, output, state });
 * const { monitoringInfos } = await done;
 * ```
 */
export class PythonExecutor implements AsyncDisposable {
  /** Resolves with the reason once a host that workers are processes of is gone. */
  readonly lost: Promise<BeamBridgeError>;
  private lose!: (reason: BeamBridgeError) => void;
  private readonly descriptors = new WorkerDescriptors();
  private readonly sets = new Map<string, Promise<WorkerSet>>();
  /** Ends the pools, and with them their workers. */
  private readonly over = new AbortController();
  /** Ends the start of hosts in the place of others. */
  private readonly closing = new AbortController();
  private hostsLost = 0;
  private readonly bundles = new Set<AbortController>();
  private closed: BeamBridgeError | undefined;
  private disposing: Promise<void> | undefined;
  private server!: FnServer;

  private constructor(private readonly options: PythonExecutorOptions) {
    this.lost = new Promise((resolve) => {
      this.lose = resolve;
    });
  }

  /**
   * Begins to serve; starts no worker yet.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT`, `ABORTED`
   */
  static async start(options: PythonExecutorOptions = {}): Promise<PythonExecutor> {
    const { workers = 1, signal } = options;
    if (!Number.isSafeInteger(workers) || workers < 1) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `there cannot be ${workers} Python workers`, {
        hint: 'Give a whole number of at least 1.',
      });
    }
    const executor = new PythonExecutor(options);
    executor.server = await FnServer.start((id) => executor.descriptors.find(id));
    signal?.addEventListener('abort', executor.abort, { once: true });
    if (signal?.aborted) {
      executor.abort();
      throw new BeamBridgeError('ABORTED', CLOSED, { cause: signal.reason });
    }
    return executor;
  }

  private readonly abort = () => void this[Symbol.asyncDispose]();

  /**
   * Makes the workers of an environment start, so that their imports happen while other work runs.
   *
   * @param environment - an external one, as `chooseEnvironments` leaves it
   */
  warmUp(environment: pb.Environment): void {
    // What fails here fails again where a bundle waits for it.
    this.setOf(environment).then(
      (set) => set.warmUp(),
      () => {},
    );
  }

  /**
   * Resolves when a worker of an environment has connected.
   *
   * @throws BeamBridgeError as a bundle there would reject for want of one
   */
  ready(environment: pb.Environment, signal: AbortSignal): Promise<void> {
    return retry(async () => (await this.setOf(environment)).ready(signal), {
      mayRetry: isWorkerOrHostLost,
    });
  }

  /**
   * Starts a bundle of a stage, in an idle worker or the next that becomes idle. Pass the same
   * descriptor object each time: workers keep what they make of it. Its data ports need no address.
   * Chunks that `io.input` and `io.state` give must hold whole elements.
   *
   * `done` rejects with `PYTHON_EXCEPTION` (or what the exception means), `WORKER_DIED` when the
   * worker ended, in which case another worker can be given the bundle, `TIMEOUT` when one of somebody
   * else's pool never connected, `HOST_DIED`, `HOST_START_FAILED`, `UNSUPPORTED`, `ABORTED`. An aborted bundle takes its worker process along,
   * since Python cannot interrupt one; the next bundle gets a new process. `split` returns nothing
   * while the bundle waits for a worker, and metrics come with the result only.
   */
  start(
    environment: pb.Environment,
    descriptor: fn.ProcessBundleDescriptor,
    io: BundleIO,
  ): StageBundle {
    const aborted = new AbortController();
    this.bundles.add(aborted);
    let split: Split | undefined;
    const splittable = (way: Split | undefined) => {
      split = way;
    };
    const done = this.run(environment, descriptor, io, aborted.signal, splittable).finally(() =>
      this.bundles.delete(aborted),
    );
    // Whoever holds the bundle awaits `done`; that may be after this turn.
    done.catch(() => {});
    return {
      done,
      monitoringInfos: () => [],
      split: (desired) => split?.(desired) ?? [],
      abort: (error) => aborted.abort(error),
    };
  }

  private async run(
    environment: pb.Environment,
    descriptor: fn.ProcessBundleDescriptor,
    io: BundleIO,
    signal: AbortSignal,
    splittable: (split: Split | undefined) => void,
  ): Promise<BundleResult> {
    const set = await this.setOf(environment);
    const stage = this.descriptors.register(descriptor, this.server.address);
    const worker = await set.acquire(signal);
    const { describeFailure = failureIn, whereLost } = this.options;
    const working = Object.values(descriptor.transforms).map(({ uniqueName }) => uniqueName);
    const failure = (text: string) => describeFailure(text, working);
    const outcome = await runBundle({ worker, stage, io, signal, failure, splittable });
    set.release(worker, 'result' in outcome || outcome.isSettled);
    if (!('result' in outcome)) {
      const { error } = outcome;
      const isLost = error instanceof BeamBridgeError && isWorkerLost(error);
      throw isLost && whereLost ? error.with(whereLost(working)) : error;
    }
    this.hostsLost = 0;
    return outcome.result;
  }

  private setOf(environment: pb.Environment): Promise<WorkerSet> {
    if (this.closed) return Promise.reject(this.closed);
    if (environment.urn !== urns.StandardEnvironments_Environments.EXTERNAL) {
      return Promise.reject(
        new BeamBridgeError('UNSUPPORTED', `no worker can be had for ${environment.urn}`, {
          hint: "Expand with the managed Python, or with a service that serves workers: Beam's does with --serve_loopback_worker.",
        }),
      );
    }
    const { endpoint, params } = fromBinary(pb.ExternalPayloadSchema, environment.payload);
    const address = endpoint?.url ?? '';
    const key = JSON.stringify([address, Object.entries(params).sort()]);
    const known = this.sets.get(key);
    if (known) return known;
    return this.keep(key, this.find(key, address, params));
  }

  private async find(
    key: string,
    address: string,
    params: Record<string, string>,
  ): Promise<WorkerSet> {
    const hosts = await runningHosts();
    const host = hosts.find(({ pool }) => pool === address);
    if (host) return this.open(key, host.pool, params, host);
    return this.open(key, address, params, undefined, javaHome(address, this.over.signal));
  }

  /** The workers of an environment from now on. What cannot be opened is tried again by the next bundle. */
  private keep(key: string, opened: Promise<WorkerSet>): Promise<WorkerSet> {
    this.sets.set(key, opened);
    opened.catch(() => {
      if (this.sets.get(key) === opened) this.sets.delete(key);
    });
    return opened;
  }

  private open(
    key: string,
    endpoint: string,
    given: Record<string, string>,
    host: Host | undefined,
    java?: WorkerHome,
  ): WorkerSet {
    const { workers: limit = 1, foreignStartMs, keep } = this.options;
    const { server } = this;
    // Of this set alone: whoever shows it may start workers.
    const token = randomBytes(24).toString('base64url');
    const params = host ? { ...given, ...keep, token } : given;
    const pool =
      host &&
      openPythonPool(host, {
        token,
        keep,
        signal: this.over.signal,
        onWorkerLost: (workerId, reason) => set.lost(workerId, reason),
        onWorkerEnded: (workerId) => set.ended(workerId),
      });
    // Before the set hears of it and fails its bundles, which then find the next.
    void pool?.ended.then((reason) => this.replace(key, given, host!, reason));
    const set = new WorkerSet({
      endpoint,
      params,
      limit,
      server,
      pool,
      host,
      java,
      foreignStartMs,
    });
    if (this.closed) set.close(this.closed);
    return set;
  }

  /** Has a host started anew that is gone, with its workers, unless that was done too often. */
  private replace(
    key: string,
    given: Record<string, string>,
    gone: Host,
    reason: BeamBridgeError,
  ): void {
    if (this.closed) return;
    this.hostsLost += 1;
    const replacement =
      this.hostsLost > MOST_HOSTS
        ? undefined
        : this.options.replaceHost?.(gone, this.closing.signal);
    if (!replacement) {
      this.lose(reason);
      return;
    }
    log.warn(`${reason.shortMessage}; another one is started`);
    const opened = replacement.then((next) => this.open(key, next.pool, given, next));
    this.keep(key, opened).then(
      (set) => set.warmUp(),
      (error: unknown) => this.lose(BeamBridgeError.from(error)),
    );
  }

  /** Ends all bundles with `ABORTED`, and all workers; idle ones tear their functions down first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.disposing ??= this.dispose();
    return this.disposing;
  }

  private async dispose(): Promise<void> {
    this.options.signal?.removeEventListener('abort', this.abort);
    const reason = new BeamBridgeError('ABORTED', CLOSED);
    this.closed = reason;
    this.closing.abort(reason);
    for (const bundle of this.bundles) bundle.abort(reason);
    const sets = await Promise.allSettled(this.sets.values());
    await Promise.all(
      sets.map((set) => (set.status === 'fulfilled' ? set.value.finish(reason) : undefined)),
    );
    this.over.abort();
    this.server.close();
  }
}

const CLOSED = 'the executor of Python stages is closed';

function failureIn(text: string): BeamBridgeError {
  if (isJavaFailure(text)) return javaError(text);
  return pythonError(parsePythonFailure(text));
}

/** Whether a bundle failed only because its worker ended: another worker can be given it. */
export function isWorkerLost(error: unknown): boolean {
  return error instanceof BeamBridgeError && error.code === 'WORKER_DIED';
}

/** Whether a bundle failed because its worker ended, perhaps with its host. */
export function isWorkerOrHostLost(error: unknown): boolean {
  return isWorkerLost(error) || (error instanceof BeamBridgeError && error.code === 'HOST_DIED');
}
