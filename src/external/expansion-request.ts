// SPDX-License-Identifier: Apache-2.0
// The question that an expansion service is asked: a transform, its inputs, and all that those
// refer to. Everything in it but the input PCollections has an id in a namespace of its own, so
// that the answer can be merged into any pipeline.

import { BeamBridgeError } from '../base/index.ts';
import { ProtoBuilder, type TransformNode } from '../pipeline/index.ts';
import { create, type ExpansionRequest, ExpansionRequestSchema, pb, urns } from '../proto/index.ts';

/** Starts all ids that belong to the expansion of `node`. */
export function namespaceOf(node: TransformNode): string {
  return `x_${node.id}_`;
}

/** Builds the request. */
export function expansionRequest(node: TransformNode): ExpansionRequest {
  const { external } = node;
  if (!external)
    throw new BeamBridgeError('INTERNAL', `${node.name} is not a cross-language transform`);
  const namespace = namespaceOf(node);
  const builder = new ProtoBuilder(new Map(), namespace);
  for (const input of node.inputs.values()) {
    if (builder.components.pcollections[input.id]) continue;
    builder.pcollection(input);
    // Services look for the producer of each input; which transform it is does not matter to them.
    const id = `${namespace}producer_of_${input.id}`;
    builder.components.transforms[id] = create(pb.PTransformSchema, {
      uniqueName: id,
      spec: { urn: urns.StandardPTransforms_Primitives.IMPULSE },
      outputs: { main: input.id },
    });
  }
  const outputCoderRequests: Record<string, string> = {};
  for (const [tag, coder] of external.requestOutputCoders) {
    outputCoderRequests[tag] = builder.coderId(coder);
  }
  return create(ExpansionRequestSchema, {
    namespace,
    components: builder.components,
    outputCoderRequests,
    transform: {
      uniqueName: node.name,
      spec: { urn: external.urn, payload: external.payload },
      inputs: Object.fromEntries([...node.inputs].map(([tag, input]) => [tag, input.id])),
    },
  });
}
