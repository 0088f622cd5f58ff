// SPDX-License-Identifier: Apache-2.0
// What this runner would do with a pipeline, told without doing it: nothing is expanded, so no Python is started.

import { type Pipeline, pipelineToProto, TYPESCRIPT_ENVIRONMENT } from '../../pipeline/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import type { PipelineOptions } from '../options.ts';
import { PipelinePlan, type PlannedStep } from '../plan.ts';
import type { Leaf } from './engine/leaves.ts';
import { Planner, type Stage } from './engine/plan.ts';
import { whyNotInThreads } from './threads/eligible.ts';
import { whyNone } from './threads/thread-side.ts';

const SERVICES = { python: 'Python', java: 'Java' } as const;

/** @throws BeamBridgeError for a pipeline that this runner cannot run, as far as that is known before it is expanded */
export function explainNodeRun(
  pipeline: Pipeline,
  options: PipelineOptions,
  source: Construct | PipelineDefinition,
): PipelinePlan {
  const message = pipelineToProto(pipeline, {});
  const placeholders = pipeline.transforms.filter(({ external }) => external);
  const steps = new Planner(message, TYPESCRIPT_ENVIRONMENT).outline(
    new Set(placeholders.map(({ id }) => id)),
  );
  const { nodeWorkers: most = 1 } = options;
  const why = whyNone(most, { pipeline, source });
  const components = message.components!;
  return new PipelinePlan(
    steps.map((step) => {
      if (!('leaves' in step)) return doneElsewhere(step, pipeline);
      return most < 2
        ? stage(step, 'main thread', [])
        : inThreads(step, why ?? whyNotInThreads(step, components, pipeline));
    }),
  );
}

function inThreads(planned: Stage, why: string | undefined): PlannedStep {
  return why === undefined
    ? stage(planned, 'threads', ['as soon as there is enough to do for them'])
    : stage(planned, 'main thread', [why]);
}

function stage(
  { leaves }: Stage,
  where: PlannedStep['where'],
  notes: readonly string[],
): PlannedStep {
  return { transforms: leaves.map(({ proto }) => proto.uniqueName), where, notes };
}

/** What another language, or the runner, does. */
function doneElsewhere({ id, proto }: Leaf, { transforms }: Pipeline): PlannedStep {
  const asked = transforms.find((node) => node.id === id)?.external?.service.kind;
  return {
    transforms: [proto.uniqueName],
    where: asked ? (SERVICES[asked as keyof typeof SERVICES] ?? 'another service') : 'runner',
    notes: [],
  };
}
