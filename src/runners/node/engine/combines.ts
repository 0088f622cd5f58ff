// SPDX-License-Identifier: Apache-2.0
// Which combines this engine takes apart, and how a grouping knows that it groups accumulators.

import { FUNCTION_URNS } from '../../../pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../proto/index.ts';
import { isDefaultTriggered } from '../../combine-steps.ts';

const P = urns.StandardPTransforms_Primitives;

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
