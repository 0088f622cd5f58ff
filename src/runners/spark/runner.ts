// SPDX-License-Identifier: Apache-2.0
// The runner that executes on Spark, by Beam's job server.

import type { Pipeline } from '../../pipeline/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import type { PipelineOptions } from '../options.ts';
import type { PipelineResult } from '../result.ts';
import { startRun } from '../run.ts';
import { Runner } from '../runner-base.ts';
import { openService } from './service.ts';

/** Runs batches on a Spark of one's own, or on a cluster whose workers reach this machine. */
export class SparkRunner extends Runner {
  protected override readonly startsWorkers = true;

  protected override start(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ): Promise<PipelineResult> {
    return startRun(pipeline, options, openService, source);
  }
}
