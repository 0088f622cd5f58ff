// SPDX-License-Identifier: Apache-2.0
// What the steps of a RunInference have in common.

import type { PCollection, PTransformClass } from '../pipeline/index.ts';

/** Python's transform, which takes and gives packed batches, or what stands in for it. */
export type Packed = PTransformClass<PCollection<Uint8Array>, PCollection<Uint8Array>>;

/** The same transform under a name of its own. */
export function step<T extends { beamName: string | (() => string) }>(
  transform: T,
  name: string,
): T {
  transform.beamName = name;
  return transform;
}
