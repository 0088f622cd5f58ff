// SPDX-License-Identifier: Apache-2.0
// The element with the greatest timestamp.

import {
  type Coder,
  encodeValue,
  type Instant,
  InstantCoder,
  IterableCoder,
  JsCoder,
  type KV,
  KVCoder,
  keyValue,
} from '../coders/index.ts';
import { type PCollection, type PTransformClass, timestampParam } from '../pipeline/index.ts';
import type { CombineFn } from './combine-fn.ts';
import { combineGlobally } from './combine-globally.ts';
import { combinePerKey } from './combine-per-key.ts';
import { mapStep, transform } from './transform.ts';

/** A value and its timestamp. */
type Timed<V> = KV<V, Instant>;

/**
 * The latest element of each window. Of several with the same timestamp the one whose encoded bytes are
 * the greatest is taken, so that the answer does not depend on how the work was shared.
 *
 * An empty PCollection in the global window gives `undefined`, as `combineGlobally(max)` does.
 *
 * @throws `INVALID_ARGUMENT` as `groupByKey` does
 *
 * @example
 * ```ts
 * temperatures.apply(latestGlobally()).map((now) => console.log(now));
 * ```
 */
export function latestGlobally<T>(): PTransformClass<PCollection<T>, PCollection<T | undefined>> {
  return transform('latestGlobally', (input) => {
    const timed = input.apply(
      mapStep(
        'addTimestamp',
        (value: T, { at }: typeof TIMESTAMP): Timed<T> => ({ key: value, value: at.lookup() }),
        new KVCoder(input.coder, new InstantCoder()),
        TIMESTAMP,
      ),
    );
    return timed.apply(combineGlobally(latest(input.coder)));
  });
}

/**
 * The latest value of each key in each window, as {@link latestGlobally}. Elements are `{key, value}`.
 *
 * @throws `INVALID_ARGUMENT` and `NON_DETERMINISTIC_KEY` as `groupByKey` does
 *
 * @example
 * ```ts
 * readings.map((r) => ({ key: r.sensor, value: r.celsius })).apply(latestPerKey());
 * ```
 */
export function latestPerKey<K, V>(): PTransformClass<
  PCollection<KV<K, V>>,
  PCollection<KV<K, V>>
> {
  return transform('latestPerKey', (input) => {
    const known = input.coder as Coder<unknown>;
    const [key, value] =
      known instanceof KVCoder ? [known.key, known.value] : [new JsCoder(), new JsCoder()];
    const timed = input.apply(
      mapStep(
        'addTimestamp',
        (element: KV<K, V>, { at }: typeof TIMESTAMP): KV<K, Timed<V>> => {
          const { key, value } = keyValue(element);
          return { key, value: { key: value, value: at.lookup() } };
        },
        new KVCoder(key as Coder<K>, new KVCoder(value as Coder<V>, new InstantCoder())),
        TIMESTAMP,
      ),
    );
    const combineFn = latest(value as Coder<V>);
    // No key is without a value, so that the values keep their coder.
    const whole = { ...combineFn, outputCoder: () => value } as CombineFn<Timed<V>, Timed<V>[], V>;
    return timed.apply(combinePerKey<K, Timed<V>, Timed<V>[], V>(whole));
  });
}

const TIMESTAMP = { at: timestampParam() };

function latest<V>(coder: Coder<V>): CombineFn<Timed<V>, Timed<V>[], V | undefined> {
  const add = (best: Timed<V>[], timed: Timed<V>): Timed<V>[] => {
    if (best.length === 0 || isLater(timed, best[0]!, coder)) best[0] = timed;
    return best;
  };
  return {
    beamName: 'latest',
    createAccumulator: () => [],
    addInput: add,
    mergeAccumulators(accumulators) {
      const merged: Timed<V>[] = [];
      for (const [timed] of accumulators) if (timed) add(merged, timed);
      return merged;
    },
    extractOutput: ([timed]) => timed?.key,
    accumulatorCoder: (timed) => new IterableCoder(timed) as Coder<unknown> as Coder<Timed<V>[]>,
  };
}

function isLater<V>(a: Timed<V>, b: Timed<V>, coder: Coder<V>): boolean {
  if (a.value !== b.value) return a.value > b.value;
  return Buffer.compare(encodeValue(coder, a.key), encodeValue(coder, b.key)) > 0;
}
