// SPDX-License-Identifier: Apache-2.0
// The join of several PCollections by key.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, JsCoder, type KV, KVCoder } from '../coders/index.ts';
import { P, type PCollection, type PTransformClass } from '../pipeline/index.ts';
import { keySpec, whenKnown } from './fields.ts';
import { flatten } from './flatten.ts';
import { checkGroupable, groupKeyed, keyCoder } from './group-by-key.ts';
import { withLoaded } from './grouped-values.ts';
import { mapStep, transform } from './transform.ts';

type Inputs = { readonly [tag: string]: PCollection<unknown> };
type ElementOf<P> = P extends PCollection<infer T> ? T : never;
type ElementsOf<I extends Inputs> = ElementOf<I[keyof I]>;

/** One key's elements, by the name of the PCollection they came from. */
export interface CoGroup<I extends Inputs, K> {
  key: K;
  values: { [Tag in keyof I]: ElementOf<I[Tag]>[] };
}

/** From one element's place in the inputs and the element. */
type Tagged = KV<number, unknown>;

/**
 * Groups several PCollections by the same key: for each key, the elements of each. They are held in
 * memory, one key at a time.
 *
 * @param key - a field's name, several (the key is an array), or a function, which may be async
 * @throws `INVALID_ARGUMENT` for inputs that are windowed differently
 *
 * @example
 * ```ts
 * P({ users, orders }).apply(coGroupBy('userId')).flatMap(({ values }) => join(values.users, values.orders));
 * ```
 */
export function coGroupBy<I extends Inputs, K>(
  key: (element: ElementsOf<I>) => K | Promise<K>,
): PTransformClass<I, PCollection<CoGroup<I, K>>>;
export function coGroupBy<I extends Inputs, F extends keyof ElementsOf<I> & string>(
  key: F,
): PTransformClass<I, PCollection<CoGroup<I, ElementsOf<I>[F]>>>;
export function coGroupBy<I extends Inputs>(
  key: string | readonly string[],
): PTransformClass<I, PCollection<CoGroup<I, unknown>>>;
export function coGroupBy<I extends Inputs>(
  key: unknown,
): PTransformClass<I, PCollection<CoGroup<I, unknown>>> {
  const { label, keyOf } = keySpec(key, 'key');
  return transform(`coGroupBy${label ? `(${label})` : ''}`, (inputs: I, _pipeline, node) => {
    const tags = Object.keys(inputs);
    if (tags.length === 0) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'coGroupBy was given no PCollections', {
        hint: 'Apply it to an object of them: P({ users, orders }).apply(coGroupBy(…)).',
      });
    }
    const plain = new JsCoder() as Coder<unknown>;
    const coder = new KVCoder(keyCoder<unknown>(), plain as Coder<Tagged>);
    const tagged = tags.map((tag, index) => {
      const input = inputs[tag]!;
      checkGroupable(input, node);
      return input.apply(
        mapStep(
          `tag ${tag}`,
          (element: unknown) =>
            whenKnown(keyOf(element), (key) => ({ key, value: { key: index, value: element } })),
          coder,
        ),
      );
    });
    return P(tagged)
      .apply(flatten())
      .apply(groupKeyed())
      .apply(
        mapStep(
          'byTag',
          ({ key, value }: KV<unknown, Iterable<Tagged>>) =>
            withLoaded(
              value,
              (all) => ({ key, values: sortByTag(tags, all) }) as CoGroup<I, unknown>,
            ),
          plain as Coder<CoGroup<I, unknown>>,
        ),
      );
  });
}

function sortByTag(tags: readonly string[], all: Iterable<Tagged>): Record<string, unknown[]> {
  const values = tags.map((): unknown[] => []);
  for (const { key: index, value } of all) values[index]!.push(value);
  return Object.fromEntries(tags.map((tag, index) => [tag, values[index]!]));
}
