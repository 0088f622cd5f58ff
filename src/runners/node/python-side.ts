// SPDX-License-Identifier: Apache-2.0
// What the node runner needs of Python for one run: a host that expands transforms, and workers that
// execute what came of them.

import { BeamBridgeError } from '../../base/index.ts';
import { chooseEnvironments, type Kept } from '../../external/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { create, pb, toBinary, urns } from '../../proto/index.ts';
import { getHostLike, type Host } from '../../services/index.ts';
import { hostFor } from '../expansion-services.ts';
import { jobFailure, placeOf } from '../failure.ts';
import type { PipelineOptions } from '../options.ts';
import type { StageExecutor } from './engine/executor.ts';
import { isWorkerOrHostLost, PythonExecutor } from './python/index.ts';

/** Python, for one run. Disposing of it ends its workers; the host outlives it. */
export interface PythonSide extends AsyncDisposable {
  /** The managed host; undefined where somebody else's service expands everything. */
  readonly host: Host | undefined;
  /** Resolves with the reason once a host is gone for good. */
  readonly lost: Promise<BeamBridgeError>;
  /** Gives an expanded pipeline environments that can be used here, and starts their workers. */
  serve(message: pb.Pipeline): void;
  executor(environment: pb.Environment): StageExecutor;
}

/** How {@link openPython} is asked. */
export interface OpenPython {
  readonly signal: AbortSignal;
  /** Hears that nothing is left to do here but to wait for other processes. */
  readonly onSpawn: () => void;
  /** As what workers may be known again. */
  readonly kept: Kept | undefined;
}

/**
 * Starts what is needed.
 *
 * @throws BeamBridgeError `PYTHON_NOT_FOUND`, `HOST_START_FAILED`, …
 */
export async function openPython(
  pipeline: Pipeline,
  options: PipelineOptions,
  { signal, onSpawn, kept }: OpenPython,
): Promise<PythonSide> {
  const isOurs = pipeline.transforms.some(
    ({ external }) => external?.service.kind === 'python' && !options.expansionService,
  );
  const workers = options.pythonWorkers ?? 1;
  let message: pb.Pipeline | undefined;
  let markSpawned: () => void = () => {};
  const spawned = new Promise<void>((resolve) => {
    markSpawned = resolve;
  });
  const hosting = isOurs ? hostFor(pipeline, options, signal, markSpawned) : undefined;
  // Its imports go on while gRPC is loaded here.
  if (hosting) await Promise.race([spawned, hosting]);
  hosting?.catch(() => {});
  const python = await PythonExecutor.start({
    workers,
    signal,
    keep: kept?.metadata,
    foreignStartMs: positive(options.workerStartTimeoutMs),
    // What a host expands is lost with it; what was expanded any other can run.
    replaceHost: (gone, ending) => (message ? getHostLike(gone, ending) : undefined),
    describeFailure: (text, working) =>
      jobFailure({
        failures: { find: () => undefined, list: () => [] },
        messages: [text],
        pipeline,
        proto: message!,
        working,
      }),
    whereLost: (working) => placeOf(working, pipeline, message),
  });
  onSpawn();
  const host = await hosting?.catch(async (error: unknown) => {
    await python[Symbol.asyncDispose]();
    throw error;
  });
  // It connects while the host expands.
  if (host) python.warmUp(poolOf(host));
  return {
    host,
    lost: python.lost,
    serve: (expanded) => {
      message = expanded;
      chooseEnvironments(expanded);
      for (const environment of Object.values(expanded.components?.environments ?? {})) {
        if (environment.urn === EXTERNAL) python.warmUp(environment);
      }
    },
    executor: (environment) => ({
      inProcess: false,
      canRetry: true,
      workers,
      ready: (signal) => python.ready(environment, signal),
      start: (descriptor, io) => python.start(environment, descriptor, io),
      mayRetry: isWorkerOrHostLost,
    }),
    [Symbol.asyncDispose]: () => python[Symbol.asyncDispose](),
  };
}

function positive(ms: number | undefined): number | undefined {
  if (ms === undefined || (typeof ms === 'number' && ms > 0)) return ms;
  throw new BeamBridgeError('INVALID_ARGUMENT', `workerStartTimeoutMs cannot be ${String(ms)}`, {
    hint: 'Give milliseconds, more than 0.',
  });
}

/** The environment of whatever a host expands. */
function poolOf({ pool }: Host): pb.Environment {
  const payload = create(pb.ExternalPayloadSchema, { endpoint: { url: pool } });
  return create(pb.EnvironmentSchema, {
    urn: EXTERNAL,
    payload: toBinary(pb.ExternalPayloadSchema, payload),
  });
}

const { EXTERNAL } = urns.StandardEnvironments_Environments;
