// SPDX-License-Identifier: Apache-2.0
// Several PCollections as one.

import { BeamBridgeError } from '../base/index.ts';
import type { Coder } from '../coders/index.ts';
import {
  extractName,
  newOutput,
  P,
  type PCollection,
  type Pipeline,
  type PTransformClass,
  Root,
  type TransformNode,
  type WindowFn,
} from '../pipeline/index.ts';
import { urns } from '../proto/index.ts';
import { create } from './create.ts';
import { transform } from './transform.ts';
import { commonCoder, recode, sameCoder } from './with-coder.ts';

/**
 * All elements of several PCollections. Where these are encoded differently, the result holds plain
 * JavaScript values. Of nothing at all, with a root given, it is an empty PCollection.
 *
 * @throws `INVALID_ARGUMENT` for inputs that are windowed differently
 *
 * @example
 * ```ts
 * P([morning, evening]).apply(flatten());
 * ```
 */
export function flatten<T>(): PTransformClass<readonly PCollection<T>[], PCollection<T>> {
  return transform('flatten', (inputs, pipeline, node) => {
    // P([]) applied with a root passes that root on.
    if (inputs instanceof Root) return inputs.apply(create<T>([]));
    const first = inputs[0];
    if (!first) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'flatten was given no PCollections', {
        hint: 'Say which pipeline is meant: P([]).apply(flatten(), root).',
      });
    }
    for (const input of inputs) checkSameWindows(first, input);
    const coder = commonCoder(inputs.map((input) => input.coder)) as Coder<T>;
    if (inputs.every((input) => sameCoder(input.coder, coder))) {
      return union(inputs, pipeline, node, coder);
    }
    const recoded = inputs.map((input, index) => input.apply(recode(`recode${index}`, coder)));
    return P(recoded).apply(
      transform('union', (alike: typeof recoded, _, inner) => union(alike, pipeline, inner, coder)),
    );
  });
}

function union<T>(
  inputs: readonly PCollection<T>[],
  pipeline: Pipeline,
  node: TransformNode,
  coder: Coder<T>,
): PCollection<T> {
  node.spec = { urn: urns.StandardPTransforms_Primitives.FLATTEN };
  return newOutput(pipeline, node, 'main', coder, {
    windowing: inputs[0]!.node.windowing,
    bounded: inputs.every((input) => input.isBounded),
  });
}

function checkSameWindows(a: PCollection<unknown>, b: PCollection<unknown>): void {
  if (a === b || sameWindowFn(a.node.windowing.windowFn, b.node.windowing.windowFn)) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${a.node.name} and ${b.node.name} are windowed differently (${label(a)}, ${label(b)})`,
    { hint: 'Apply the same windowInto(…) to both before.' },
  );
}

function label(pcoll: PCollection<unknown>): string {
  return extractName(pcoll.node.windowing.windowFn) ?? 'a window function';
}

function sameWindowFn(a: WindowFn, b: WindowFn): boolean {
  if (a === b) return true;
  const [left, right] = [a.toProto(), b.toProto()];
  if (!left || !right) return false;
  return (
    left.urn === right.urn &&
    Buffer.compare(left.payload ?? new Uint8Array(), right.payload ?? new Uint8Array()) === 0
  );
}
