// SPDX-License-Identifier: Apache-2.0
// The question that an expansion service is asked: a transform, its inputs, and all that those
// refer to. Everything in it but the input PCollections has an id in a namespace of its own, so
// that the answer can be merged into any pipeline.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, limitOf } from '../coders/index.ts';
import { type PreparedRequest, ProtoBuilder, type TransformNode } from '../pipeline/index.ts';
import { create, type ExpansionRequest, ExpansionRequestSchema, pb, urns } from '../proto/index.ts';

/** Starts all ids that belong to the expansion of `node`. */
export function namespaceOf(node: TransformNode): string {
  return `x_${node.id}_`;
}

/**
 * Ids of coders that also say, in the payload that Beam leaves empty, which narrower type is meant by a coder that
 * several types share. See python-env/beambridge_host/host/declared_limits.py.
 */
function withLimits(builder: ProtoBuilder): (coder: Coder<unknown>) => string {
  const { coders } = builder.components;
  return function idOf(coder): string {
    const id = builder.coderId(coder);
    const { spec, componentCoderIds } = coders[id]!;
    const limit = limitOf(coder);
    const parts = (coder.spec().components ?? []).map(idOf);
    if (!limit && parts.every((part, i) => part === componentCoderIds[i])) return id;
    const own = [id, limit ?? 'of', ...parts].join('_');
    const payload = limit ? Buffer.from(limit) : spec!.payload;
    coders[own] ??= create(pb.CoderSchema, {
      spec: { urn: spec!.urn, payload },
      componentCoderIds: parts,
    });
    return own;
  };
}

/**
 * Builds the request.
 *
 * @param prepared - what is asked, where the service was asked before
 * @param payload - in the place of that which was made when the transform was applied
 */
export function expansionRequest(
  node: TransformNode,
  prepared?: PreparedRequest,
  payload = node.external?.payload,
): ExpansionRequest {
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
  // Our host holds what comes out to what is declared; other services are told what they know.
  const coderId =
    external.service.kind === 'python' ? withLimits(builder) : builder.coderId.bind(builder);
  for (const [tag, coder] of external.requestOutputCoders) {
    outputCoderRequests[tag] = coderId(coder);
  }
  return create(ExpansionRequestSchema, {
    namespace,
    components: builder.components,
    outputCoderRequests,
    transform: {
      uniqueName: node.name,
      spec: { urn: external.urn, payload: prepared?.payload ?? payload! },
      inputs: Object.fromEntries(
        [...node.inputs].map(([tag, input]) => [prepared?.inputTags.get(tag) ?? tag, input.id]),
      ),
    },
  });
}
