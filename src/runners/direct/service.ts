// SPDX-License-Identifier: Apache-2.0
// The managed Python host as a job service. All runs of a program that need the same Python share
// one host, which outlives them so that the next run starts at once.

import { type BeamBridgeError, getLogger } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { type Host, onHostExit } from '../../services/index.ts';
import { expansionResolver, hostFor } from '../expansion-services.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { PythonWorkers } from '../python-workers.ts';

const log = getLogger('direct');

/** How long a host may take to end itself whose job did not. Milliseconds. */
const ABANDONED_MS = 500;

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
  let lose: (reason: BeamBridgeError) => void = () => {};
  const lost = new Promise<BeamBridgeError>((resolve) => {
    lose = resolve;
  });
  const forget = onHostExit(host, () => lose(host.diedError()));
  void workers.lost.then(lose);
  return {
    address: host.address,
    token: host.token,
    name: 'the Python host',
    logs: true,
    lost,
    resolveService: expansionResolver(pipeline, options, host),
    // Its runner prefers to run what it expanded inside itself. Other hosts, which have what excludes
    // its packages, start workers for theirs.
    prepare: (expanded) => workers.serveBeside(host, expanded),
    abandon: async () => {
      if (!host.isOwn || (runs.get(host) ?? 0) > 1) {
        // What it goes on with counts for nothing, and ends at the next line of Python that it comes to.
        log.warn('a cancelled job goes on inside the Python host, which others use as well');
      } else {
        log.info('the Python host is stopped, since a cancelled job goes on in it');
        await host.stop(ABANDONED_MS);
      }
    },
    [Symbol.asyncDispose]: async () => {
      count(-1);
      forget();
      await workers[Symbol.asyncDispose]();
    },
  };
}
