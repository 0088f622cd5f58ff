// SPDX-License-Identifier: Apache-2.0
// One host per Python environment and program, started when first needed and shared from then on.

import { BeamBridgeError, getLogger } from '../../base/index.ts';
import {
  type EnvironmentOptions,
  ensurePythonEnvironment,
  type PythonEnvironment,
} from '../python/environment.ts';
import { useGivenPython } from '../python/given.ts';
import { collectRequirements } from '../python/requirements.ts';
import { findDetachedHost } from './detached.ts';
import { type Host, startHost } from './host.ts';
import { preloadFor } from './preload.ts';

const log = getLogger('host');

/** What a host must have, and who waits for it. */
export interface HostRequest extends Omit<EnvironmentOptions, 'verify'> {
  /** Path of a Python to use as it is instead of a managed one. @default none */
  python?: string;
  /** Called once the host's process runs, though it may not be ready for a second or more. */
  onSpawn?: (() => void) | undefined;
}

/** Starts under way and hosts that run, by environment key. */
const hosts = new Map<string, Promise<Host>>();

/**
 * A Python host with the given extras and packages: one that this program already runs, else one that
 * `beambridge host start` keeps warm, else a new one. It ends with the program and need not be
 * stopped. A host that died is replaced by the next call.
 *
 * @example
 * ```ts
 * const { address, token } = await getHost({ extras: ['sklearn'] });
 * ```
 *
 * @throws BeamBridgeError `HOST_START_FAILED`, `ABORTED`, and the codes of `ensurePythonEnvironment`
 */
export async function getHost(request: HostRequest = {}): Promise<Host> {
  const { signal, python } = request;
  const environment = python
    ? await given(python, request)
    : await ensurePythonEnvironment(request);
  const existing = hosts.get(environment.key);
  if (existing) {
    request.onSpawn?.();
    const host = await unlessAborted(existing, signal).catch((error: unknown) => {
      // The start that we joined failed for its own caller's reasons: try ours.
      if (signal?.aborted) throw error;
      return undefined;
    });
    if (host?.alive) return host;
    if (hosts.get(environment.key) === existing) hosts.delete(environment.key);
    return getHost(request);
  }
  const starting = openHost(environment, request);
  hosts.set(environment.key, starting);
  starting.catch(() => {
    if (hosts.get(environment.key) === starting) hosts.delete(environment.key);
  });
  return unlessAborted(starting, signal);
}

/** Checks of a Python that the program names, by what is asked of it: each takes a second. */
const checks = new Map<string, Promise<PythonEnvironment>>();

function given(python: string, request: HostRequest): Promise<PythonEnvironment> {
  const { extras = [], packages = [], signal } = request;
  const key = JSON.stringify([python, process.cwd(), [...extras].sort(), [...packages].sort()]);
  const before = checks.get(key);
  if (before) return before;
  const check = collectRequirements(extras, packages).then((requirements) =>
    useGivenPython(python, requirements, { named: 'the option `python`', signal }),
  );
  checks.set(key, check);
  // One that failed is tried again: what was missing may have been installed.
  check.catch(() => checks.delete(key));
  return check;
}

/** What a host was asked for. */
const requests = new WeakMap<Host, HostRequest>();

/**
 * A host with all that another one has, which is gone.
 *
 * @throws BeamBridgeError as {@link getHost}
 */
export function getHostLike(gone: Host, signal?: AbortSignal): Promise<Host> {
  const { onSpawn: _, signal: __, beforeBuild: ___, ...needs } = requests.get(gone) ?? {};
  return getHost({ ...needs, signal });
}

async function openHost(environment: PythonEnvironment, request: HostRequest): Promise<Host> {
  const host = await findOrStart(environment, request);
  requests.set(host, request);
  return host;
}

async function findOrStart(environment: PythonEnvironment, request: HostRequest): Promise<Host> {
  const warm = await findDetachedHost(environment.key);
  if (warm) {
    log.debug(`using the warm host ${warm.pid} at ${warm.address}`);
    return warm;
  }
  // Not with the caller's signal: others may have joined by the time that it fires.
  const start = (): Promise<Host> =>
    startHost({
      python: environment.python,
      environment: environment.key,
      preload: preloadFor(request.extras ?? []),
      onSpawn: request.onSpawn,
    });
  try {
    return await start();
  } catch (error) {
    if (!environment.managed || !isDamage(BeamBridgeError.from(error))) throw error;
    // Perhaps the environment broke in a way that a look at its files does not show.
    log.info(`the host did not start, checking its Python environment: ${String(error)}`);
    const { rebuilt } = await repair(request);
    if (!rebuilt) throw error;
    return start();
  }
}

/** Not a signal, a timeout or a lack of memory: they say nothing about the environment, which others use. */
function isDamage({ code, detail = '' }: BeamBridgeError): boolean {
  return code === 'HOST_START_FAILED' && /^(ImportError|ModuleNotFoundError)\b/m.test(detail);
}

async function repair(request: HostRequest): Promise<{ rebuilt: boolean }> {
  let rebuilt = false;
  await ensurePythonEnvironment({
    ...request,
    verify: true,
    onProgress: (progress) => {
      if (progress.phase === 'ready') rebuilt = true;
      if (request.onProgress) request.onProgress(progress);
      else if (progress.phase === 'building') {
        process.stderr.write('beambridge: the Python environment is broken and is built anew…\n');
      }
    },
  });
  return { rebuilt };
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const over = new AbortController();
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        const abort = () =>
          reject(new BeamBridgeError('ABORTED', 'waiting for the Python host was cancelled'));
        if (signal.aborted) abort();
        else signal.addEventListener('abort', abort, { signal: over.signal });
      }),
    ]);
  } finally {
    over.abort();
  }
}

/** The hosts that this program uses, warm ones among them. */
export async function runningHosts(): Promise<Host[]> {
  const started = await Promise.allSettled(hosts.values());
  return started.flatMap((each) =>
    each.status === 'fulfilled' && each.value.alive ? [each.value] : [],
  );
}

/** Stops every host that this program started. Hosts that are kept warm live on. */
export async function stopHosts(): Promise<void> {
  const running = [...hosts.values()];
  hosts.clear();
  await Promise.allSettled(running.map(async (host) => (await host)[Symbol.asyncDispose]()));
}
