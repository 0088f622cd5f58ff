// SPDX-License-Identifier: Apache-2.0
// The primitive source: one empty element that starts everything else.

import { BytesCoder } from '../coders/index.ts';
import {
  newOutput,
  type PCollection,
  type PTransformClass,
  type Root,
  windowingStrategy,
} from '../pipeline/index.ts';
import { urns } from '../proto/index.ts';
import { transform } from './transform.ts';
import { globalWindows } from './windowings.ts';

/**
 * A PCollection of one element, an empty `Uint8Array`, at the beginning of time in the global
 * window. Sources are made of it.
 */
export function impulse(): PTransformClass<Root, PCollection<Uint8Array>> {
  return transform('impulse', (_root, pipeline, node) => {
    node.spec = { urn: urns.StandardPTransforms_Primitives.IMPULSE };
    return newOutput(pipeline, node, 'main', new BytesCoder(), {
      windowing: windowingStrategy(globalWindows()),
      bounded: true,
    });
  });
}
