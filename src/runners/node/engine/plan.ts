// SPDX-License-Identifier: Apache-2.0
// A pipeline as stages and what is between them. A stage is a tree of transforms that one SDK runs
// in one go; it begins behind a grouping, a flatten or a reshuffle, where the environment changes,
// and at a transform that needs side inputs, state, timers or restrictions.

import { type pb, urns } from '../../../proto/index.ts';
import { type Leaf, leavesOf } from './leaves.ts';

/** Transforms that run together. */
export interface Stage {
  readonly id: string;
  readonly environment: string;
  readonly leaves: readonly Leaf[];
  /** The first transform, which all elements enter. */
  readonly root: Leaf;
  readonly input: string;
  /** PCollections that are needed outside of the stage. */
  readonly outputs: readonly string[];
}

/** Everything there is to run. */
export interface Plan {
  readonly components: pb.Components;
  readonly stages: readonly Stage[];
  /** What the runner does itself: impulses, groupings, flattens, reshuffles, test streams. */
  readonly own: readonly Leaf[];
}

const PROCESS_RESTRICTIONS =
  urns.StandardPTransforms_SplittableParDoComponents.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS;

/** @param fallbackEnvironment - of transforms that name none, such as standard window functions */
export function planOf(pipeline: pb.Pipeline, fallbackEnvironment: string): Plan {
  const leaves = leavesOf(pipeline, fallbackEnvironment);
  const components = pipeline.components!;
  const stageOf = new Map<Leaf, Leaf[]>();
  const producers = new Map<string, Leaf>();
  const groups: Leaf[][] = [];
  for (const one of leaves) {
    for (const output of one.outputs) producers.set(output, one);
    if (one.environment === undefined) continue;
    const producer = producers.get(one.input ?? '');
    const before = producer && stageOf.get(producer);
    if (before && producer.environment === one.environment && !beginsStage(one)) {
      before.push(one);
      stageOf.set(one, before);
    } else {
      const group = [one];
      groups.push(group);
      stageOf.set(one, group);
    }
  }
  const stages = groups.map((group, i): Stage => {
    const [root] = group as [Leaf];
    const inside = new Set(group);
    const outputs = group
      .flatMap(({ outputs }) => outputs)
      .filter((id) =>
        leaves.some(
          (other) =>
            (!inside.has(other) && Object.values(other.proto.inputs).includes(id)) ||
            [...other.sideInputs.values()].includes(id),
        ),
      );
    return {
      id: `stage${i + 1}`,
      environment: root.environment!,
      leaves: group,
      root,
      input: root.input!,
      outputs: [...new Set(outputs)],
    };
  });
  return { components, stages, own: leaves.filter(({ environment }) => environment === undefined) };
}

function beginsStage({ sideInputs, parDo, proto }: Leaf): boolean {
  if (sideInputs.size > 0) return true;
  if (proto.spec?.urn === PROCESS_RESTRICTIONS) return true;
  return parDo !== undefined && isStateful(parDo);
}

/** Whether a ParDo keeps something for each key. */
export function isStateful({ stateSpecs, timerFamilySpecs }: pb.ParDoPayload): boolean {
  return Object.keys(stateSpecs).length > 0 || Object.keys(timerFamilySpecs).length > 0;
}
