// SPDX-License-Identifier: Apache-2.0
// What Beam's Flink runner must be told so that pipelines do there what they do elsewhere.

import { randomUUID } from 'node:crypto';
import { BeamBridgeError } from '../../base/index.ts';
import type { PipelineOptions } from '../options.ts';

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

/**
 * The options of a run with Flink's defaults below them.
 *
 * - Of a stream, the source that starts all ends at once, and in its end the splittable DoFns behind it run:
 *   what they give comes to no other task until then, which is never. A source that stays idle does not end.
 * - With checkpoints, what a bundle has given so far would come out only with the next one.
 *
 * Each run has an `appName` of its own, by which Flink's REST knows it.
 */
export function flinkOptions(options: PipelineOptions, isStream: boolean): PipelineOptions {
  const { appName, checkpointingInterval } = options;
  const hasCheckpoints = typeof checkpointingInterval === 'number' && checkpointingInterval > 0;
  return {
    ...(isStream ? { shutdownSourcesAfterIdleMs: FOR_EVER } : {}),
    ...(isStream && hasCheckpoints ? { finishBundleBeforeCheckpointing: true } : {}),
    ...options,
    appName: `${typeof appName === 'string' ? appName : 'beambridge'}-${randomUUID()}`,
  };
}
