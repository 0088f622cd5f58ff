// SPDX-License-Identifier: Apache-2.0
// Splittable ParDos taken apart into steps, between which what they make can go to other workers.

import { create, fromBinary, pb, urns } from '../proto/index.ts';

const P = urns.StandardPTransforms_Primitives;
const SPLITTABLE = urns.StandardPTransforms_SplittableParDoComponents;

/** Whether a transform is a ParDo whose elements can be split. */
export function isSplittable({ spec }: pb.PTransform): boolean {
  if (spec?.urn !== P.PAR_DO) return false;
  return fromBinary(pb.ParDoPayloadSchema, spec.payload).restrictionCoderId !== '';
}

type Step = [id: string, step: pb.PTransform];

/**
 * A splittable ParDo in three steps: elements get restrictions, which are split, and each part is
 * processed where it lands.
 * Source: https://s.apache.org/splittable-do-fn-python-sdk, "pair", "split" and "process".
 */
export function splittableSteps(
  id: string,
  proto: pb.PTransform,
  components: pb.Components,
): [pair: Step, split: Step, process: Step] {
  const payload = fromBinary(pb.ParDoPayloadSchema, proto.spec!.payload);
  const [mainTag, mainId] = Object.entries(proto.inputs).find(
    ([tag]) => !Object.hasOwn(payload.sideInputs, tag),
  ) as [string, string];
  const input = components.pcollections[mainId]!;
  const Coders = urns.StandardCoders_Enum;
  const coder = (suffix: string, urn: string, componentCoderIds: string[]) => {
    const coderId = `${id}:${suffix}`;
    components.coders[coderId] = create(pb.CoderSchema, { spec: { urn }, componentCoderIds });
    return coderId;
  };
  const paired = coder('paired', Coders.KV, [input.coderId, payload.restrictionCoderId]);
  const size = coder('size', Coders.DOUBLE, []);
  const sized = coder('sized', Coders.KV, [paired, size]);
  const pcollection = (suffix: string, coderId: string) => {
    const made = `${id}:${suffix}`;
    components.pcollections[made] = create(pb.PCollectionSchema, {
      ...input,
      uniqueName: `${proto.uniqueName}.${suffix}`,
      coderId,
    });
    return made;
  };
  const step = (name: string, urn: string, from: string, outputs: Record<string, string>): Step => {
    const stepId = `${id}/${name}`;
    const made = create(pb.PTransformSchema, {
      ...proto,
      uniqueName: `${proto.uniqueName}/${name}`,
      spec: create(pb.FunctionSpecSchema, { urn, payload: proto.spec!.payload }),
      inputs: { ...proto.inputs, [mainTag]: from },
      outputs,
      subtransforms: [],
    });
    components.transforms[stepId] = made;
    return [stepId, made];
  };
  const withRestriction = pcollection('restricted', paired);
  const split = pcollection('split', sized);
  return [
    step('pair', SPLITTABLE.PAIR_WITH_RESTRICTION, mainId, { out: withRestriction }),
    step('split', SPLITTABLE.SPLIT_AND_SIZE_RESTRICTIONS, withRestriction, { out: split }),
    step('process', SPLITTABLE.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, split, proto.outputs),
  ];
}
