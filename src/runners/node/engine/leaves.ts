// SPDX-License-Identifier: Apache-2.0
// The transforms of a pipeline that are executed, after composites have been taken apart: those that
// the runner does itself, and those that an SDK does in a stage.

import { BeamBridgeError } from '../../../base/index.ts';
import { ONLOOKER } from '../../../pipeline/index.ts';
import { create, fromBinary, pb, urns } from '../../../proto/index.ts';
import { combineSteps } from '../../combine-steps.ts';
import { isSplittable, splittableSteps } from '../../splittable-steps.ts';
import { combineBehind, isTakenApart } from './combines.ts';
import { Recoding } from './recode-steps.ts';

const P = urns.StandardPTransforms_Primitives;
const COMPOSITES = urns.StandardPTransforms_Composites;
const PARTS = urns.StandardPTransforms_CombineComponents;
const SPLITTABLE = urns.StandardPTransforms_SplittableParDoComponents;

/** One executed transform. */
export interface Leaf {
  readonly id: string;
  readonly proto: pb.PTransform;
  /** The PCollection that flows through it; undefined for a source. */
  readonly input: string | undefined;
  /** PCollections that it reads beside that, by tag. */
  readonly sideInputs: ReadonlyMap<string, string>;
  readonly outputs: readonly string[];
  /** Who executes it: the runner, or the SDK of an environment. */
  readonly environment: string | undefined;
  /** The payload of a ParDo. */
  readonly parDo: pb.ParDoPayload | undefined;
  /** Of a grouping of accumulators: the combine that they are of. */
  readonly combine: pb.CombinePayload | undefined;
  /** Whether what comes too late for it goes on elsewhere: {@link ONLOOKER}. */
  readonly isOnlooker: boolean;
}

/** What the runner does by itself. */
const RUNNER_URNS: ReadonlySet<string> = new Set([
  P.IMPULSE,
  P.GROUP_BY_KEY,
  P.FLATTEN,
  COMPOSITES.RESHUFFLE,
  'beam:transform:teststream:v1',
]);

/** What an SDK can be asked to do in a stage. */
const STAGE_URNS: ReadonlySet<string> = new Set([
  P.PAR_DO,
  P.ASSIGN_WINDOWS,
  ...Object.values(PARTS),
]);

/** Transforms whose payload is a ParDo's. */
const PAR_DO_URNS: ReadonlySet<string> = new Set([P.PAR_DO, ...Object.values(SPLITTABLE)]);

/**
 * The executed transforms, each after those that it needs. Adds what it makes to the components.
 *
 * @param placeholders - transforms that are not expanded yet: leaves of no environment
 */
export function leavesOf(
  pipeline: pb.Pipeline,
  fallbackEnvironment: string,
  placeholders: ReadonlySet<string>,
): Leaf[] {
  const components = pipeline.components ?? create(pb.ComponentsSchema);
  const recoding = new Recoding(components, fallbackEnvironment);
  const found: Leaf[] = [];
  /** How many composites that only look on are around what is visited. */
  let onlookers = 0;
  const add = (id: string, proto: pb.PTransform, environment: string | undefined) =>
    found.push(leaf(id, proto, environment, onlookers > 0));
  /** A transform that the runner does, and what stands between its coders. */
  const addOwn = (id: string, proto: pb.PTransform, environment: string) => {
    const recoded = recoding.around(id, proto, proto.environmentId || environment);
    for (const [step, made] of recoded.steps) add(step, made, made.environmentId);
    add(id, recoded.proto, undefined);
  };
  /** @param environment - of what it is a part of: transforms of the runner's own name none */
  const visit = (id: string, environment: string) => {
    const proto = components.transforms[id];
    if (!proto) {
      throw new BeamBridgeError('INTERNAL', `the pipeline has no transform ${JSON.stringify(id)}`);
    }
    const urn = proto.spec?.urn ?? '';
    const inner = proto.environmentId || environment;
    if (placeholders.has(id)) {
      add(id, proto, undefined);
    } else if (RUNNER_URNS.has(urn)) {
      addOwn(id, proto, inner);
    } else if (urn === COMPOSITES.COMBINE_PER_KEY && isTakenApart(proto, components)) {
      for (const [part, made] of combineSteps(id, proto, components)) {
        const environment =
          made.spec?.urn === P.GROUP_BY_KEY
            ? undefined
            : proto.environmentId || fallbackEnvironment;
        add(part, made, environment);
      }
    } else if (isSplittable(proto)) {
      const environment = proto.environmentId || fallbackEnvironment;
      for (const [part, made] of splittableSteps(id, proto, components)) {
        add(part, made, environment);
      }
    } else if (proto.subtransforms.length > 0) {
      const looksOn = Number(Object.hasOwn(proto.annotations, ONLOOKER));
      onlookers += looksOn;
      for (const child of proto.subtransforms) visit(child, inner);
      onlookers -= looksOn;
    } else if (STAGE_URNS.has(urn)) {
      add(id, proto, proto.environmentId || fallbackEnvironment);
    } else if (Object.keys(proto.outputs).length > 0 && !passesOn(proto)) {
      throw new BeamBridgeError('UNSUPPORTED', `the node runner cannot run ${urn || '(no URN)'}`, {
        transform: proto.uniqueName,
        hint: "Run the pipeline with runner: 'direct', or use a transform made of ParDo and GroupByKey.",
      });
    }
  };
  for (const id of pipeline.rootTransformIds) visit(id, fallbackEnvironment);
  return inOrder(found);
}

function passesOn({ inputs, outputs }: pb.PTransform): boolean {
  const given = new Set(Object.values(inputs));
  return Object.values(outputs).every((id) => given.has(id));
}

function leaf(
  id: string,
  proto: pb.PTransform,
  environment: string | undefined,
  isOnlooker: boolean,
): Leaf {
  const parDo = PAR_DO_URNS.has(proto.spec?.urn ?? '')
    ? fromBinary(pb.ParDoPayloadSchema, proto.spec!.payload)
    : undefined;
  const sides = new Set(Object.keys(parDo?.sideInputs ?? {}));
  const inputs = Object.entries(proto.inputs);
  return {
    id,
    proto,
    input: inputs.find(([tag]) => !sides.has(tag))?.[1],
    sideInputs: new Map(inputs.filter(([tag]) => sides.has(tag))),
    outputs: Object.values(proto.outputs),
    environment,
    parDo,
    combine: combineBehind(proto),
    isOnlooker,
  };
}

/** All inputs of a leaf, a flatten's many included. */
export function inputsOf({ proto }: Leaf): string[] {
  return Object.values(proto.inputs);
}

/** Whether a ParDo keeps something for each key. */
export function isStateful({ stateSpecs, timerFamilySpecs }: pb.ParDoPayload): boolean {
  return Object.keys(stateSpecs).length > 0 || Object.keys(timerFamilySpecs).length > 0;
}

function inOrder(leaves: readonly Leaf[]): Leaf[] {
  const producers = new Map(leaves.flatMap((one) => one.outputs.map((id) => [id, one] as const)));
  const sorted = new Set<Leaf>();
  const visit = (one: Leaf) => {
    if (sorted.has(one)) return;
    for (const input of inputsOf(one)) {
      const producer = producers.get(input);
      if (producer) visit(producer);
    }
    sorted.add(one);
  };
  for (const one of leaves) visit(one);
  return [...sorted];
}
