// SPDX-License-Identifier: Apache-2.0
// A job service that is up, as runs see it: whoever started it, its workers are on this machine.

import type { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import type { pb } from '../../proto/index.ts';
import { expansionResolver } from '../expansion-services.ts';
import type { JobService } from '../job-service.ts';
import type { PipelineOptions } from '../options.ts';
import { PythonWorkers } from '../python-workers.ts';
import { rewriteCombines } from './combines.ts';
import { pythonStarter } from './environment.ts';

/** What is known of a job service. */
export interface Attached {
  readonly address: string;
  /** What it demands of each call. @default nothing */
  readonly token?: string | undefined;
  /** What messages call it. */
  readonly name: string;
  /** Resolves with the reason once it is gone. @default nobody here would know */
  readonly lost?: Promise<BeamBridgeError> | undefined;
  /** As its service has it. @default nothing is known */
  readonly knownReason?: JobService['knownReason'];
  /** Ends a job that did not obey its cancellation. @default there is no way */
  abandon?(): Promise<void>;
  /** As its service has it. @default false */
  readonly countsAtEnd?: boolean;
  /** The job as its engine knows it. @default its service tells all */
  readonly engine?: JobService['engine'];
  /** Changes an expanded pipeline for it. @default not at all */
  rewrite?(expanded: pb.Pipeline): void;
  /** What its engine must be told beside the options of a run, which is submitted. @default nothing */
  withDefaults?: JobService['withDefaults'];
  /** Ends what only one run needed. */
  dispose?(): Promise<unknown>;
}

/** The job service of one run of `pipeline`. */
export function attach(
  pipeline: Pipeline,
  options: PipelineOptions,
  {
    address,
    token,
    name,
    lost,
    knownReason,
    abandon,
    countsAtEnd = false,
    engine,
    rewrite,
    withDefaults,
    dispose,
  }: Attached,
): JobService {
  const workers = new PythonWorkers(pythonStarter(options));
  return {
    address,
    name,
    token,
    logs: false,
    lost: lost ? Promise.race([lost, workers.lost]) : workers.lost,
    resolveService: expansionResolver(pipeline, options),
    prepare: async (expanded) => {
      rewriteCombines(expanded);
      rewrite?.(expanded);
      await workers.serve(expanded);
    },
    abandon: abandon ?? (async () => {}),
    countsAtEnd,
    ...(knownReason ? { knownReason } : {}),
    ...(engine ? { engine } : {}),
    withDefaults: (all) => ({ ...(withDefaults?.(all) ?? all), ...workers.options }),
    [Symbol.asyncDispose]: async () => {
      await workers[Symbol.asyncDispose]();
      await dispose?.();
    },
  };
}
