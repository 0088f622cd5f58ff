// SPDX-License-Identifier: Apache-2.0
// The parts of what can be split, spread over all tasks. Flink's runner takes a splittable ParDo apart, too,
// but leaves all parts of an element to the task that cut it: a batch whose source has one element, as most
// have, was read by one task. In a stream parts go by their elements' keys, whatever comes before.

import { create, pb, urns } from '../../proto/index.ts';
import { isSplittable, splittableSteps } from '../splittable-steps.ts';

const { RESHUFFLE } = urns.StandardPTransforms_Composites;

/** Takes all splittable ParDos of a batch apart, with a reshuffle before the parts are processed. */
export function spreadParts({ components }: pb.Pipeline): void {
  if (!components) return;
  for (const [id, proto] of Object.entries(components.transforms)) {
    if (proto.subtransforms.length > 0 || !isSplittable(proto)) continue;
    const [pair, split, [processId, process]] = splittableSteps(id, proto, components);
    const cut = Object.values(split[1].outputs)[0]!;
    const parts = `${id}:parts`;
    components.pcollections[parts] = create(pb.PCollectionSchema, {
      ...components.pcollections[cut]!,
      uniqueName: `${proto.uniqueName}.parts`,
    });
    const spread = `${id}/spread`;
    components.transforms[spread] = create(pb.PTransformSchema, {
      uniqueName: `${proto.uniqueName}/spread`,
      spec: { urn: RESHUFFLE },
      inputs: { in: cut },
      outputs: { out: parts },
    });
    for (const [tag, read] of Object.entries(process.inputs)) {
      if (read === cut) process.inputs[tag] = parts;
    }
    // What is left is a name for its steps: as a ParDo it would be taken apart again.
    proto.spec = undefined;
    proto.environmentId = '';
    proto.subtransforms = [pair[0], split[0], spread, processId];
  }
}
