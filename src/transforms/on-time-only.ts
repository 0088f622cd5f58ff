// SPDX-License-Identifier: Apache-2.0
// Another trigger for elements that keep the windows they have, as Java's `Window.configure()` sets it:
// a Flatten of one input, whose output says how groupings of it fire. `windowInto` would assign windows
// anew, by timestamps that a step may have moved since.

import { newOutput, type PCollection, windowingStrategy } from '../pipeline/index.ts';
import { urns } from '../proto/index.ts';
import { transform } from './transform.ts';

/**
 * Has what groups the elements of each window tell all of them at once, when the window ends; and for
 * elements that come after it, within the allowed lateness, all of them again.
 */
export function onTimeOnly<T>() {
  return transform('onTimeOnly', (input: PCollection<T>, pipeline, node) => {
    const { windowFn, allowedLateness } = input.node.windowing;
    node.spec = { urn: urns.StandardPTransforms_Primitives.FLATTEN };
    return newOutput(pipeline, node, 'main', input.coder, {
      windowing: windowingStrategy(windowFn, { allowedLateness, accumulationMode: 'accumulating' }),
      bounded: input.isBounded,
    });
  });
}
