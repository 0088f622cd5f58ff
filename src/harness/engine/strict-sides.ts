// SPDX-License-Identifier: Apache-2.0
// Side inputs of a strict plan: all elements share them, and not all of them can be frozen.

import { isDeepStrictEqual } from 'node:util';
import { BeamBridgeError } from '../../base/index.ts';
import { type Coder, encodeValue, ownCopy } from '../../coders/index.ts';
import type { TransformInfo } from './errors.ts';
import { deepFreeze, LARGEST_LOOKED_AT } from './strict.ts';

/** Says whether something has changed since. */
export type HasChanged = () => boolean;

/**
 * Freezes the elements of a side input, and what `toValue` makes of them; undefined where nothing is left that could
 * change.
 */
export function watched(
  elements: readonly unknown[],
  coder: Coder<unknown>,
  toValue: () => unknown,
): { value: unknown; hasChanged: HasChanged | undefined } {
  const isFrozen = deepFreeze(elements);
  const value = toValue();
  const checks: HasChanged[] = [];
  if (!isFrozen) checks.push(elementsChanged(elements, coder));
  // A Map of the elements, or a default in place of them.
  const isOther = typeof value === 'object' && value !== null && value !== elements;
  if (isOther && !elements.includes(value)) checks.push(valueChanged(value));
  if (checks.length === 0) return { value, hasChanged: undefined };
  return { value, hasChanged: () => checks.some((hasChanged) => hasChanged()) };
}

function elementsChanged(elements: readonly unknown[], coder: Coder<unknown>): HasChanged {
  const encoded = () => elements.map((element) => encodeValue(coder, element, true));
  const before = encoded();
  if (before.reduce((sum, { length }) => sum + length, 0) > LARGEST_LOOKED_AT) return () => false;
  return () => {
    try {
      return encoded().some((bytes, i) => Buffer.compare(bytes, before[i]!) !== 0);
    } catch {
      // What cannot be encoded any more is something else than it was.
      return true;
    }
  };
}

function valueChanged(value: unknown): HasChanged {
  if (!(value instanceof Map)) {
    const before = ownCopy(value);
    return () => !isDeepStrictEqual(ownCopy(value), before);
  }
  // Which elements it has; what is in these is looked at by itself.
  const before = [...value];
  return () => {
    if (value.size !== before.length) return true;
    return before.some(([key, inner]) => !value.has(key) || !Object.is(value.get(key), inner));
  };
}

/** @throws BeamBridgeError `INPUT_MUTATED` */
export function changedSide(info: TransformInfo): BeamBridgeError {
  return new BeamBridgeError('INPUT_MUTATED', 'a step changed a side input', {
    ...info,
    hint: 'All elements share it, in this bundle and in others. Change a copy: new Map(side.lookup()), structuredClone(…).',
  });
}
