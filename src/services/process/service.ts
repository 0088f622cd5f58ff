// SPDX-License-Identifier: Apache-2.0
// A process that serves until it is stopped: started, ready by its own word, watched, ended.

import { setTimeout as delay } from 'node:timers/promises';
import {
  BeamBridgeError,
  conceal,
  type ErrorCode,
  getLogger,
  type Logger,
} from '../../base/index.ts';
import {
  type GuardedProcess,
  KILL_AFTER_MS,
  keepAlive,
  signalGroup,
  spawnGuarded,
} from './guard.ts';
import { onLines } from './lines.ts';
import { Tail } from './tail.ts';

const START_TIMEOUT_MS = 60_000;

/** What {@link startService} needs to know. */
export interface ServiceOptions<Ready> {
  /** What messages call it: `the Python host`, `Prism`, … */
  name: string;
  command: string;
  args?: readonly string[];
  /** Added to the environment of this program; `undefined` removes a variable. */
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** It ends by itself when we do, beside its guard. @default false */
  watchesUs?: boolean;
  /**
   * Looks at each line of standard output until it returns something: the service is ready then.
   * Ports belong into it, since the kernel picks them.
   */
  ready: (line: string) => Ready | undefined;
  /** Whether `ready` looks at standard error too, where some say it. @default false */
  readyOnErrors?: boolean;
  /** Sees every line of standard output after that one. */
  onLine?: (line: string) => void;
  /** Sees every line of standard error. @default written to the log as `debug` */
  onErrorLine?: (line: string) => void;
  /** Milliseconds until a service that is not ready is ended. @default 60000 */
  startTimeout?: number;
  /** Milliseconds between SIGTERM and SIGKILL. @default 5000 */
  killAfter?: number;
  /** Code of the error when it does not start. @default 'HOST_START_FAILED' */
  failure?: ErrorCode;
  /** What to do when it does not start. */
  hint?: string;
  /** Called once the process was started, long before it is ready. */
  onSpawn?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** How a service ended. */
export interface ServiceExit {
  /** Exit status, or undefined when a signal ended it. */
  code: number | undefined;
  signal: string | undefined;
  /** True when {@link Service.stop} asked for it. */
  expected: boolean;
  /** The last lines of standard error. */
  stderr: string;
}

/** A running service. It never keeps the program alive, and never outlives it. */
export interface Service<Ready> extends AsyncDisposable {
  /** What `ready` returned. */
  readonly info: Ready;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<ServiceExit>;
  /** How it ended, once it did. */
  readonly exit: ServiceExit | undefined;
  /** The last 16 KiB of standard error so far. */
  stderr(): string;
  /** SIGTERM, then SIGKILL. Resolves when the process and its children are gone. */
  stop(killAfter?: number): Promise<ServiceExit>;
}

/**
 * Starts a process that serves, and waits until it says that it is ready.
 *
 * @throws BeamBridgeError `failure` with the last lines of standard error when the process ends, hangs
 * or cannot be started; `ABORTED` when `signal` fires first
 */
export async function startService<Ready>(options: ServiceOptions<Ready>): Promise<Service<Ready>> {
  if (options.signal?.aborted) throw aborted(options.name);
  const running = new RunningService(options, await spawn(options));
  options.onSpawn?.();
  await running.start();
  return running;
}

async function spawn<Ready>(options: ServiceOptions<Ready>): Promise<GuardedProcess> {
  const { command, args = [], env, cwd, watchesUs = false } = options;
  try {
    const how = { ...(env ? { env } : {}), ...(cwd ? { cwd } : {}), watchesUs };
    return await spawnGuarded(command, args, how);
  } catch (error) {
    throw startFailure(options, `could not be started (${(error as Error).message})`, '');
  }
}

function startFailure<Ready>(
  { name, failure = 'HOST_START_FAILED', hint }: ServiceOptions<Ready>,
  what: string,
  stderr: string,
): BeamBridgeError {
  return new BeamBridgeError(failure, `${name} did not start: it ${what}`, {
    hint: hint ?? 'The last lines that it printed are below.',
    detail: stderr || undefined,
  });
}

class RunningService<Ready> implements Service<Ready> {
  readonly exited: Promise<ServiceExit>;
  exit: ServiceExit | undefined;
  private announced: Ready | undefined;
  private stopping: Promise<ServiceExit> | undefined;
  private readonly guarded: GuardedProcess;
  private readonly errors = new Tail();
  private readonly log: Logger;
  private readonly options: ServiceOptions<Ready>;
  private onReady: (() => void) | undefined;

  constructor(options: ServiceOptions<Ready>, guarded: GuardedProcess) {
    this.options = options;
    this.log = getLogger(options.name);
    this.guarded = guarded;
    const { child } = guarded;
    this.exited = this.watch();
    onLines(child.stdout, (line) => this.hear(line));
    onLines(child.stderr, (line) => {
      this.errors.add(`${conceal(line)}\n`);
      if (options.readyOnErrors && this.announced === undefined) this.hear(line);
      else if (options.onErrorLine) options.onErrorLine(line);
      else this.log.debug(conceal(line));
    });
    child.stdin.on('error', () => {});
  }

  get info(): Ready {
    return this.announced as Ready;
  }

  stderr(): string {
    return this.errors.toString();
  }

  private hear(line: string): void {
    if (this.announced === undefined) {
      this.announced = this.options.ready(line);
      if (this.announced !== undefined) this.onReady?.();
      else this.log.debug(conceal(line));
    } else {
      this.options.onLine?.(line);
    }
  }

  async start(): Promise<void> {
    const { name, signal, startTimeout = START_TIMEOUT_MS } = this.options;
    const timer = new AbortController();
    const ready = new Promise<'ready'>((resolve) => {
      this.onReady = () => resolve('ready');
      if (this.announced !== undefined) resolve('ready');
    });
    const cancelled = new Promise<'aborted'>((resolve) => {
      signal?.addEventListener('abort', () => resolve('aborted'), { signal: timer.signal });
    });
    const late = delay(startTimeout, 'late' as const, { signal: timer.signal }).catch(
      () => 'late' as const,
    );
    const outcome = await Promise.race([
      ready,
      cancelled,
      late,
      this.exited.then(() => 'exited' as const),
    ]);
    timer.abort();
    if (outcome === 'ready') {
      keepAlive(this.guarded, false);
      return;
    }
    await this.stop();
    if (outcome === 'aborted') throw aborted(name);
    throw startFailure(
      this.options,
      outcome === 'late' ? `was not ready after ${startTimeout / 1000} s` : this.describeExit(),
      this.stderr(),
    );
  }

  private describeExit(): string {
    const exit = this.exit;
    if (exit?.signal) return `was ended by ${exit.signal}`;
    return `ended with status ${exit?.code ?? 'unknown'}`;
  }

  private async watch(): Promise<ServiceExit> {
    const { code, signal } = await this.guarded.ended;
    const killedBy = signalOf(code);
    this.exit = {
      code: killedBy ? undefined : code,
      signal: signal ?? killedBy,
      expected: this.stopping !== undefined,
      stderr: this.stderr(),
    };
    return this.exit;
  }

  stop(killAfter?: number): Promise<ServiceExit> {
    this.stopping ??= this.end(killAfter);
    return this.stopping;
  }

  private async end(killAfter = this.options.killAfter ?? KILL_AFTER_MS): Promise<ServiceExit> {
    if (this.exit) return this.exit;
    keepAlive(this.guarded, true);
    signalGroup(this.guarded.child.pid, 'SIGTERM');
    const timer = new AbortController();
    delay(killAfter, undefined, { signal: timer.signal }).then(
      () => signalGroup(this.guarded.child.pid, 'SIGKILL'),
      () => {},
    );
    const exit = await this.exited;
    timer.abort();
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

// A shell reports a child that signal N ended as status 128 + N.
const SIGNALS = new Map([
  [129, 'SIGHUP'],
  [130, 'SIGINT'],
  [134, 'SIGABRT'],
  [135, 'SIGBUS'],
  [137, 'SIGKILL'],
  [139, 'SIGSEGV'],
  [143, 'SIGTERM'],
]);

function signalOf(code: number | undefined): string | undefined {
  return code === undefined ? undefined : SIGNALS.get(code);
}

function aborted(name: string): BeamBridgeError {
  return new BeamBridgeError('ABORTED', `the start of ${name} was cancelled`);
}
