// SPDX-License-Identifier: Apache-2.0
// Prism, Beam's own runner for one machine, a program in Go: found, built once if it must be, started.

import { randomBytes } from 'node:crypto';
import { access, constants, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { BeamBridgeError, conceal, getLogger } from '../../base/index.ts';
import { runTool } from '../process/run-tool.ts';
import { type Service, startService } from '../process/service.ts';
import { Tail } from '../process/tail.ts';
import { cacheFolder, makeFolder } from '../python/cache.ts';
import { acquireLock } from '../python/lock.ts';

const log = getLogger('prism');

/** The release that is built where none is named. */
export const PRISM_VERSION = '2.77.0';
const MODULE = 'github.com/apache/beam/sdks/v2/go/cmd/prism';
/** How long a look at a program may take. Milliseconds. */
const LOOK_MS = 10_000;

/** Which Prism is meant. */
export interface PrismOptions {
  /** Path of the program. @default `prism` on the path, else one that Go builds into the cache */
  binary?: string | undefined;
  /** The Beam release to build. @default '2.77.0' */
  version?: string | undefined;
  /** Hears what takes long. @default a line on standard error */
  onProgress?: ((message: string) => void) | undefined;
  /** Hears why a worker that Prism started as a process is gone, and what workers last said. */
  onWorkerLost?: ((reason: string, output: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Starts a Prism of one's own, on a port that the kernel picks; `info` is its `localhost:PORT`.
 *
 * @throws BeamBridgeError `ENGINE_NOT_FOUND`, `ENGINE_START_FAILED`, `INVALID_ARGUMENT`, `ABORTED`
 */
export async function startPrism(options: PrismOptions = {}): Promise<Service<string>> {
  const binary = await findPrism(options);
  return startService({
    name: 'Prism',
    command: binary,
    args: ['--job_port', '0', '--serve_http=false', '--log_kind', 'json'],
    ready: endpointIn,
    readyOnErrors: true,
    failure: 'ENGINE_START_FAILED',
    hint: `${binary} must be Beam's Prism of 2.60 or later; what it printed is below.`,
    onErrorLine: hearing(options.onWorkerLost),
    signal: options.signal,
  });
}

/** How many of a worker's last lines are told. */
const LINES = 20;

/**
 * Hears Prism's log, and what workers print, which goes the same way. Prism 2.77 logs that a process cannot be
 * started, or has failed, and lets the job wait for it for ever.
 */
function hearing(lost: PrismOptions['onWorkerLost']): (line: string) => void {
  const printed = new Tail();
  return (line) => {
    log.debug(conceal(line));
    const said = logged(line);
    if (!said) printed.add(`${conceal(line)}\n`);
    else if (said.level === 'ERROR' && /^process failed/.test(said.msg)) {
      lost?.(conceal(`${said.msg}: ${said.error}`), printed.lines(LINES));
    }
  };
}

/** A line of Prism's own; undefined for one of a worker's. */
function logged(line: string): { level: string; msg: string; error?: unknown } | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const said = JSON.parse(line);
    return typeof said?.level === 'string' && typeof said.msg === 'string' ? said : undefined;
  } catch {
    return undefined;
  }
}

function endpointIn(line: string): string | undefined {
  if (!line.includes('Serving JobManagement')) return undefined;
  return /"endpoint":"([^"]+:\d+)"/.exec(line)?.[1];
}

/** The path of Prism: given, on the path, in the cache, or built into that. */
export async function findPrism(options: PrismOptions = {}): Promise<string> {
  const { binary, version = PRISM_VERSION, signal } = options;
  if (binary !== undefined) return given(binary, signal);
  if (await isPrism('prism', signal)) return 'prism';
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `prismVersion ${version} is no release of Beam`, {
      hint: `Give one such as '${PRISM_VERSION}'.`,
    });
  }
  const folder = path.join(cacheFolder(), 'engines', `prism-${version}`);
  const cached = path.join(folder, 'prism');
  if (await isExecutable(cached)) return cached;
  await makeFolder(path.dirname(folder));
  await using _lock = await acquireLock(`${folder}.lock`, { signal });
  // Whoever held the lock may just have built it.
  if (await isExecutable(cached)) return cached;
  await build(folder, version, options);
  return cached;
}

async function given(binary: string, signal: AbortSignal | undefined): Promise<string> {
  const file = path.resolve(binary);
  if (!(await isExecutable(file))) {
    throw new BeamBridgeError('ENGINE_NOT_FOUND', `there is no program at ${file}`, {
      hint: 'prismBinary is the path of the program `prism`; without that option it is looked for, and built by Go.',
    });
  }
  if (await isFolder(file)) {
    throw new BeamBridgeError('ENGINE_NOT_FOUND', `${file} is a folder`, {
      hint: `prismBinary is the path of the program: ${path.join(file, 'prism')}?`,
    });
  }
  if (await isPrism(file, signal)) return file;
  throw new BeamBridgeError('ENGINE_NOT_FOUND', `${file} is not Beam's Prism`, {
    hint: 'Other programs are called prism as well. This one does not know the option job_port.',
  });
}

/** Other programs are called that as well. */
async function isPrism(command: string, signal: AbortSignal | undefined): Promise<boolean> {
  const { output } = await runTool(command, ['-h'], { timeout: LOOK_MS, signal });
  return /^\s*-job_port\b/m.test(output);
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function isFolder(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Builds beside the place where it will stay: what is killed half-way leaves nothing that looks whole. */
async function build(folder: string, version: string, options: PrismOptions): Promise<void> {
  const { signal, onProgress = say } = options;
  const building = `${folder}.building-${randomBytes(4).toString('hex')}`;
  const source = `${MODULE}@v${version}`;
  onProgress(`building Prism ${version} with Go (once, some minutes)…`);
  try {
    const result = await runTool('go', ['install', source], {
      env: { GOBIN: building },
      signal,
      onLine: (line) => {
        log.debug(line);
        return undefined;
      },
    });
    if (result.missing) throw notFound('there is no Prism on this machine, and no Go to build it');
    if (!result.ok || !(await isExecutable(path.join(building, 'prism')))) {
      throw notFound(`Go could not build ${source}`, result.output);
    }
    await rename(building, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  onProgress(`Prism ${version} is ready`);
}

function notFound(message: string, detail?: string): BeamBridgeError {
  return new BeamBridgeError('ENGINE_NOT_FOUND', message, {
    hint: "Install Go 1.24 or later (https://go.dev/dl), or take the program from Beam's releases on GitHub and set prismBinary to its path.",
    detail: detail || undefined,
  });
}

function say(message: string): void {
  process.stderr.write(`beambridge: ${message}\n`);
}
