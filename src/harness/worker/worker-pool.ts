// SPDX-License-Identifier: Apache-2.0
// The service that a runner asks for workers, when the functions live in this very process.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type BeamBridgeError, getLogger } from '../../base/index.ts';
import { fn, LoopbackServer, type MessageInitShape, type pb } from '../../proto/index.ts';
import type { FunctionLookup } from '../engine/index.ts';
import { externalEnvironment } from './environment.ts';
import { Failures } from './failures.ts';
import { SdkWorker } from './sdk-worker.ts';

const log = getLogger('harness');

/** Requests are read before the token in them can be looked at. */
const MESSAGE_BYTES = 1 << 20;

/** Options of {@link WorkerPool.start}. */
export interface WorkerPoolOptions {
  /** The user's functions by key: `Pipeline.functions`. */
  functions: FunctionLookup;
  /** Hears of each bundle that failed, with the error as it was thrown. */
  onFailure?: ((error: BeamBridgeError) => void) | undefined;
  /** Ends the pool and its workers. */
  signal?: AbortSignal | undefined;
  /** Send log records of level warn and above to the runners too. @default false */
  forwardLogs?: boolean | undefined;
  /** Bytes of input that each worker may hold in memory. @default 64 MiB */
  dataBudgetBytes?: number | undefined;
  /** Encoded bytes of side inputs that each worker keeps across bundles. @default 64 MiB */
  sideInputCacheBytes?: number | undefined;
}

/**
 * Runs this program's functions in this process for any runner on this machine that knows the
 * pool's address and token; both travel in {@link WorkerPool.environment}.
 *
 * @example
 * ```ts
 * await using pool = await WorkerPool.start({ functions: pipeline.functions });
 * const proto = pipelineToProto(pipeline, pool.environment());
 * ```
 */
export class WorkerPool implements AsyncDisposable {
  /** The latest errors of bundles, also by the text that the runner was given. */
  readonly failures = new Failures();
  /** What a runner must show to get a worker. */
  readonly token = randomBytes(24).toString('base64url');
  private readonly server = new LoopbackServer({ maxMessageBytes: MESSAGE_BYTES });
  /** By id and control address: two runners may use the same id. */
  private readonly workers = new Map<string, SdkWorker>();
  private url = '';
  private closing: Promise<void> | undefined;
  private isDraining = false;
  private readonly abort = () => void this[Symbol.asyncDispose]();

  private constructor(private readonly options: WorkerPoolOptions) {}

  /** Starts listening on a port of 127.0.0.1 that the kernel picks. */
  static async start(options: WorkerPoolOptions): Promise<WorkerPool> {
    options.signal?.throwIfAborted();
    const pool = new WorkerPool(options);
    pool.server.add(fn.BeamFnExternalWorkerPool, {
      startWorker: async (request) => ({ error: pool.startWorker(request) }),
      // It carries no token, and workers end with their control connections.
      stopWorker: async () => ({ error: '' }),
    });
    pool.url = await pool.server.listen();
    options.signal?.addEventListener('abort', pool.abort, { once: true });
    if (options.signal?.aborted) {
      await pool[Symbol.asyncDispose]();
      options.signal.throwIfAborted();
    }
    return pool;
  }

  /** Where the pool listens: `127.0.0.1:port`. */
  get address(): string {
    return this.url;
  }

  /** The environment to submit a pipeline with. */
  environment(): MessageInitShape<typeof pb.EnvironmentSchema> {
    return externalEnvironment(this.url, this.token);
  }

  /** @returns what is wrong; empty when the worker was started */
  private startWorker(request: fn.StartWorkerRequest): string {
    const { workerId, controlEndpoint, loggingEndpoint, params } = request;
    const controlUrl = controlEndpoint?.url;
    if (this.closing) return 'the worker pool is closed';
    if (!isSame(params.token ?? '', this.token)) {
      log.warn(`a request for worker ${workerId} without the right token was refused`);
      return 'the worker pool demands its token in params.token: pass the environment on as it is';
    }
    if (!controlUrl) return 'the request names no control endpoint';
    const key = workerKey(workerId, controlUrl);
    if (this.workers.has(key)) return `worker ${workerId} of ${controlUrl} runs already`;
    const worker = new SdkWorker({
      ...this.options,
      workerId,
      controlUrl,
      loggingUrl: this.options.forwardLogs ? loggingEndpoint?.url : undefined,
      failures: this.failures,
      isDraining: () => this.isDraining,
    });
    this.workers.set(key, worker);
    void worker.ended.then(() => this.workers.delete(key));
    return '';
  }

  /** From now on splittable DoFns are given what `truncateRestriction` leaves of restrictions, nothing of endless ones. */
  drain(): void {
    this.isDraining = true;
  }

  /** Ends all workers and stops listening. */
  [Symbol.asyncDispose](): Promise<void> {
    this.closing ??= this.close();
    return this.closing;
  }

  private async close(): Promise<void> {
    this.options.signal?.removeEventListener('abort', this.abort);
    await Promise.all([...this.workers.values()].map((worker) => worker.close()));
    this.server.close();
  }
}

function workerKey(workerId: string, controlUrl: string): string {
  return JSON.stringify([workerId, controlUrl]);
}

function isSame(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
