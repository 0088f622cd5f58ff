// SPDX-License-Identifier: Apache-2.0
// The runner that executes on Python's DirectRunner, inside the managed Python host.

import type { Pipeline } from '../../pipeline/index.ts';
import type { PipelineOptions } from '../options.ts';
import type { PipelineResult } from '../result.ts';
import { startRun } from '../run.ts';
import { Runner } from '../runner-base.ts';
import { openService } from './service.ts';

/** Runs pipelines on this machine: Python stages in the host, TypeScript stages in this process. */
export class DirectRunner extends Runner {
  protected override start(pipeline: Pipeline, options: PipelineOptions): Promise<PipelineResult> {
    return startRun(pipeline, options, openService);
  }
}
