// SPDX-License-Identifier: Apache-2.0
// The runner for job services that somebody else runs.

import type { Pipeline } from '../../pipeline/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import { type PipelineOptions, refuseOptionsOfNode } from '../options.ts';
import type { PipelineResult } from '../result.ts';
import { startRun } from '../run.ts';
import { Runner } from '../runner-base.ts';
import { openService } from './service.ts';

/** Submits pipelines to the job service at the option `jobEndpoint`. */
export class PortableRunner extends Runner {
  /** @param options - options of every run, or the `HOST:PORT` of the job service alone */
  constructor(options: PipelineOptions | string = {}) {
    super(typeof options === 'string' ? { jobEndpoint: options } : options);
  }

  protected override readonly startsWorkers = true;

  protected override start(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ): Promise<PipelineResult> {
    refuseOptionsOfNode(options, 'portable');
    return startRun(pipeline, options, openService, source);
  }
}
