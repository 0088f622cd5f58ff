// SPDX-License-Identifier: Apache-2.0
// Merges accumulators between bundles, for a runner in this process that holds them.

import { FUNCTION_URNS } from '../../pipeline/index.ts';
import type { pb } from '../../proto/index.ts';
import type { RegisteredCombine } from '../../transforms/index.ts';
import { functionKey } from './descriptor.ts';
import { asyncCombiner, userError } from './errors.ts';
import { type FunctionLookup, isThenable } from './types.ts';

/**
 * What makes one accumulator of many; it may change them. Undefined for a combiner of another SDK,
 * and for one that this program has not: the stage that needs it says so.
 */
export function accumulatorMerger(
  { combineFn }: pb.CombinePayload,
  functions: FunctionLookup,
): ((accumulators: unknown[]) => unknown) | undefined {
  if (combineFn?.urn !== FUNCTION_URNS.combineFn) return undefined;
  const found = functions.get(functionKey(combineFn.payload)) as RegisteredCombine | undefined;
  return (
    found &&
    ((accumulators) => {
      let merged: unknown;
      try {
        merged = found.combineFn.mergeAccumulators(accumulators);
      } catch (error) {
        throw userError(error, found);
      }
      if (isThenable(merged)) throw asyncCombiner(found);
      return merged;
    })
  );
}
