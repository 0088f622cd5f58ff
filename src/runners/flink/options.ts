// SPDX-License-Identifier: Apache-2.0
// What Beam's Flink runner must be told so that pipelines do there what they do elsewhere.

import { randomUUID } from 'node:crypto';
import { BeamBridgeError } from '../../base/index.ts';
import type { PCollectionNode, Pipeline } from '../../pipeline/index.ts';
import { urns } from '../../proto/index.ts';
import type { ArtifactFolder } from '../../services/index.ts';
import { type PipelineOptions, runsElsewhere, wantsStableInput } from '../options.ts';

/** A Flink of one's own, inside the job server. */
export const LOCAL = '[local]';

/** Milliseconds, a dozen days: Flink counts how long a source has given nothing. */
const FOR_EVER = 1_000_000_000;
/**
 * Beam's Flink runner keeps a step's input stable in buffers that take turns, one more than there may be checkpoints
 * under way. Once they have all had their turn, what comes after a job went back to a checkpoint gets into the buffer
 * of what that checkpoint holds, and is handed out with it before any checkpoint has it (2.70). Each try that came to
 * a checkpoint and failed takes one: so many may fail in a row.
 */
const BUFFERS = 32;
const LEAST_BUFFERS = 4;
/** The mode of Flink in which what comes behind a checkpoint's mark is not in that checkpoint. */
const EXACTLY_ONCE = 'EXACTLY_ONCE';
/** What comes last at a known end should come before the source ends. Milliseconds. */
const MARGIN_MS = 1000;

/** @throws BeamBridgeError `INVALID_ARGUMENT` */
export function masterOf({ flinkMaster = LOCAL }: PipelineOptions): string {
  if (flinkMaster === LOCAL || /^[^\s/:[\]]+:\d{1,5}$/.test(flinkMaster)) return flinkMaster;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `flinkMaster cannot be ${JSON.stringify(flinkMaster)}`,
    { hint: `Give '${LOCAL}', or HOST:PORT of the JobManager's REST: 'localhost:8081'.` },
  );
}

/** Where the job server puts what workers fetch from it. Workers of a cluster may fetch when we are gone. */
export function artifactsOf(options: PipelineOptions, isCluster: boolean): ArtifactFolder {
  if (options.flinkArtifacts) return { folder: options.flinkArtifacts };
  return isCluster && runsElsewhere(options) ? 'while jobs run' : 'while we run';
}

/** An `appName` that no other run has, by which Flink's REST knows this one. */
export function appNameOf({ appName }: PipelineOptions): string {
  return `${typeof appName === 'string' ? appName : 'beambridge'}-${randomUUID()}`;
}

/**
 * The options of a run with Flink's defaults below them, once its pipeline is expanded.
 *
 * - The source that starts all ends at once, and in its end the splittable DoFns behind it run: what they
 *   give comes to no other task until then, which is never in a stream. A source that stays idle does not end,
 *   and neither does its job: so it stays as long as it is known to be needed, or for ever.
 * - With checkpoints, what a bundle has given so far would come out only with the next one.
 * - {@link BUFFERS}.
 */
export function flinkOptions(options: PipelineOptions, pipeline: Pipeline): PipelineOptions {
  const { checkpointingInterval } = options;
  const isKept = keptFor(pipeline);
  const hasCheckpoints = typeof checkpointingInterval === 'number' && checkpointingInterval > 0;
  return {
    ...(isKept === undefined ? {} : { shutdownSourcesAfterIdleMs: isKept }),
    ...(pipeline.isStream && hasCheckpoints ? { finishBundleBeforeCheckpointing: true } : {}),
    ...(wantsStableInput(pipeline) ? { numConcurrentCheckpoints: BUFFERS } : {}),
    ...options,
  };
}

/** How long sources stay, in milliseconds; undefined where no step makes a stream of what has an end. */
function keptFor(pipeline: Pipeline): number | undefined {
  const ends = endlessDoFns(pipeline).map(({ endsAt = Number.POSITIVE_INFINITY }) => endsAt);
  if (ends.length === 0) return undefined;
  const left = Math.max(...ends) - Date.now();
  return Math.min(Math.max(left, 0) + MARGIN_MS, FOR_EVER);
}

/** What steps give that make a stream of what has an end; a test stream is a source of Flink's own, and ends. */
function endlessDoFns(pipeline: Pipeline): PCollectionNode[] {
  return pipeline.transforms.flatMap(({ children, external, inputs, outputs, spec }) => {
    if (children.length > 0 || spec?.urn === TEST_STREAM) return [];
    if (![...inputs.values()].every(({ bounded }) => bounded)) return [];
    if (external && pipeline.hasEndlessExpansion) return [...outputs.values()];
    return [...outputs.values()].filter(({ bounded }) => !bounded);
  });
}

const { TEST_STREAM } = urns.StandardPTransforms_Primitives;

/**
 * Refuses options with which a step's input would not be stable.
 *
 * @throws BeamBridgeError `UNSUPPORTED`
 */
export function checkStableInput(pipeline: Pipeline, options: PipelineOptions): void {
  const step = wantsStableInput(pipeline);
  if (!step) return;
  const {
    numConcurrentCheckpoints: buffers = BUFFERS,
    enableStableInputDrain,
    checkpointingMode = EXACTLY_ONCE,
  } = options;
  if (checkpointingMode !== EXACTLY_ONCE) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `exactlyOnce does not hold with checkpointingMode ${String(checkpointingMode)}`,
      {
        ...step.errorDetails,
        hint: "Leave it out: Flink's checkpoints are EXACTLY_ONCE by themselves.",
      },
    );
  }
  if (!(Number(buffers) >= LEAST_BUFFERS)) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `exactlyOnce does not hold with numConcurrentCheckpoints ${String(buffers)}`,
      { ...step.errorDetails, hint: `Leave it out, or give ${LEAST_BUFFERS} or more.` },
    );
  }
  if (enableStableInputDrain) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      'exactlyOnce does not hold with enableStableInputDrain',
      {
        ...step.errorDetails,
        hint: 'Leave it out: a job is stopped by stopWithSavepoint().',
      },
    );
  }
}
