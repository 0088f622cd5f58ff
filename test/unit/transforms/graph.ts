// SPDX-License-Identifier: Apache-2.0
// A pipeline to apply transforms to, and what it looks like to a runner.

import { Pipeline, pipelineToProto, Root } from '../../../src/pipeline/index.ts';
import type { pb } from '../../../src/proto/index.ts';

export interface Built {
  pipeline: Pipeline;
  proto: pb.Pipeline;
  /** The transform of this unique name. */
  find(name: string): pb.PTransform;
  /** Unique names of the transforms, composites included. */
  names: string[];
  coderUrn(pcollection: string): string[];
}

/** Builds a pipeline and converts it. */
export function build(construct: (root: Root) => unknown): Built {
  const pipeline = new Pipeline();
  construct(new Root(pipeline));
  const proto = pipelineToProto(pipeline, { urn: 'test' });
  const { transforms, pcollections, coders } = proto.components!;
  const flat = (id: string): string[] => {
    const coder = coders[id]!;
    return [coder.spec!.urn, ...coder.componentCoderIds.flatMap(flat)];
  };
  return {
    pipeline,
    proto,
    names: Object.values(transforms).map((t) => t.uniqueName),
    find: (name) => {
      const found = Object.values(transforms).find((t) => t.uniqueName === name);
      if (!found) throw new Error(`no transform ${name}`);
      return found;
    },
    coderUrn: (id) => flat(pcollections[id]!.coderId).map((urn) => urn.replace(/:v\d$/, '')),
  };
}

/** A root of a new pipeline, for what fails while it is applied. */
export function newRoot(): Root {
  return new Root(new Pipeline());
}
