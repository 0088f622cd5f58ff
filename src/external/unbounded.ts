// SPDX-License-Identifier: Apache-2.0
// That a PCollection of another SDK has no end is known once it was expanded, which is after whatever is
// applied to it was: here its consumers learn of it. A grouping of what has no end must not wait for one.

import { getLogger } from '../base/index.ts';
import type { Pipeline } from '../pipeline/index.ts';
import { fromBinary, pb, urns } from '../proto/index.ts';

const log = getLogger('external');
const { BOUNDED, UNBOUNDED } = pb.IsBounded_Enum;

/** Marks what comes of unbounded PCollections as unbounded. */
export function spreadUnbounded({ pcollections, transforms }: pb.Components): void {
  const consumers = new Map<string, pb.PTransform[]>();
  for (const transform of Object.values(transforms)) {
    const sides = sideInputTags(transform);
    for (const [tag, id] of Object.entries(transform.inputs)) {
      // A batch may look at a stream: its own elements decide.
      if (sides.has(tag)) continue;
      consumers.set(id, [...(consumers.get(id) ?? []), transform]);
    }
  }
  const reached = Object.keys(pcollections).filter(
    (id) => pcollections[id]!.isBounded === UNBOUNDED,
  );
  for (const id of reached) {
    for (const { subtransforms, outputs } of consumers.get(id) ?? []) {
      // The parts of a composite decide by themselves.
      if (subtransforms.length > 0) continue;
      for (const output of Object.values(outputs)) {
        const message = pcollections[output];
        if (message?.isBounded !== BOUNDED) continue;
        message.isBounded = UNBOUNDED;
        reached.push(output);
      }
    }
  }
}

/**
 * Tells a pipeline which of its PCollections turned out to have no end. Transforms that need one are warned of and
 * not refused: of another SDK's it is only known that they may have none.
 */
export function learnUnbounded(pipeline: Pipeline, { pcollections }: pb.Components): void {
  const isUnbounded = (message: pb.PCollection | undefined) => message?.isBounded === UNBOUNDED;
  for (const node of pipeline.pcollections) {
    if (isUnbounded(pcollections[node.id])) node.bounded = false;
  }
  pipeline.hasEndlessExpansion = Object.values(pcollections).some(isUnbounded);
  for (const check of pipeline.boundedChecks) {
    const error = check();
    if (!error) continue;
    const { transform, shortMessage, hint } = error;
    log.warn(`${transform}: ${shortMessage}, unless its input ends after all. ${hint}`);
  }
}

const WITH_SIDE_INPUTS: ReadonlySet<string> = new Set<string>([
  urns.StandardPTransforms_Primitives.PAR_DO,
  ...Object.values(urns.StandardPTransforms_SplittableParDoComponents),
]);

function sideInputTags({ spec }: pb.PTransform): Set<string> {
  if (!spec || !WITH_SIDE_INPUTS.has(spec.urn)) return new Set();
  return new Set(Object.keys(fromBinary(pb.ParDoPayloadSchema, spec.payload).sideInputs));
}
