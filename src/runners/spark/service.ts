// SPDX-License-Identifier: Apache-2.0
// Beam's job server for Spark as a job service: one for all runs of this program on the same Spark.

import { getLogger } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { getSparkJobServer } from '../../services/index.ts';
import { engineDied } from '../engine-died.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { attach } from '../portable/attach.ts';
import { masterOf, refuseStreams } from './options.ts';
import { keepWhole } from './whole-parts.ts';

const log = getLogger('spark');
const NAME = "Spark's job server";
const MEMORY = '; sparkJavaOptions sets how much Java may take';

/**
 * A job server that is up.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `UNSUPPORTED` for a stream, `JAVA_NOT_FOUND`, `JAVA_TOO_OLD`,
 * `ENGINE_NOT_FOUND`, `ENGINE_MISMATCH`, `ENGINE_START_FAILED`, `ABORTED`
 */
export async function openService(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal,
): Promise<JobService> {
  const master = masterOf(options);
  refuseStreams(pipeline);
  const server = await getSparkJobServer({
    master,
    jars: options.sparkJobServer,
    beamVersion: options.sparkBeamVersion,
    javaOptions: options.sparkJavaOptions,
    signal,
  });
  return attach(pipeline, options, {
    address: server.info,
    name: NAME,
    lost: server.exited.then((exit) => engineDied(NAME, exit, MEMORY)),
    rewrite: keepWhole,
    withDefaults: (all) => {
      // What an expansion made endless is known only now.
      refuseStreams(pipeline);
      return all;
    },
    abandon: async () => log.warn(`a cancelled job may still go on on Spark at ${master}`),
  });
}
