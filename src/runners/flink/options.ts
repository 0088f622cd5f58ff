// SPDX-License-Identifier: Apache-2.0
// What Beam's Flink runner must be told so that pipelines do there what they do elsewhere.

import { randomUUID } from 'node:crypto';
import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { urns } from '../../proto/index.ts';
import type { ArtifactFolder } from '../../services/index.ts';
import { type PipelineOptions, runsElsewhere } from '../options.ts';

/** A Flink of one's own, inside the job server. */
export const LOCAL = '[local]';

/** Milliseconds, a dozen days: Flink counts how long a source has given nothing. */
const FOR_EVER = 1_000_000_000;

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
 *   give comes to no other task until then, which is never in a stream. A source that stays idle does not end.
 * - With checkpoints, what a bundle has given so far would come out only with the next one.
 */
export function flinkOptions(options: PipelineOptions, pipeline: Pipeline): PipelineOptions {
  const { checkpointingInterval } = options;
  const hasCheckpoints = typeof checkpointingInterval === 'number' && checkpointingInterval > 0;
  return {
    ...(hasEndlessDoFn(pipeline) ? { shutdownSourcesAfterIdleMs: FOR_EVER } : {}),
    ...(pipeline.isStream && hasCheckpoints ? { finishBundleBeforeCheckpointing: true } : {}),
    ...options,
  };
}

/** Whether a step makes a stream of what has an end; a test stream is a source of Flink's own, and ends. */
function hasEndlessDoFn(pipeline: Pipeline): boolean {
  return pipeline.transforms.some(({ children, external, inputs, outputs, spec }) => {
    if (children.length > 0 || spec?.urn === TEST_STREAM) return false;
    if (![...inputs.values()].every(({ bounded }) => bounded)) return false;
    if (external && pipeline.hasEndlessExpansion) return true;
    return [...outputs.values()].some(({ bounded }) => !bounded);
  });
}

const { TEST_STREAM } = urns.StandardPTransforms_Primitives;
