// SPDX-License-Identifier: Apache-2.0
// Elements in the windows that theirs become when they merge, as sessions do: a window of a file is one of its destination.

import { type KV, KVCoder, StrUtf8Coder } from '../../coders/index.ts';
import { type PCollection, windowingStrategy } from '../../pipeline/index.ts';
import { eachValue, flatMapStep, groupByKey, mapStep } from '../../transforms/index.ts';
import type { Destination } from './destinations.ts';

/** The elements of what has an end, each with its destination and in the window that is its destination's. */
export function bySession<T>(
  input: PCollection<T>,
  destination: Destination<T> = () => '',
): PCollection<KV<string, T>> {
  const coder = new KVCoder(new StrUtf8Coder(), input.coder);
  const keyed = input.apply(
    mapStep('byDestination', (value: T) => ({ key: destination(value), value }), coder),
  );
  // All of it comes in one pane, whatever the trigger: an accumulating one would give elements twice.
  keyed.node.windowing = windowingStrategy(input.node.windowing.windowFn);
  return keyed
    .apply(groupByKey())
    .apply(
      flatMapStep(
        'apart',
        ({ key, value }: KV<string, Iterable<T>>) =>
          eachValue(value, (one) => ({ key, value: one })),
        coder,
      ),
    );
}
