// SPDX-License-Identifier: Apache-2.0
// A pipeline served in a worker: constructed once more, compared with what was submitted, and run bundle
// by bundle until the runner hangs up.

import { BeamBridgeError, packageVersion } from '../base/index.ts';
import { SdkWorker } from '../harness/index.ts';
import { firstDifference, graphDigest, type Pipeline } from '../pipeline/index.ts';
import { optionsFromText, type WorkerProgram } from './contract.ts';

/** The method by which a worker has a definition served. Programs and workers may have copies of their own. */
export const SERVE: unique symbol = Symbol.for('beambridge.serve') as never;

/** What a worker asks of a definition: plain data, since it may come from another copy of this package. */
export interface ServeRequest {
  readonly program: WorkerProgram;
  /** The worker's own id, and those of its siblings: each is a worker to the runner. */
  readonly workerIds: readonly string[];
  readonly controlUrl: string;
  readonly loggingUrl: string | undefined;
  /** Ends the workers. */
  readonly signal: AbortSignal;
}

/** Resolves when all connections to the runner are gone. */
export type Serve = (request: ServeRequest) => Promise<void>;

/**
 * Serves what `construct` applies.
 *
 * @throws BeamBridgeError `WORKER_MISMATCH`; `WORKER_START_FAILED` when the runner cannot be reached; why
 * the pipeline could not be constructed
 */
export async function serve(
  { program, workerIds, controlUrl, loggingUrl, signal }: ServeRequest,
  construct: (options: Record<string, unknown>) => Promise<Pipeline>,
): Promise<void> {
  checkVersion(program);
  const pipeline = await construct(optionsFromText(program.options));
  compare(program, pipeline);
  pipeline.runMark = program.runMark;
  if (signal.aborted) return;
  const { functions } = pipeline;
  const workers = workerIds.map(
    (workerId) => new SdkWorker({ workerId, controlUrl, loggingUrl, functions }),
  );
  const end = () => {
    for (const worker of workers) void worker.close();
  };
  signal.addEventListener('abort', end, { once: true });
  await Promise.all(workers.map(({ ended }) => ended));
  signal.removeEventListener('abort', end);
  const lost = workers.map(({ neverConnected }) => neverConnected).find((error) => error);
  if (!lost) return;
  throw new BeamBridgeError(
    'WORKER_START_FAILED',
    `the runner's control service at ${controlUrl} cannot be reached`,
    { cause: lost, hint: 'Its address must be one that this machine can reach.' },
  );
}

function checkVersion({ version, bundle, packed, moduleUrl }: WorkerProgram): void {
  const own = packageVersion();
  if (version === own) return;
  throw new BeamBridgeError(
    'WORKER_MISMATCH',
    `the pipeline was submitted with beambridge ${version}, and ${(packed ?? bundle)?.name ?? moduleUrl} has ${own} here`,
    {
      hint: packed
        ? `Name the exact version in its dependencies, or give the package a lock file: npm install --save-exact beambridge@${version}`
        : 'Install the same version in both places, or let the program travel as a bundle, which brings its own.',
    },
  );
}

/** @throws BeamBridgeError `WORKER_MISMATCH` for a pipeline that is not the one which was submitted */
export function compare(
  { digest, exportName }: Pick<WorkerProgram, 'digest' | 'exportName'>,
  pipeline: Pipeline,
): void {
  const difference = firstDifference(digest, graphDigest(pipeline));
  if (!difference) return;
  const { transform, what } = difference;
  const { appliedAt } = pipeline.transforms.find(({ name }) => name === transform) ?? {};
  throw new BeamBridgeError(
    'WORKER_MISMATCH',
    `the pipeline ${exportName} came out different in this worker: ${transform} ${what}`,
    {
      transform,
      appliedAt,
      hint: "Construct it from its options and constants alone, not from the clock, random numbers, environment variables, files or their folders, which differ from machine to machine: what differs belongs into the options of the run, or into a function, as in create(['a.csv']).map((name) => join(import.meta.dirname, name)).",
    },
  );
}
