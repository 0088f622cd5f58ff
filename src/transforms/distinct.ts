// SPDX-License-Identifier: Apache-2.0
// Elements without their repetitions.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, JsCoder, type KV, KVCoder } from '../coders/index.ts';
import {
  type PCollection,
  type PTransformClass,
  paneInfoParam,
  type TransformNode,
} from '../pipeline/index.ts';
import type { CombineFn } from './combine-fn.ts';
import { combineKeyed } from './combine-per-key.ts';
import { checkGroupable, withKeyCoder } from './group-by-key.ts';
import { flatMapStep, mapStep, transform } from './transform.ts';

/** Combines before the data is moved, so that an element goes over the wire once for each worker. */
const nothing: CombineFn<null, null, null> = {
  beamName: 'nothing',
  createAccumulator: () => null,
  addInput: () => null,
  mergeAccumulators: () => null,
  extractOutput: () => null,
};

/**
 * Each element once in each window. Elements are equal as keys are: see {@link groupByKey}.
 *
 * With a trigger that fires several times an element comes in the first pane in which it is, and in no
 * later one, as Java's Distinct has it.
 *
 * @throws `NON_DETERMINISTIC_KEY` and `INVALID_ARGUMENT` as `groupByKey` does
 * @throws `UNSUPPORTED` for windows that merge with a trigger or an allowed lateness, as in Java: a session that
 *   fired and grows is another window, whose first pane would repeat what came
 *
 * @example
 * ```ts
 * visits.map((visit) => visit.user).apply(distinct());
 * ```
 */
export function distinct<T>(): PTransformClass<PCollection<T>, PCollection<T>> {
  return transform('distinct', (input, _pipeline, node) => {
    checkGroupable(input, node);
    checkMerging(input, node);
    const pairs = input.apply(
      mapStep(
        'addNothing',
        (key: T): KV<T, null> => ({ key, value: null }),
        new KVCoder(input.coder, new JsCoder() as Coder<unknown> as Coder<null>),
      ),
    );
    const combined = withKeyCoder(pairs).apply(combineKeyed(nothing));
    // Where there is one pane it is the first; not every runner says so of windows that were merged.
    if (firesOnce(input)) {
      return combined.apply(mapStep('key', ({ key }: KV<T, null>) => key, input.coder));
    }
    const context = { pane: paneInfoParam() };
    return combined.apply(
      flatMapStep(
        'firstPane',
        ({ key }: KV<T, null>, { pane }: typeof context) => (pane.lookup().isFirst ? [key] : []),
        input.coder,
        context,
      ),
    );
  });
}

/** Whether each key of a window comes out once. */
function firesOnce({ node }: PCollection<unknown>): boolean {
  const { trigger, allowedLateness } = node.windowing;
  return trigger.trigger?.case === 'default' && allowedLateness === 0;
}

function checkMerging(input: PCollection<unknown>, node: TransformNode): void {
  if (firesOnce(input) || !input.node.windowing.windowFn.isMerging()) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    'distinct in windows that merge, with a trigger or an allowed lateness, would repeat elements',
    {
      ...node.errorDetails,
      hint: 'Use fixed or sliding windows, or sessions with the default trigger and no allowedLateness.',
    },
  );
}
