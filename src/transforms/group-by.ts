// SPDX-License-Identifier: Apache-2.0
// groupBy and groupGlobally: groupings by a field, by several, by an expression, or of everything.

import { type Coder, IterableCoder, type KV, KVCoder } from '../coders/index.ts';
import type { PCollection, TransformNode } from '../pipeline/index.ts';
import { type KeySpec, keySpec, whenKnown } from './fields.ts';
import { combiningInto } from './group-and-combine.ts';
import { checkGroupable, groupKeyed, keyCoder } from './group-by-key.ts';
import { withLoaded } from './grouped-values.ts';
import type {
  Fields,
  GroupAll,
  GroupAllKnown,
  GroupByExpression,
  GroupByFields,
} from './grouping-types.ts';
import { callable, mapStep } from './transform.ts';

/**
 * Groups elements by a field, by several fields, or by what a function gives for each. Followed by
 * `combining(…)` it reduces each group to one row instead.
 *
 * @param key - a field's name (the key is its value), names (the key is an array), or a function, which
 *   may be async
 * @throws `INVALID_ARGUMENT` when `key` is none of these
 *
 * @example
 * ```ts
 * orders.apply(groupBy('shop')).map(({ key, value }) => `${key}: ${[...value].length}`);
 * orders.apply(
 *   groupBy('shop').combining('price', sum, 'total').combining('price', max, 'dearest'),
 * ); // { shop, total, dearest }
 * ```
 */
export function groupBy<const F extends Fields>(key: F): GroupByFields<F>;
/**
 * @param keyName - what the key is called in combined rows when `key` is a function.
 *   @default `'key'`
 */
export function groupBy<T, K, N extends string = 'key'>(
  key: (element: T) => K | Promise<K>,
  keyName?: N,
): GroupByExpression<T, K, { [P in N]: K }>;
export function groupBy(
  key: Fields | ((element: never) => unknown),
  keyName = 'key',
): GroupByFields<Fields> | GroupByExpression<unknown, unknown, unknown> {
  const spec = keySpec(key, keyName);
  const name = `groupBy${spec.label ? `(${spec.label})` : ''}`;
  const expand = (input: PCollection<unknown>, _: unknown, node: TransformNode) => {
    checkGroupable(input, node);
    const coder = new KVCoder(keyCoder<unknown>(), input.coder);
    return input
      .apply(
        mapStep(
          'extractKey',
          (value: unknown) => whenKnown(spec.keyOf(value), (key) => ({ key, value })),
          coder,
        ),
      )
      .apply(groupKeyed());
  };
  const combining = combiningInto(name, spec, []);
  return callable(name, expand, { combining }) as unknown as GroupByFields<Fields>;
}

/** Stands for a type argument that the caller left out. */
interface NotGiven {
  readonly notGiven: never;
}

/**
 * Groups all elements of a window together, which leaves no work to share among workers. Followed by
 * `combining(…)` it reduces them to one row, and then most of the work is shared.
 *
 * Of an empty PCollection it gives nothing: see `combineGlobally` for a result even then.
 *
 * @example
 * ```ts
 * words.apply(groupGlobally<string>().combining((w) => w.length, mean, 'meanLength'));
 * ```
 */
export function groupGlobally<T = NotGiven>(): T extends NotGiven ? GroupAll : GroupAllKnown<T> {
  const spec: KeySpec = { keyOf: () => null, label: '', fields: [], addTo: () => {} };
  const expand = (input: PCollection<unknown>, _: unknown, node: TransformNode) => {
    checkGroupable(input, node);
    const coder = new KVCoder(keyCoder<unknown>(), input.coder);
    const values = new IterableCoder(input.coder) as Coder<Iterable<unknown>>;
    return input
      .apply(mapStep('addKey', (value: unknown) => ({ key: null, value }), coder))
      .apply(groupKeyed())
      .apply(
        mapStep(
          'dropKey',
          ({ value }: KV<null, Iterable<unknown>>) => withLoaded(value, (all) => all),
          values,
        ),
      );
  };
  const combining = combiningInto('groupGlobally', spec, []);
  return callable('groupGlobally', expand, { combining }) as unknown as T extends NotGiven
    ? GroupAll
    : GroupAllKnown<T>;
}
