// SPDX-License-Identifier: Apache-2.0
// What the runner spark reads of the options of a run, and what it does not run.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import type { PipelineOptions } from '../options.ts';

/** A Spark of one's own, inside the job server, with a task for each core. */
export const LOCAL = 'local[*]';

/** @throws BeamBridgeError `INVALID_ARGUMENT` */
export function masterOf({ sparkMaster = LOCAL }: PipelineOptions): string {
  if (/^local(\[(\d+|\*)(,\d+)?\])?$|^(spark|mesos|k8s):\/\/\S+$|^yarn$/.test(sparkMaster)) {
    return sparkMaster;
  }
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `sparkMaster cannot be ${JSON.stringify(sparkMaster)}`,
    { hint: `Give '${LOCAL}', 'local[2]', or the master of a cluster: 'spark://localhost:7077'.` },
  );
}

/**
 * Beam's Spark runner has no timers that look at a clock and no state in a stream: what it gives of one is
 * not what the pipeline says.
 *
 * @throws BeamBridgeError `UNSUPPORTED`
 */
export function refuseStreams(pipeline: Pipeline): void {
  if (!pipeline.isStream) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    "the runner 'spark' runs batches, and this is a stream",
    {
      hint: "Use runner: 'flink', 'prism' or 'node', or give its sources an end.",
    },
  );
}
