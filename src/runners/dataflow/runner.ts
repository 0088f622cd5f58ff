// SPDX-License-Identifier: Apache-2.0
// The runner that executes on Google Cloud Dataflow, by Beam's own runner of it.

import type { Pipeline } from '../../pipeline/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import { type PipelineOptions, refuseOptionsOfNode } from '../options.ts';
import type { PipelineResult } from '../result.ts';
import { startRun } from '../run.ts';
import { Runner } from '../runner-base.ts';
import { dataflowOptions } from './options.ts';
import { openService } from './service.ts';

/** Submits pipelines to Dataflow, which runs all of their stages in containers. */
export class DataflowRunner extends Runner {
  protected override readonly startsWorkers = true;

  protected override start(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ): Promise<PipelineResult> {
    refuseOptionsOfNode(options, 'dataflow');
    return startRun(pipeline, dataflowOptions(options, pipeline), openService, source);
  }
}
