// SPDX-License-Identifier: Apache-2.0
// What a runner tells a worker that it started: Beam's ProvisionInfo. Older runners say some of it by flags.

import { BeamBridgeError } from '../base/index.ts';
import { createClient, fn } from '../proto/index.ts';
import type { Staged } from './retrieve.ts';

/** How a runner, or a pool, starts a worker: the flags of Beam's container contract. */
export interface WorkerFlags {
  readonly id: string;
  readonly provisionEndpoint: string | undefined;
  /** Of older runners; what the provision service says counts more. */
  readonly controlEndpoint?: string | undefined;
  readonly loggingEndpoint?: string | undefined;
  readonly artifactEndpoint?: string | undefined;
}

/** What a worker knows of its runner. */
export interface Provision {
  readonly workerIds: readonly string[];
  readonly controlUrl: string;
  readonly loggingUrl: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly staged: Staged;
}

/**
 * Asks the provision service, for as long as `timeoutMs` at most.
 *
 * @throws BeamBridgeError `WORKER_START_FAILED`, also when the signal ends it
 */
export async function provision(
  flags: WorkerFlags,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Provision> {
  const { id, provisionEndpoint } = flags;
  if (!id)
    throw startError(
      'it was given no id',
      'A runner starts it with --id and --provision_endpoint.',
    );
  if (!provisionEndpoint) {
    throw startError(
      'it was given no provision endpoint',
      'A runner starts it with --id and --provision_endpoint=HOST:PORT.',
    );
  }
  const { info } = await ask(id, provisionEndpoint, timeoutMs, signal);
  const controlUrl = info?.controlEndpoint?.url || flags.controlEndpoint;
  if (!info || !controlUrl) {
    throw startError(
      `${provisionEndpoint} named no control service`,
      'It must be the provision service of a Beam runner.',
    );
  }
  return {
    workerIds: [...new Set([id, ...info.siblingWorkerIds])],
    controlUrl,
    loggingUrl: info.loggingEndpoint?.url || flags.loggingEndpoint,
    options: info.pipelineOptions ?? {},
    staged: {
      endpoint: info.artifactEndpoint?.url || flags.artifactEndpoint,
      dependencies: info.dependencies,
      retrievalToken: info.retrievalToken,
      workerId: id,
    },
  };
}

async function ask(id: string, endpoint: string, timeoutMs: number, signal: AbortSignal) {
  const client = createClient(fn.ProvisionService, endpoint, { metadata: { worker_id: id } });
  const until = performance.now() + timeoutMs;
  try {
    // A connection that is refused is tried again: a runner's services may come up after its workers.
    await unlessEnded(client.ready(timeoutMs), signal);
    const call = client.getProvisionInfo(
      {},
      { timeoutMs: Math.max(until - performance.now(), 1), signal },
    );
    return await call;
  } catch (cause) {
    if (signal.aborted) throw startError('it was told to end', 'Nothing is to be done.', cause);
    throw startError(
      `the provision service at ${endpoint} did not answer within ${timeoutMs / 1000} s`,
      'Its address must be one that this machine can reach.',
      cause,
    );
  } finally {
    client.close();
  }
}

/** A container that is told to stop has a few seconds. */
async function unlessEnded(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let end!: () => void;
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
  });
  work.catch(() => {});
  try {
    await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function startError(why: string, hint: string, cause?: unknown): BeamBridgeError {
  return new BeamBridgeError('WORKER_START_FAILED', `this worker cannot start: ${why}`, {
    hint,
    cause,
  });
}
