// SPDX-License-Identifier: Apache-2.0
// One worker process from its start to its end: what `beambridge worker` does.

import { pathToFileURL } from 'node:url';
import { BeamBridgeError, getLogger, keepSteady } from '../base/index.ts';
import { LoggingChannel } from '../harness/index.ts';
import { programOf, type WorkerProgram } from './contract.ts';
import { loadProgram } from './load.ts';
import { installProgram } from './package/install.ts';
import { type Provision, provision, type WorkerFlags } from './provision.ts';
import { refuseWork } from './refuse.ts';
import { retrieveProgram } from './retrieve.ts';

const log = getLogger('worker');

/** How long a runner's services may take to answer. Milliseconds. */
const START_TIMEOUT_MS = 60_000;

/** How {@link runWorker} runs. */
export interface WorkerOptions extends WorkerFlags {
  /** Ends the worker. */
  readonly signal: AbortSignal;
  /** Milliseconds for the provision service, and for the artifacts. @default 60000 */
  readonly startTimeoutMs?: number | undefined;
}

/**
 * Loads the program that the runner names and serves its pipeline. Resolves once the runner has hung up.
 *
 * @throws BeamBridgeError `WORKER_START_FAILED`, `WORKER_MISMATCH`, `ARTIFACT_DAMAGED`,
 * `PROGRAM_NOT_INSTALLED`; what the program threw
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { signal, startTimeoutMs = START_TIMEOUT_MS } = options;
  const told = await provision(options, startTimeoutMs, signal);
  const release = keepSteady();
  try {
    const program = programOf(told.options);
    const moduleUrl = await locate(program, told, signal, startTimeoutMs);
    log.info(`${options.id} loads ${moduleUrl}`);
    enter(program, moduleUrl);
    const serve = await loadProgram({ moduleUrl, exportName: program.exportName });
    const { workerIds, controlUrl, loggingUrl } = told;
    await serve({ program, workerIds, controlUrl, loggingUrl, signal });
  } catch (error) {
    await tell(options.id, told.loggingUrl, error);
    if (!signal.aborted) await refuseWork(told, error, signal);
    throw error;
  } finally {
    release();
  }
}

async function locate(
  { bundle, packed, moduleUrl }: WorkerProgram,
  { staged }: Provision,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<string> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  if (packed) {
    const tarball = await retrieveProgram(packed, staged, limited, 'tgz');
    return pathToFileURL(await installProgram(tarball, packed, signal)).href;
  }
  return bundle ? pathToFileURL(await retrieveProgram(bundle, staged, limited)).href : moduleUrl;
}

/** Makes this process look to the program as the one did from which it was submitted. */
function enter({ argv, cwd }: WorkerProgram, moduleUrl: string): void {
  // Where the program's own lines are in a bundle is for its errors to tell.
  process.setSourceMapsEnabled(true);
  process.argv = [process.execPath, new URL(moduleUrl).pathname, ...argv];
  try {
    process.chdir(cwd);
  } catch {
    log.info(`there is no folder ${cwd} here: relative paths are those of ${process.cwd()}`);
  }
}

/** Tells the runner why this worker does not serve: its log may be all that anybody can see. */
async function tell(id: string, loggingUrl: string | undefined, error: unknown): Promise<void> {
  if (!loggingUrl) return;
  const channel = new LoggingChannel(loggingUrl, { worker_id: id });
  channel.send({ level: 'error', name: 'worker', message: BeamBridgeError.from(error).message });
  await channel.close();
}
