// SPDX-License-Identifier: Apache-2.0
// A function or DoFn that brings its context along, as the official SDK's withContext makes them.

import { BeamBridgeError } from '../base/index.ts';
import { extractName, withName } from './names.ts';

const contexts = new WeakMap<object, unknown>();

/**
 * The same function or DoFn with its context, so that it is applied without one:
 * `map(withContext(fn, { side: singletonSideInput(…) }))` is `map(fn, { side: … })`. The original stays
 * as it is, and may be given other contexts.
 *
 * @param target - a function of an element and a context, or a DoFn
 * @param context - values and parameters, as the second argument of `map` and `parDo`
 * @throws `INVALID_ARGUMENT` when `target` is neither a function nor an object
 *
 * @example
 * ```ts
 * words.map(withContext((word, { seen }) => { seen.increment(); return word; }, { seen: counter('seen') }));
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: a function's own parameter types stay as they are.
export function withContext<T extends ((...args: any[]) => unknown) | object, C>(
  target: T,
  context: C,
): T {
  if ((typeof target !== 'object' && typeof target !== 'function') || target === null) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'withContext was given no function and no DoFn', {
      hint: 'Pass the function first and its context second.',
    });
  }
  const copy = typeof target === 'function' ? copyOfFunction(target) : copyOfDoFn(target);
  const name = extractName(target);
  if (name !== undefined) withName(name, copy);
  contexts.set(copy, context);
  return copy as T;
}

/** The context that {@link withContext} gave, if any. */
export function extractContext(target: unknown): unknown {
  return typeof target === 'object' || typeof target === 'function'
    ? contexts.get(target as object)
    : undefined;
}

// biome-ignore lint/complexity/noBannedTypes: any function at all.
function copyOfFunction(target: Function): object {
  return (...args: unknown[]) => Reflect.apply(target, undefined, args);
}

/** Its methods bound to itself: private fields are found on the original only. */
function copyOfDoFn(target: object): object {
  const copy: Record<string, unknown> = {};
  for (
    let at: object | null = target;
    at && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name === 'constructor' || Object.hasOwn(copy, name)) continue;
      const value: unknown = Reflect.get(target, name);
      copy[name] = typeof value === 'function' ? value.bind(target) : value;
    }
  }
  return copy;
}
