// SPDX-License-Identifier: Apache-2.0
// Puts stages of Python between the stages of a pipeline: every element that goes from one of the
// transforms which a case applies to the next is given to Python and comes back.

import { BytesCoder, type Coder, decodeValue, encodeValue } from '../../src/coders/index.ts';
import { pythonCallable, pythonTransform } from '../../src/external/index.ts';
import {
  PCollection,
  type PCollectionNode,
  type Pipeline,
  type Root,
  type TransformNode,
} from '../../src/pipeline/index.ts';
import { isPortable } from '../../src/schema/index.ts';
import { withCoder } from '../../src/transforms/index.ts';

/** Rewrites what was constructed so far; says how many PCollections go through Python now. */
export function crossIntoPython({ pipeline }: Root): number {
  const transforms = [...pipeline.transforms];
  let crossings = 0;
  for (const node of [...pipeline.pcollections]) {
    const consumers = transforms.filter(
      (each) =>
        [...each.inputs.values()].includes(node) &&
        topOf(each) !== topOf(node.producer) &&
        !isAssertion(topOf(each)),
    );
    // A window function that only TypeScript knows cannot be told to Python.
    if (consumers.length === 0 || !node.windowing.windowFn.toProto()) continue;
    const crossed = throughPython(pipeline, node);
    crossings += 1;
    for (const { inputs, outputs } of consumers) {
      // A composite may give what it was given.
      for (const table of [inputs, outputs]) {
        for (const [tag, one] of table) if (one === node) table.set(tag, crossed);
      }
    }
  }
  return crossings;
}

function topOf(transform: TransformNode): TransformNode {
  return transform.parent ? topOf(transform.parent) : transform;
}

/** What an assertion is given comes from here: each crossing takes time. */
function isAssertion({ name }: TransformNode): boolean {
  return /^assert/i.test(name);
}

/** In the PCollection's own coder where Python can read it, and as bytes where it cannot. */
function throughPython(pipeline: Pipeline, node: PCollectionNode): PCollectionNode {
  const coder = node.coder;
  const input = new PCollection<unknown>(pipeline, node);
  if (isPortable(coder)) return input.apply(identity(coder)).node;
  return input
    .map((value) => encodeValue(coder, value))
    .apply(withCoder<Uint8Array>(new BytesCoder()))
    .apply(identity<Uint8Array>(new BytesCoder()))
    .map((bytes) => decodeValue(coder, bytes))
    .apply(withCoder(coder)).node;
}

function identity<T>(coder: Coder<T>) {
  return pythonTransform('apache_beam.Map', [pythonCallable('lambda x: x')], {}, { output: coder });
}
