// SPDX-License-Identifier: Apache-2.0
// Combines taken apart into steps around a grouping of accumulators, so that what is grouped is small
// and can be made smaller while it waits.

import { FUNCTION_URNS } from '../../../pipeline/index.ts';
import { create, fromBinary, pb, toBinary, urns } from '../../../proto/index.ts';
import { keyCoderId } from './wire.ts';

const P = urns.StandardPTransforms_Primitives;
const PARTS = urns.StandardPTransforms_CombineComponents;

/**
 * Whether a combine becomes steps. Under a trigger that may count elements those of this program
 * alone do: another SDK's accumulators cannot be merged here, and would be no smaller than its inputs.
 */
export function isTakenApart(proto: pb.PTransform, components: pb.Components): boolean {
  if (isDefaultTriggered(proto, components)) return true;
  const { combineFn } = fromBinary(pb.CombinePayloadSchema, proto.spec!.payload);
  return combineFn?.urn === FUNCTION_URNS.combineFn;
}

/** The combine whose accumulators a grouping gets, if it is one that {@link combineSteps} made. */
export function combineBehind({ spec }: pb.PTransform): pb.CombinePayload | undefined {
  if (spec?.urn !== P.GROUP_BY_KEY || spec.payload.length === 0) return undefined;
  return fromBinary(pb.CombinePayloadSchema, spec.payload);
}

/** Whether values may be combined before they are grouped: no trigger counts them. */
function isDefaultTriggered(proto: pb.PTransform, components: pb.Components): boolean {
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
