// SPDX-License-Identifier: Apache-2.0
// Combines of this program in a form that every runner knows. Runners that lift combines themselves
// look at the composite alone, whatever is in it; Java's look at what is in it, and know the steps of a
// lifted combine and ParDos, but no leaf that combines grouped values.

import { FUNCTION_URNS } from '../../pipeline/index.ts';
import { create, fromBinary, pb, toBinary, urns } from '../../proto/index.ts';
import { combineSteps, isDefaultTriggered } from '../combine-steps.ts';

const PAR_DO = urns.StandardPTransforms_Primitives.PAR_DO;
const GROUP_BY_KEY = urns.StandardPTransforms_Primitives.GROUP_BY_KEY;
const { COMBINE_PER_KEY } = urns.StandardPTransforms_Composites;
const { COMBINE_GROUPED_VALUES } = urns.StandardPTransforms_CombineComponents;

/**
 * Rewrites what is inside this program's combines: steps around a grouping of accumulators, and where a
 * trigger may count elements a ParDo behind the grouping.
 */
export function rewriteCombines({ components }: pb.Pipeline): void {
  if (!components) return;
  for (const [id, proto] of Object.entries(components.transforms)) {
    if (proto.spec?.urn !== COMBINE_PER_KEY) continue;
    const { combineFn } = fromBinary(pb.CombinePayloadSchema, proto.spec.payload);
    if (combineFn?.urn !== FUNCTION_URNS.combineFn) continue;
    if (isDefaultTriggered(proto, components)) lift(id, proto, components);
    else combineInParDo(proto, combineFn, components);
  }
}

function lift(id: string, proto: pb.PTransform, components: pb.Components): void {
  const kept = new Set([...Object.values(proto.inputs), ...Object.values(proto.outputs)]);
  for (const child of proto.subtransforms) {
    for (const made of Object.values(components.transforms[child]?.outputs ?? {})) {
      if (!kept.has(made)) delete components.pcollections[made];
    }
    delete components.transforms[child];
  }
  const steps = combineSteps(id, proto, components);
  for (const [, step] of steps) {
    if (step.spec?.urn !== GROUP_BY_KEY) continue;
    // Only the runner `node` wants to know there what is grouped, and Java's refuse an environment.
    step.spec.payload = new Uint8Array();
    step.environmentId = '';
  }
  proto.subtransforms = steps.map(([step]) => step);
}

function combineInParDo(
  { subtransforms }: pb.PTransform,
  doFn: pb.FunctionSpec,
  components: pb.Components,
): void {
  for (const id of subtransforms) {
    const proto = components.transforms[id];
    if (proto?.spec?.urn !== COMBINE_GROUPED_VALUES) continue;
    const inner = `${id}/parDo`;
    components.transforms[inner] = create(pb.PTransformSchema, {
      uniqueName: `${proto.uniqueName}/parDo`,
      spec: {
        urn: PAR_DO,
        payload: toBinary(pb.ParDoPayloadSchema, create(pb.ParDoPayloadSchema, { doFn })),
      },
      inputs: proto.inputs,
      outputs: proto.outputs,
      environmentId: proto.environmentId,
    });
    proto.subtransforms = [inner];
  }
}
