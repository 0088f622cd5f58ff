// SPDX-License-Identifier: Apache-2.0
// Prism as a job service: a process for each run. It starts in milliseconds, and one that a pipeline
// brought down takes no other along.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { type ServiceExit, startPrism } from '../../services/index.ts';
import { engineDied } from '../engine-died.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { attach } from '../portable/attach.ts';
import { isRefusal, REFUSAL_HINT } from '../refusals.ts';

/** How long a Prism may take to end itself whose job did not. Milliseconds. */
const ABANDONED_MS = 500;
/** So long after a worker has failed its job may still end by itself, with a better reason. Milliseconds. */
const FAILING_MS = 2_000;

/**
 * A Prism for one run.
 *
 * @throws BeamBridgeError `ENGINE_NOT_FOUND`, `ENGINE_START_FAILED`, `ABORTED`
 */
export async function openService(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal,
): Promise<JobService> {
  let reason: BeamBridgeError | undefined;
  let lose: (error: BeamBridgeError) => void = () => {};
  const workerIsLost = new Promise<BeamBridgeError>((resolve) => {
    lose = resolve;
  });
  const prism = await startPrism({
    binary: options.prismBinary,
    version: options.prismVersion,
    onWorkerLost: (said, output) => {
      const error = workerLost(said, output);
      reason ??= error;
      setTimeout(() => lose(error), FAILING_MS).unref();
    },
    signal,
  });
  return attach(pipeline, options, {
    address: prism.info,
    name: 'Prism',
    lost: Promise.race([prism.exited.then(diedOf), workerIsLost]),
    knownReason: () => reason,
    abandon: async () => void (await prism.stop(ABANDONED_MS)),
    dispose: () => prism.stop(ABANDONED_MS),
  });
}

/** Prism lets the job of a worker that does not start wait for ever. */
function workerLost(reason: string, output: string): BeamBridgeError {
  return new BeamBridgeError(
    'WORKER_START_FAILED',
    `a worker that Prism started is gone: ${reason}`,
    {
      hint: 'Look at environmentConfig: its command must be there, and end with status 0 alone.',
      detail: output || undefined,
    },
  );
}

/** Why Prism is gone; it panics at some of what it lacks. */
function diedOf(exit: ServiceExit): BeamBridgeError {
  const { stderr } = exit;
  const panic = /^panic: (.*)$/m.exec(stderr)?.[1];
  if (panic && isRefusal(panic)) {
    return new BeamBridgeError('UNSUPPORTED', `Prism cannot run this job: ${panic}`, {
      hint: REFUSAL_HINT,
      detail: stderr,
    });
  }
  return engineDied('Prism', exit, '', panic ? `panic: ${panic}\n${stderr}` : stderr);
}
