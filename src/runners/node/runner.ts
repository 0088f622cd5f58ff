// SPDX-License-Identifier: Apache-2.0
// The runner that executes in this process, with Python workers beside it where Python is needed.

import type { Pipeline } from '../../pipeline/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import type { PipelineOptions } from '../options.ts';
import type { PipelinePlan } from '../plan.ts';
import type { PipelineResult } from '../result.ts';
import { Runner } from '../runner-base.ts';
import { explainNodeRun } from './explain.ts';
import { startNodeRun } from './run.ts';

/** Runs pipelines in this process: no service, and no Python unless a transform is Python's. */
export class NodeRunner extends Runner {
  protected override start(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ): Promise<PipelineResult> {
    return startNodeRun(pipeline, options, source);
  }

  protected override plan(
    pipeline: Pipeline,
    options: PipelineOptions,
    source: Construct | PipelineDefinition,
  ): PipelinePlan {
    return explainNodeRun(pipeline, options, source);
  }
}
