// SPDX-License-Identifier: Apache-2.0
// Dataflow as a job service: a process for each run, which submits and looks. The job goes on without it.

import { BeamBridgeError, getLogger } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { type pb, urns } from '../../proto/index.ts';
import { type ServiceExit, startDataflow } from '../../services/index.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { attach } from '../portable/attach.ts';

const log = getLogger('dataflow');

/**
 * A job service for one run.
 *
 * @throws BeamBridgeError `ENGINE_START_FAILED`, `ABORTED`, and what a Python environment may fail with
 */
export async function openService(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal,
): Promise<JobService> {
  const { service, token } = await startDataflow({ python: options.python, signal });
  const attached = attach(pipeline, options, {
    address: service.info,
    token,
    name: "Dataflow's job service",
    lost: service.exited.then(diedOf),
    abandon: async () => log.warn('Dataflow was told to cancel the job, which takes it minutes'),
    dispose: () => service.stop(),
  });
  return {
    ...attached,
    prepare: async (expanded) => {
      await attached.prepare(expanded);
      refuseOthers(expanded);
    },
  };
}

/** Beam's runner would say that of an environment only, and not whose it is. */
function refuseOthers({ components }: pb.Pipeline): void {
  const { transforms = {}, environments = {} } = components ?? {};
  for (const { uniqueName, environmentId } of Object.values(transforms)) {
    const urn = environments[environmentId]?.urn;
    if (urn === undefined || urn === urns.StandardEnvironments_Environments.DOCKER) continue;
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `Dataflow runs containers alone, and ${uniqueName} has workers of ${urn}`,
      {
        transform: uniqueName,
        hint: 'Its expansion service must give it an environment of docker.',
      },
    );
  }
}

function diedOf({ code, signal, stderr }: ServiceExit): BeamBridgeError {
  const how = signal ? `ended by ${signal}` : `ended with status ${code ?? 'unknown'}`;
  return new BeamBridgeError(
    'ENGINE_DIED',
    `Dataflow's job service was ${how} while it looked at a job`,
    {
      hint: 'A job that Dataflow has goes on; its console shows it. The last words of the service are below.',
      detail: stderr || undefined,
    },
  );
}
