// SPDX-License-Identifier: Apache-2.0
// A service that a runner asks for workers, each a process by Beam's container contract. What it is asked
// for runs other people's programs: away from this machine's loopback it obeys only whoever has its token.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger } from '../base/index.ts';
import { fn, type ListenAt, LoopbackServer } from '../proto/index.ts';
import { type Program, startProgram } from '../services/index.ts';

const log = getLogger('pool');

/** Requests are read before the token in them can be looked at. */
const MESSAGE_BYTES = 1 << 20;
/** A worker that is to stop ends with its runner; one that does not is ended. Milliseconds. */
const STOP_GRACE_MS = 5000;

/** How {@link ProcessPool.start} starts a pool. */
export interface PoolOptions {
  /** What is started for a worker; the flags of the container contract follow. */
  readonly command: readonly [string, ...string[]];
  /** @default a port of 127.0.0.1 that the kernel picks */
  readonly listen?: Partial<ListenAt> | undefined;
  /** What a runner shows in `params.token`. Needed for all but loopback. @default none is asked for */
  readonly token?: string | undefined;
  /** Added to the environment of workers. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Sees each line that a worker prints. @default standard error */
  readonly onLine?: (line: string) => void;
}

interface Running {
  readonly workerId: string;
  readonly program: Program;
}

/** A pool that listens. Its workers end with it. */
export class ProcessPool implements AsyncDisposable {
  private readonly server = new LoopbackServer({ maxMessageBytes: MESSAGE_BYTES });
  /** By id and control address: two TaskManagers use the same ids. Undefined while one is being started. */
  private readonly workers = new Map<string, Running | undefined>();
  private url = '';
  private closing: Promise<void> | undefined;

  private constructor(private readonly options: PoolOptions) {}

  /**
   * Starts listening.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` for an address that cannot be listened on, or is not this
   * machine's alone and has no token
   */
  static async start(options: PoolOptions): Promise<ProcessPool> {
    const { host = '127.0.0.1' } = options.listen ?? {};
    if (!options.token && !isLoopback(host)) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `a pool that listens on ${host} starts programs for whoever reaches it, and has no token`,
        {
          hint: 'Give it --token-file, and runners environmentConfig: { url, params: { token } }.',
        },
      );
    }
    const pool = new ProcessPool(options);
    pool.server.add(fn.BeamFnExternalWorkerPool, {
      startWorker: async (request) => ({ error: await pool.startWorker(request) }),
      stopWorker: async ({ workerId }, metadata) => ({
        error: pool.stopWorker(workerId, String(metadata.get('authorization')[0] ?? '')),
      }),
    });
    pool.url = await pool.server.listen(options.listen);
    return pool;
  }

  /** Where it listens: `HOST:PORT`. */
  get address(): string {
    return this.url;
  }

  /** @returns what is wrong; empty when the worker was started */
  private async startWorker(request: fn.StartWorkerRequest): Promise<string> {
    const { workerId, params, controlEndpoint, provisionEndpoint } = request;
    if (this.closing) return 'the worker pool is closed';
    if (!this.isAllowed(params.token ?? '')) {
      log.warn(`a request for worker ${workerId} without the right token was refused`);
      return 'the worker pool demands its token in params.token of the environment';
    }
    if (!provisionEndpoint?.url) return 'the request names no provision endpoint';
    const key = JSON.stringify([workerId, controlEndpoint?.url ?? provisionEndpoint.url]);
    if (this.workers.has(key)) return `worker ${workerId} of this runner runs already`;
    this.workers.set(key, undefined);
    try {
      const program = await this.launch(request);
      this.workers.set(key, { workerId, program });
      void program.ended.then(({ code }) => {
        this.workers.delete(key);
        if (code !== 0) log.info(`worker ${workerId} ended with status ${code}`);
      });
      if (this.closing) await program.stop();
      return '';
    } catch (error) {
      this.workers.delete(key);
      return `no process could be started for worker ${workerId}: ${String(error)}`;
    }
  }

  private launch(request: fn.StartWorkerRequest): Promise<Program> {
    const { command, env, onLine = (line) => process.stderr.write(`${line}\n`) } = this.options;
    const [file, ...args] = command;
    args.push(`--id=${request.workerId}`);
    for (const name of ['provision', 'control', 'logging', 'artifact'] as const) {
      const url = request[`${name}Endpoint`]?.url;
      if (url) args.push(`--${name}_endpoint=${url}`);
    }
    return startProgram(file, args, { ...(env && { env }), onLine });
  }

  /** The request has an id alone, and no token but in its metadata. */
  private stopWorker(workerId: string, authorization: string): string {
    if (!this.isAllowed(authorization.replace(/^Bearer /, ''))) return '';
    const found = [...this.workers.values()].filter((each) => each?.workerId === workerId);
    const [running] = found;
    // Of several runners' workers of one name, each ends with its runner's connection.
    if (found.length === 1 && running) void stopLater(running.program);
    return '';
  }

  private isAllowed(shown: string): boolean {
    const { token } = this.options;
    return token === undefined || timingSafeEqual(digest(shown), digest(token));
  }

  /** Stops listening, and ends all workers: SIGTERM, then SIGKILL after 5 s. */
  [Symbol.asyncDispose](): Promise<void> {
    this.closing ??= this.close();
    return this.closing;
  }

  private async close(): Promise<void> {
    this.server.close();
    await Promise.all([...this.workers.values()].map((each) => each?.program.stop()));
  }
}

async function stopLater(program: Program): Promise<void> {
  const over = new AbortController();
  void program.ended.then(() => over.abort());
  await delay(STOP_GRACE_MS, undefined, { signal: over.signal, ref: false }).then(
    () => program.stop(),
    () => {},
  );
}

function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost';
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
