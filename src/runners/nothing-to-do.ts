// SPDX-License-Identifier: Apache-2.0
// The run of a pipeline to which nothing was applied: done at once, as in Beam's other SDKs.

import { getLogger } from '../base/index.ts';
import { cannot } from './engine-job.ts';
import { MetricResults } from './metrics.ts';
import { PipelineResult } from './result.ts';

/** A run without transforms. It is said aloud, for most such pipelines are mistakes. */
export function nothingToDo(): PipelineResult {
  getLogger('runners').warn(
    'The pipeline has nothing in it: apply a source such as readFromText(…) or create([…]) to the root, and await what you apply with applyAsync.',
  );
  return new PipelineResult({
    jobId: 'nothing-to-do',
    state: 'DONE',
    finished: Promise.resolve('DONE'),
    cancel: async () => 'DONE',
    drain: async () => 'DONE',
    stopWithSavepoint: async () => {
      throw cannot('keep the state of a pipeline that has nothing in it', 'It is done.');
    },
    monitoringInfos: async () => [],
    metrics: async () => new MetricResults([]),
  });
}
