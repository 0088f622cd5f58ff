// SPDX-License-Identifier: Apache-2.0
// One Python host: the process that expands Python transforms and runs jobs on Python's DirectRunner.

import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { BeamBridgeError, errorNonce, getLogger } from '../../base/index.ts';
import { type ServiceExit, startService } from '../process/service.ts';
import { cacheFolder } from '../python/cache.ts';
import { logHostLine } from './logs.ts';
import { PYTHON_ENV_FOLDER } from './paths.ts';

// It imports the frameworks that the pipeline needs, perhaps from a cold disk.
const START_TIMEOUT_MS = 180_000;

/** A Python host that is ready to be called. */
export interface Host extends AsyncDisposable {
  /** `127.0.0.1:PORT` of its expansion, artifact, staging and job services. */
  readonly address: string;
  /** `127.0.0.1:PORT` of its worker pool, which asks for the token of a job. */
  readonly pool: string;
  /** Every call there must carry the metadata `authorization: Bearer <token>`. */
  readonly token: string;
  /** Process id of the Python process. */
  readonly pid: number;
  /** The Python that it runs on. */
  readonly python: string;
  /** For example `3.11.7`; undefined where another program started it. */
  readonly pythonVersion?: string | undefined;
  /** Key of that Python's environment. */
  readonly environment: string;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<ServiceExit>;
  /** False once the process is gone. */
  readonly alive: boolean;
  /** The last 16 KiB of what it wrote to standard error. */
  stderr(): string;
  /** Why calls to this host fail now that it is gone, for the `cause` of their error. */
  diedError(): BeamBridgeError;
  /**
   * Whether it is this program's alone, to be ended with it. One that is kept warm is shared with other
   * programs: nothing that becomes of this program's jobs may end it.
   */
  readonly isOwn: boolean;
  /**
   * Ends it: SIGTERM, then SIGKILL.
   *
   * @param killAfter - milliseconds between the two; @default 5000
   */
  stop(killAfter?: number): Promise<void>;
}

/** What {@link startHost} needs. */
export interface StartHostOptions {
  /** Path of a Python with the host's requirements installed. */
  python: string;
  /** Key of its environment. @default the path of `python` */
  environment?: string;
  /** Modules that it imports early, so that neither the first expansion nor a worker need do it. */
  preload?: readonly string[];
  /** Added to the host's environment variables. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds. @default 180000 */
  startTimeout?: number;
  /** Called once the process was started, a second or more before it is ready. */
  onSpawn?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** The line that says that the host is ready. */
export interface HostAnnouncement {
  address: string;
  pool: string;
  pid: number;
  version: string;
  beam: string;
  python: string;
}

/** Environment variables of every host process. */
export function hostEnvironment(token: string): Record<string, string | undefined> {
  return {
    BEAMBRIDGE_HOST_TOKEN: token,
    BEAMBRIDGE_ERROR_NONCE: errorNonce(token),
    // Keeps the current folder out of whatever is imported before start.py puts it last.
    PYTHONSAFEPATH: process.env.PYTHONSAFEPATH || 'beambridge',
    // The package folder may belong to someone else, and must stay as it was installed.
    PYTHONDONTWRITEBYTECODE: '1',
    BEAMBRIDGE_BYTECODE: path.join(cacheFolder(), 'bytecode'),
    PYTHONUNBUFFERED: '1',
    PYTHONIOENCODING: 'utf-8',
    PYTHONHOME: undefined,
    // gRPC would send calls to 127.0.0.1 through a proxy, and prints its own notes at start.
    no_grpc_proxy: '127.0.0.1,localhost',
    GRPC_VERBOSITY: 'ERROR',
  };
}

/** Command line of a host process after the path of Python. */
export function hostArguments(preload: readonly string[], idleTimeout = 0): string[] {
  const start = path.join(PYTHON_ENV_FOLDER, 'start.py');
  const args = [start, 'beambridge_host', '--log-level', pythonLogLevel()];
  for (const module of preload) args.push('--preload', module);
  if (idleTimeout > 0) args.push('--idle-timeout', String(idleTimeout));
  return args;
}

function pythonLogLevel(): string {
  const log = getLogger('python');
  return log.enabled('debug') ? 'DEBUG' : 'INFO';
}

function isAnnouncement(value: unknown): value is HostAnnouncement {
  return typeof value === 'object' && value !== null && 'ready' in value && 'address' in value;
}

/** The announcement in a line of a host's standard output, or undefined. */
export function readAnnouncement(line: string): HostAnnouncement | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (isAnnouncement(value)) return value;
  } catch {
    // Not ours.
  }
  return undefined;
}

/** Why a host cannot serve, by its own word. */
export interface HostRefusal {
  readonly refused: string;
  readonly hint: string;
}

/** The refusal in a line of a host's standard output, or undefined. */
export function readRefusal(line: string): HostRefusal | undefined {
  if (!line.startsWith('{"refused"')) return undefined;
  try {
    const { refused, hint } = JSON.parse(line) as Partial<HostRefusal>;
    if (typeof refused === 'string' && typeof hint === 'string') return { refused, hint };
  } catch {
    // Not ours.
  }
  return undefined;
}

/** The error of a host that refused to serve. */
export function refusedError({ refused, hint }: HostRefusal): BeamBridgeError {
  return new BeamBridgeError('HOST_START_FAILED', `the Python host did not start: ${refused}`, {
    hint,
  });
}

/**
 * Starts a Python host on a Python that has what it needs. Most code wants `getHost`, which builds
 * that Python and shares one host per program.
 *
 * @throws BeamBridgeError `HOST_START_FAILED`, `ABORTED`
 */
export async function startHost(options: StartHostOptions): Promise<Host> {
  const token = randomBytes(24).toString('base64url');
  const log = getLogger('python');
  let refusal: HostRefusal | undefined;
  const service = await startService<HostAnnouncement>({
    name: 'the Python host',
    command: options.python,
    args: hostArguments(options.preload ?? []),
    watchesUs: true,
    env: { ...options.env, ...hostEnvironment(token) },
    ready: (line) => {
      const announcement = readAnnouncement(line);
      refusal ??= readRefusal(line);
      if (!announcement && !refusal) logHostLine(line);
      return announcement;
    },
    onLine: logHostLine,
    onErrorLine: (line) => log.info(line),
    startTimeout: options.startTimeout ?? START_TIMEOUT_MS,
    hint: `Try \`${options.python} -c "import apache_beam"\`, or \`beambridge env clean\` to build the Python environment anew.`,
    onSpawn: options.onSpawn,
    signal: options.signal,
  }).catch((error: unknown) => {
    throw refusal ? refusedError(refusal) : error;
  });
  const { address, pool, pid, python: pythonVersion } = service.info;
  const environment = options.environment ?? options.python;
  return {
    address,
    pool,
    token,
    pid,
    python: options.python,
    pythonVersion,
    environment,
    exited: service.exited,
    get alive() {
      return service.exit === undefined;
    },
    stderr: () => service.stderr(),
    diedError: () => diedError(pid, service.exit, service.stderr()),
    isOwn: true,
    stop: async (killAfter) => {
      await service.stop(killAfter);
    },
    [Symbol.asyncDispose]: async () => {
      await service.stop();
    },
  };
}

/** The error of a call whose host is gone. */
function diedError(pid: number, exit: ServiceExit | undefined, stderr: string): BeamBridgeError {
  const how = exit?.signal
    ? `was ended by ${exit.signal}`
    : `ended with status ${exit?.code ?? 'unknown'}`;
  return new BeamBridgeError('HOST_DIED', `the Python host (process ${pid}) ${how}`, {
    hint: 'Run the pipeline again: a new host is started. SIGKILL often means that the machine ran out of memory.',
    detail: stderr || undefined,
  });
}
