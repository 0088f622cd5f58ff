// SPDX-License-Identifier: Apache-2.0
// Splittable DoFns that run to their ends in one bundle. Spark's runner fails a bundle in which `process` left
// something to go on with, and whether it does is often a matter of time: a source that waits for its next element.

import { FUNCTION_URNS } from '../../pipeline/index.ts';
import { create, fromBinary, pb, toBinary } from '../../proto/index.ts';
import { isSplittable } from '../splittable-steps.ts';

/** Has this SDK's workers go on with what `process` leaves. Those of other SDKs leave it to Spark, which refuses. */
export function keepWhole({ components }: pb.Pipeline): void {
  for (const transform of Object.values(components?.transforms ?? {})) {
    if (!isSplittable(transform)) continue;
    const { urn, payload } = transform.spec!;
    const parDo = fromBinary(pb.ParDoPayloadSchema, payload);
    if (parDo.doFn?.urn !== FUNCTION_URNS.doFn) continue;
    parDo.doFn.urn = FUNCTION_URNS.wholeDoFn;
    transform.spec = create(pb.FunctionSpecSchema, {
      urn,
      payload: toBinary(pb.ParDoPayloadSchema, parDo),
    });
  }
}
