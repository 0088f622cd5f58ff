// SPDX-License-Identifier: Apache-2.0
// The runner that executes on Python's DirectRunner, inside the managed Python host.

import { BeamBridgeError, getLogger } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { urns } from '../../proto/index.ts';
import { isPortable } from '../../schema/index.ts';
import { type PipelineOptions, refuseOptionsOfNode } from '../options.ts';
import type { PipelineResult } from '../result.ts';
import { startRun } from '../run.ts';
import { Runner } from '../runner-base.ts';
import { openService } from './service.ts';

const log = getLogger('direct');

/** Runs pipelines on this machine: Python stages in the host, TypeScript stages in this process. */
export class DirectRunner extends Runner {
  protected override start(pipeline: Pipeline, options: PipelineOptions): Promise<PipelineResult> {
    refuseOptionsOfNode(options, 'direct');
    refuseTestStream(pipeline);
    refuseOwnWindows(pipeline);
    warnOfGroupsInStreams(pipeline);
    return startRun(pipeline, options, openService);
  }
}

/** Beam's runner would fail on it with a bare KeyError. */
function refuseTestStream(pipeline: Pipeline): void {
  const node = pipeline.transforms.find(
    ({ spec }) => spec?.urn === urns.StandardPTransforms_Primitives.TEST_STREAM,
  );
  if (!node) return;
  throw new BeamBridgeError('UNSUPPORTED', "the runner 'direct' plays no test streams", {
    ...node.errorDetails,
    hint: "It has no clock and no watermark: use runner: 'node'.",
  });
}

/** Python groups by windows, so it must read them; of a coder that it lacks it would say a bare KeyError. */
function refuseOwnWindows(pipeline: Pipeline): void {
  for (const node of pipeline.transforms) {
    for (const { windowing } of node.outputs.values()) {
      const coder = windowing.windowFn.windowCoder();
      if (isPortable(coder)) continue;
      throw new BeamBridgeError(
        'UNSUPPORTED',
        `the runner 'direct' cannot read windows of coder ${coder.name}, which only TypeScript knows`,
        {
          ...node.errorDetails,
          hint: "Let windowCoder() of the window function return an IntervalWindowCoder, and its windows be IntervalWindows, or use runner: 'node'.",
        },
      );
    }
  }
}

const { GROUP_BY_KEY } = urns.StandardPTransforms_Primitives;
const { COMBINE_PER_KEY, COMBINE_GLOBALLY } = urns.StandardPTransforms_Composites;
const GROUPINGS: ReadonlySet<string> = new Set([GROUP_BY_KEY, COMBINE_PER_KEY, COMBINE_GLOBALLY]);

/** Its source may come to an end, which nobody can know: then, and not before, groups come out. */
function warnOfGroupsInStreams(pipeline: Pipeline): void {
  const node = pipeline.transforms.find(
    ({ spec, inputs }) =>
      GROUPINGS.has(spec?.urn ?? '') && [...inputs.values()].some(({ bounded }) => !bounded),
  );
  if (!node) return;
  log.warn(
    `${node.name} groups a stream, and the runner 'direct' has no watermark: nothing comes out of it before the stream's source ends. Use runner: 'node' for streams`,
  );
}
