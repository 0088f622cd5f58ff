// SPDX-License-Identifier: Apache-2.0
// The runner that executes on Flink, by Beam's job server.

import type { Pipeline } from '../../pipeline/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import type { PipelineOptions } from '../options.ts';
import type { PipelineResult } from '../result.ts';
import { startRun } from '../run.ts';
import { Runner } from '../runner-base.ts';
import { checkStableInput } from './options.ts';
import { openService } from './service.ts';

/** Runs pipelines on a Flink of one's own, or on a cluster whose workers reach this machine. */
export class FlinkRunner extends Runner {
  protected override readonly startsWorkers = true;

  protected override async start(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ): Promise<PipelineResult> {
    checkStableInput(pipeline, options);
    if (options.savepointPath === undefined) {
      for (const check of pipeline.freshChecks) await check();
    }
    return startRun(pipeline, options, openService, source);
  }
}
