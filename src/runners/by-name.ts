// SPDX-License-Identifier: Apache-2.0
// Runners by the names of the official SDK's functions, for programs that come from there.

import type { PipelineOptions } from './options.ts';
import { createRunner } from './runner.ts';
import type { Runner } from './runner-base.ts';

/** As {@link createRunner} without a name. */
export function defaultRunner(options: PipelineOptions = {}): Runner {
  return createRunner({ ...options, runner: 'default' });
}

/** Python's DirectRunner, as `createRunner({ runner: 'direct' })`. */
export function directRunner(options: PipelineOptions = {}): Runner {
  return createRunner({ ...options, runner: 'direct' });
}

/** Python's DirectRunner with functions of this program run in it, which is what `direct` is. */
export function loopbackRunner(options: PipelineOptions = {}): Runner {
  return directRunner(options);
}

/** In the official SDK the job service of Python's SDK: the runner `direct`. */
export function universalRunner(options: PipelineOptions = {}): Runner {
  return createRunner({ ...options, runner: 'universal' });
}

/** As `createRunner({ runner: 'flink' })`. */
export function flinkRunner(options: PipelineOptions = {}): Runner {
  return createRunner({ ...options, runner: 'flink' });
}

/** As `createRunner({ runner: 'dataflow' })`. */
export function dataflowRunner(options: PipelineOptions = {}): Runner {
  return createRunner({ ...options, runner: 'dataflow' });
}
