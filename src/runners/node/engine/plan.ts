// SPDX-License-Identifier: Apache-2.0
// A pipeline as stages and what is between them. A stage is a tree of transforms that one SDK runs
// in one go; it begins behind a grouping, a flatten or a reshuffle, where the environment changes,
// and at a transform that needs side inputs, state, timers or restrictions.

import { type pb, urns } from '../../../proto/index.ts';
import { inputsOf, isStateful, type Leaf, leavesOf } from './leaves.ts';
import { checkTransactions } from './transactions.ts';

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

/** What there is to run, or the part of it that is known. */
export interface Plan {
  readonly components: pb.Components;
  readonly stages: readonly Stage[];
  /** What the runner does itself: impulses, groupings, flattens, reshuffles, test streams. */
  readonly own: readonly Leaf[];
  /** PCollections that transforms of a later part read. */
  readonly awaited: readonly string[];
  /** Whether no part comes after this one. */
  readonly isLast: boolean;
}

const PROCESS_RESTRICTIONS =
  urns.StandardPTransforms_SplittableParDoComponents.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS;

/** Plans a pipeline in parts: what is in front of placeholders can run before they are expanded. */
export class Planner {
  private readonly planned = new Set<string>();
  private stages = 0;

  /** @param fallbackEnvironment - of transforms that name none, such as standard window functions */
  constructor(
    private readonly pipeline: pb.Pipeline,
    private readonly fallbackEnvironment: string,
  ) {}

  /**
   * What can run and was not planned before.
   *
   * @throws BeamBridgeError `UNSUPPORTED` for a transaction that could not hold what it should
   * @param placeholders - transforms that are not expanded yet. What needs their outputs is left to
   *   a later part. A stage is in one part only, because a transform with side inputs begins one.
   */
  next(placeholders: ReadonlySet<string> = new Set()): Plan {
    const all = leavesOf(this.pipeline, this.fallbackEnvironment, placeholders);
    const unknown = new Set<string>();
    const [ready, later]: [Leaf[], Leaf[]] = [[], []];
    for (const leaf of all) {
      if (this.planned.has(leaf.id)) continue;
      if (placeholders.has(leaf.id) || inputsOf(leaf).some((id) => unknown.has(id))) {
        later.push(leaf);
        for (const output of leaf.outputs) unknown.add(output);
      } else ready.push(leaf);
    }
    if (later.length === 0) checkTransactions(all);
    for (const { id } of ready) this.planned.add(id);
    const read = new Set(later.flatMap(inputsOf));
    return {
      components: this.pipeline.components!,
      stages: grouped(ready).map((leaves) => this.stageOf(leaves, all)),
      own: ready.filter(({ environment }) => environment === undefined),
      awaited: [...read].filter((id) => !unknown.has(id)),
      isLast: later.length === 0,
    };
  }

  /**
   * The stages of all of the pipeline and what the runner does itself, in the order in which they are planned, where
   * nothing is expanded: a placeholder is a transform that somebody else does.
   *
   * @throws BeamBridgeError as {@link next} does
   */
  outline(placeholders: ReadonlySet<string>): readonly (Stage | Leaf)[] {
    const all = leavesOf(this.pipeline, this.fallbackEnvironment, placeholders);
    checkTransactions(all);
    const stages = new Map(
      grouped(all).map((leaves) => [leaves[0]!, this.stageOf(leaves, all)] as const),
    );
    return all.flatMap((leaf) => stages.get(leaf) ?? (leaf.environment === undefined ? leaf : []));
  }

  private stageOf(leaves: readonly Leaf[], all: readonly Leaf[]): Stage {
    const [root] = leaves as [Leaf];
    const inside = new Set(leaves.map(({ id }) => id));
    const outputs = leaves
      .flatMap(({ outputs }) => outputs)
      .filter((id) =>
        all.some(
          (other) =>
            (!inside.has(other.id) && inputsOf(other).includes(id)) ||
            [...other.sideInputs.values()].includes(id),
        ),
      );
    this.stages += 1;
    return {
      id: `stage${this.stages}`,
      environment: root.environment!,
      leaves,
      root,
      input: root.input!,
      outputs: [...new Set(outputs)],
    };
  }
}

/** The leaves of each stage. */
function grouped(leaves: readonly Leaf[]): Leaf[][] {
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
  return groups;
}

function beginsStage({ sideInputs, parDo, proto }: Leaf): boolean {
  if (sideInputs.size > 0) return true;
  if (proto.spec?.urn === PROCESS_RESTRICTIONS) return true;
  return parDo !== undefined && isStateful(parDo);
}
