// SPDX-License-Identifier: Apache-2.0
// Combines taken apart into steps around a grouping of accumulators, so that what is grouped is small
// and can be made smaller while it waits.

import { BeamBridgeError } from '../base/index.ts';
import { create, fromBinary, pb, toBinary, urns } from '../proto/index.ts';

const P = urns.StandardPTransforms_Primitives;
const PARTS = urns.StandardPTransforms_CombineComponents;

/** Whether values may be combined before they are grouped: no trigger counts them. */
export function isDefaultTriggered(proto: pb.PTransform, components: pb.Components): boolean {
  const input = components.pcollections[Object.values(proto.inputs)[0] ?? ''];
  const windowing = components.windowingStrategies[input?.windowingStrategyId ?? ''];
  return windowing?.trigger?.trigger.case === 'default';
}

/**
 * A combine in three steps, with the grouping of accumulators between the first two. Where the
 * trigger may count elements, each has an accumulator of its own until it is grouped.
 */
export function combineSteps(
  id: string,
  proto: pb.PTransform,
  components: pb.Components,
): [string, pb.PTransform][] {
  const payload = fromBinary(pb.CombinePayloadSchema, proto.spec!.payload);
  const input = components.pcollections[Object.values(proto.inputs)[0]!]!;
  const output = Object.values(proto.outputs)[0]!;
  const keyCoder = keyCoderId(input.coderId, components);
  const coder = (suffix: string, urn: string, componentCoderIds: string[]) => {
    const coderId = `${id}:${suffix}`;
    components.coders[coderId] = create(pb.CoderSchema, { spec: { urn }, componentCoderIds });
    return coderId;
  };
  const Coders = urns.StandardCoders_Enum;
  const { accumulatorCoderId } = payload;
  const iterable = coder('accumulators', Coders.ITERABLE, [accumulatorCoderId]);
  const single = coder('keyed_accumulator', Coders.KV, [keyCoder, accumulatorCoderId]);
  const grouped = coder('keyed_accumulators', Coders.KV, [keyCoder, iterable]);
  const pcollection = (suffix: string, coderId: string, windowingStrategyId: string) => {
    const made = `${id}:${suffix}`;
    components.pcollections[made] = create(pb.PCollectionSchema, {
      uniqueName: `${proto.uniqueName}.${suffix}`,
      coderId,
      windowingStrategyId,
      isBounded: input.isBounded,
    });
    return made;
  };
  const after = components.pcollections[output]!.windowingStrategyId;
  const precombined = pcollection('precombined', single, input.windowingStrategyId);
  const first = isDefaultTriggered(proto, components)
    ? PARTS.COMBINE_PER_KEY_PRECOMBINE
    : PARTS.COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS;
  const accumulators = pcollection('grouped', grouped, after);
  const merged = pcollection('merged', single, after);
  const step = (name: string, urn: string, from: string, to: string): [string, pb.PTransform] => {
    const made = create(pb.PTransformSchema, {
      uniqueName: `${proto.uniqueName}/${name}`,
      spec: { urn, payload: toBinary(pb.CombinePayloadSchema, payload) },
      inputs: { in: from },
      outputs: { out: to },
      environmentId: proto.environmentId,
    });
    const stepId = `${id}/${name}`;
    components.transforms[stepId] = made;
    return [stepId, made];
  };
  const from = Object.values(proto.inputs)[0]!;
  return [
    step('precombine', first, from, precombined),
    step('group', P.GROUP_BY_KEY, precombined, accumulators),
    step('merge', PARTS.COMBINE_PER_KEY_MERGE_ACCUMULATORS, accumulators, merged),
    step('extract', PARTS.COMBINE_PER_KEY_EXTRACT_OUTPUTS, merged, output),
  ];
}

/** The coder of keys in a coder of key-values. */
export function keyCoderId(coderId: string, { coders }: pb.Components): string {
  let coder = coders[coderId];
  while (coder?.spec?.urn === urns.StandardCoders_Enum.LENGTH_PREFIX) {
    coder = coders[coder.componentCoderIds[0] ?? ''];
  }
  const [key] = coder?.componentCoderIds ?? [];
  if (coder?.spec?.urn === urns.StandardCoders_Enum.KV && key) return key;
  throw new BeamBridgeError('INTERNAL', `the coder ${coderId} is none of key-values`);
}
