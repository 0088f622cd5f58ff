// SPDX-License-Identifier: Apache-2.0
// Runners: a pipeline, constructed and expanded, is handed to an engine and watched until it ends.
// May import harness, external, services and what those may import. Each runner has a folder with
// files of the same names: `service.ts` gets a job service, `runner.ts` is the runner.

// For users.
export {
  dataflowRunner,
  defaultRunner,
  directRunner,
  flinkRunner,
  loopbackRunner,
  universalRunner,
} from './by-name.ts';
// For libraries: what a runner of one's own needs.
export {
  type Construct,
  constructPipeline,
  type PipelineDefinition,
  pipeline,
} from './definition.ts';
export type { JobService } from './job-service.ts';
export {
  type DistributionValue,
  type GaugeValue,
  type MetricFilter,
  type MetricKey,
  type MetricQueryResults,
  type MetricResult,
  MetricResults,
} from './metrics.ts';
export type { EnvironmentType, PipelineOptions, RunnerName } from './options.ts';
export { PipelinePlan, type PlannedStep } from './plan.ts';
export { PortableRunner } from './portable/runner.ts';
export type { JobControl } from './result.ts';
export { PipelineResult } from './result.ts';
export { type OpenService, startRun } from './run.ts';
export { createRunner } from './runner.ts';
export { Runner } from './runner-base.ts';
export type { JobState } from './state.ts';
