// SPDX-License-Identifier: Apache-2.0
// Reductions of a whole PCollection to one value.

import { type Coder, JsCoder, type KV, KVCoder } from '../coders/index.ts';
import {
  labelled,
  P,
  type PCollection,
  type PTransformClass,
  type SideInputParam,
} from '../pipeline/index.ts';
import type { CombineFn, SelectingCombineFn } from './combine-fn.ts';
import { type Combiner, combineKeyed, toCombineFn } from './combine-per-key.ts';
import { count } from './combiners.ts';
import { flatten } from './flatten.ts';
import { groupBy } from './group-by.ts';
import { checkGroupable, keyCoder } from './group-by-key.ts';
import { impulse } from './impulse.ts';
import { iterableSideInput } from './side-inputs.ts';
import { flatMapStep, mapStep, transform } from './transform.ts';
import { isGlobal } from './windowings.ts';

/**
 * Combines all elements of each window to one.
 *
 * An empty PCollection in the global window gives what the combiner makes of no values (0 for `sum`
 * and `count`, `undefined` for `max`). In other windows nothing comes of windows without elements.
 * Source: https://beam.apache.org/documentation/programming-guide/#combine
 *
 * @throws `INVALID_ARGUMENT` when `combiner` is neither a combiner nor a function of two values
 *
 * @example
 * ```ts
 * prices.apply(combineGlobally(mean));
 * ```
 */
export function combineGlobally<T>(
  combiner: SelectingCombineFn | ((a: T, b: T) => T),
): PTransformClass<PCollection<T>, PCollection<T | undefined>>;
export function combineGlobally<I, A, O>(
  combiner: CombineFn<I, A, O>,
): PTransformClass<PCollection<I>, PCollection<O>>;
export function combineGlobally<I, O>(
  combiner: Combiner<I, unknown, O>,
): PTransformClass<PCollection<I>, PCollection<O>> {
  return named(labelled('combineGlobally', combiner), toCombineFn(combiner, 'combineGlobally'));
}

function named<I, A, O>(name: string, combineFn: CombineFn<I, A, O>) {
  return transform(name, (input: PCollection<I>, _pipeline, node) => {
    checkGroupable(input, node);
    const combined = input
      .apply(
        mapStep(
          'addKey',
          (value: I): KV<null, I> => ({ key: null, value }),
          new KVCoder(keyCoder<null>(), input.coder),
        ),
      )
      .apply(combineKeyed(combineFn));
    const output =
      combineFn.outputCoder?.(input.coder) ?? (new JsCoder() as Coder<unknown> as Coder<O>);
    const results = combined.apply(mapStep('dropKey', ({ value }: KV<null, O>) => value, output));
    if (!input.isBounded || !isGlobal(input.node.windowing.windowFn)) return results;
    return P([results, ofNothing(input, combineFn, results)]).apply(flatten());
  });
}

/** What the combiner makes of no values, if there was no result. */
function ofNothing<I, A, O>(
  input: PCollection<I>,
  combineFn: CombineFn<I, A, O>,
  results: PCollection<O>,
): PCollection<O> {
  return input
    .root()
    .apply(impulse())
    .apply(
      flatMapStep(
        'ofNothing',
        (_: Uint8Array, { results }: { results: SideInputParam<O, Iterable<O>> }) => {
          for (const _result of results.lookup()) return [];
          return [combineFn.extractOutput(combineFn.createAccumulator())];
        },
        results.coder,
        { results: iterableSideInput(results) },
      ),
    );
}

/** How many elements there are: 0 of an empty PCollection in the global window. */
export function countGlobally<T>(): PTransformClass<PCollection<T>, PCollection<number>> {
  return named<T, number, number>('countGlobally', count);
}

/**
 * How often each element occurs. Elements are equal as keys are: see `groupByKey`.
 *
 * @example
 * ```ts
 * words.apply(countPerElement()).map(({ element, count }) => `${element}: ${count}`);
 * ```
 */
export function countPerElement<T>(): PTransformClass<
  PCollection<T>,
  PCollection<{ element: T; count: number }>
> {
  return transform('countPerElement', (input) =>
    input.apply(
      groupBy((element: T) => element, 'element').combining(
        (element: T) => element,
        count as CombineFn<T, number, number>,
        'count',
      ),
    ),
  );
}
