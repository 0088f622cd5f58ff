// SPDX-License-Identifier: Apache-2.0
// Side inputs: whole PCollections as values beside each element.

import { BeamBridgeError } from '../base/index.ts';
import { describeValue, type KV, keyValue } from '../coders/index.ts';
import { type PCollection, SideInputParam } from '../pipeline/index.ts';

/**
 * All elements of the window, in no particular order.
 *
 * @example
 * ```ts
 * words.filter((word, { stop }) => ![...stop.lookup()].includes(word), {
 *   stop: iterableSideInput(stopWords),
 * });
 * ```
 */
export function iterableSideInput<T>(pcoll: PCollection<T>): SideInputParam<T, Iterable<T>> {
  return new SideInputParam<T, Iterable<T>>(pcoll, Object.freeze);
}

/**
 * All elements of the window in an array, in no particular order. All elements of the main input see the
 * same one, so it is frozen: sort a copy, `[...all.lookup()].sort()`.
 */
export function listSideInput<T>(pcoll: PCollection<T>): SideInputParam<T, readonly T[]> {
  return new SideInputParam<T, readonly T[]>(pcoll, Object.freeze);
}

/**
 * The only element of the window.
 *
 * @param defaultValue - in place of the element where there is none
 * @throws `INVALID_ARGUMENT` at run time for several elements, or for none without a default
 *
 * @example
 * ```ts
 * prices.map((price, { total }) => price / total.lookup(), { total: singletonSideInput(sumOfPrices) });
 * ```
 */
export function singletonSideInput<T>(
  pcoll: PCollection<T>,
  ...defaultValue: [defaultValue?: T]
): SideInputParam<T, T> {
  return new SideInputParam<T, T>(pcoll, (elements) => {
    if (elements.length === 1) return elements[0] as T;
    // The official SDK takes an undefined default for none.
    if (elements.length === 0 && defaultValue[0] !== undefined) return defaultValue[0];
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `singletonSideInput of ${pcoll.node.name} found ${elements.length} elements, not one`,
      {
        hint:
          elements.length === 0
            ? 'Give a default as its second argument, or check why nothing arrives there.'
            : (olderValues(pcoll) ?? 'Combine them to one first, or use iterableSideInput.'),
      },
    );
  });
}

/**
 * Key-values of the window as a `Map` with one value for each key.
 *
 * @throws `INVALID_ARGUMENT` at run time for a key with two values, or a key that is an object;
 *   `CODER_MISMATCH` for an element that is no key-value
 */
export function mapSideInput<K, V>(
  pcoll: PCollection<KV<K, V>>,
): SideInputParam<KV<K, V>, ReadonlyMap<K, V>> {
  return new SideInputParam<KV<K, V>, ReadonlyMap<K, V>>(pcoll, (elements) => {
    const map = new Map<K, V>();
    for (const element of elements) {
      const { key, value } = pairOf('mapSideInput', pcoll, element);
      checkKey('mapSideInput', pcoll, key);
      if (map.has(key)) {
        throw new BeamBridgeError(
          'INVALID_ARGUMENT',
          `mapSideInput of ${pcoll.node.name} found two values for the key ${describeValue(key)}`,
          { hint: olderValues(pcoll) ?? 'Combine them first, or use multimapSideInput.' },
        );
      }
      map.set(key, value);
    }
    return map;
  });
}

/**
 * Key-values of the window as a `Map` from each key to all its values.
 *
 * @throws `INVALID_ARGUMENT` at run time for a key that is an object; `CODER_MISMATCH` for an element that is
 *   no key-value
 */
export function multimapSideInput<K, V>(
  pcoll: PCollection<KV<K, V>>,
): SideInputParam<KV<K, V>, ReadonlyMap<K, readonly V[]>> {
  return new SideInputParam<KV<K, V>, ReadonlyMap<K, readonly V[]>>(pcoll, (elements) => {
    const map = new Map<K, V[]>();
    for (const element of elements) {
      const { key, value } = pairOf('multimapSideInput', pcoll, element);
      checkKey('multimapSideInput', pcoll, key);
      const values = map.get(key);
      if (values) values.push(value);
      else map.set(key, [value]);
    }
    for (const values of map.values()) Object.freeze(values);
    return map;
  });
}

/** What to do where each pane holds the values of those before it as well, so that combining does not help. */
function olderValues(pcoll: PCollection<unknown>): string | undefined {
  if (pcoll.node.windowing.accumulationMode !== 'accumulating') return undefined;
  return "Its panes accumulate: older values stay beside newer ones. A windowInto(…, { trigger, accumulationMode: 'discarding' }) after the combining leaves the newest pane.";
}

/** @throws `CODER_MISMATCH` for what is no key-value, as in front of a grouping */
function pairOf<T>(what: string, pcoll: PCollection<unknown>, element: T): T {
  try {
    return keyValue(element);
  } catch (error) {
    throw BeamBridgeError.from(error).with({
      detail: `it is of the ${what} of ${pcoll.node.name}`,
    });
  }
}

/** A Map finds objects by identity, which an element that has travelled no longer has. */
function checkKey(what: string, pcoll: PCollection<unknown>, key: unknown): void {
  if (typeof key !== 'object' || key === null) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${what} of ${pcoll.node.name} found the key ${describeValue(key)}, which could not be looked up`,
    { hint: 'Use text or numbers as keys, for example JSON.stringify of the object.' },
  );
}
