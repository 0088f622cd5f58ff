// SPDX-License-Identifier: Apache-2.0
// The managed Python host as a job service. All runs of a program that need the same Python share
// one host, which outlives them so that the next run starts at once.

import { getLogger } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import type { Host } from '../../services/index.ts';
import { expansionResolver, hostFor } from '../expansion-services.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { PythonWorkers } from '../python-workers.ts';

const log = getLogger('direct');

const runs = new WeakMap<Host, number>();

/** A host that has what the pipeline needs: a running one, or a new one. */
export async function openService(
  pipeline: Pipeline,
  options: PipelineOptions,
  signal: AbortSignal,
): Promise<JobService> {
  const host = await hostFor(pipeline, options, signal);
  const count = (change: number) => runs.set(host, (runs.get(host) ?? 0) + change);
  count(1);
  const workers = new PythonWorkers();
  return {
    address: host.address,
    token: host.token,
    name: 'the Python host',
    logs: true,
    lost: Promise.race([host.exited.then(() => host.diedError()), workers.lost]),
    resolveService: expansionResolver(pipeline, options, host),
    // Its runner prefers to run what it expanded inside itself. Other hosts, which have what excludes
    // its packages, start workers for theirs.
    prepare: (expanded) => workers.serveBeside(host, expanded),
    abandon: async () => {
      if ((runs.get(host) ?? 0) > 1) {
        log.warn('a cancelled job goes on inside the Python host, which other jobs still use');
      } else {
        log.info('the Python host is stopped, since a cancelled job goes on in it');
        await host.stop();
      }
    },
    [Symbol.asyncDispose]: async () => {
      count(-1);
      await workers[Symbol.asyncDispose]();
    },
  };
}
