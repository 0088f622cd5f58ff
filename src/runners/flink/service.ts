// SPDX-License-Identifier: Apache-2.0
// Beam's job server for Flink as a job service: one for all runs of this program on the same Flink.

import { getLogger } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { getFlinkJobServer } from '../../services/index.ts';
import { engineDied } from '../engine-died.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { attach } from '../portable/attach.ts';
import { ClusterJob } from './cluster-job.ts';
import { appNameOf, artifactsOf, flinkOptions, LOCAL, masterOf } from './options.ts';
import { FlinkRest } from './rest.ts';
import { spreadParts } from './spread-parts.ts';

const log = getLogger('flink');
const NAME = "Flink's job server";
const MEMORY = '; flinkJavaOptions sets how much Java may take';

/**
 * A job server that is up.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `JOB_SERVICE_UNAVAILABLE` where there is no such Flink,
 * `JAVA_NOT_FOUND`, `JAVA_TOO_OLD`, `ENGINE_NOT_FOUND`, `ENGINE_MISMATCH`, `ENGINE_START_FAILED`, `ABORTED`
 */
export async function openService(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal,
): Promise<JobService> {
  const master = masterOf(options);
  const rest = master === LOCAL ? undefined : new FlinkRest(master);
  const server = await getFlinkJobServer({
    master,
    jars: options.flinkJobServer,
    flinkVersion: options.flinkVersion ?? (await rest?.version(signal)),
    beamVersion: options.flinkBeamVersion,
    javaOptions: options.flinkJavaOptions,
    artifacts: artifactsOf(options, rest !== undefined),
    signal,
  });
  const appName = appNameOf(options);
  return attach(pipeline, options, {
    address: server.info,
    name: NAME,
    countsAtEnd: true,
    lost: server.exited.then((exit) => engineDied(NAME, exit, MEMORY)),
    rewrite: (expanded) => {
      if (!pipeline.isStream) spreadParts(expanded);
    },
    withDefaults: (all) => ({ ...flinkOptions(all, pipeline), appName }),
    // A Flink inside the job server ends a job with its cancellation, and has no address.
    ...(rest ? { engine: new ClusterJob(rest, appName, options.flinkSavepoints) } : {}),
    abandon: async () => log.warn(`a cancelled job may still go on on Flink at ${master}`),
  });
}
