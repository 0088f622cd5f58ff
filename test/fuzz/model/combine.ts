// SPDX-License-Identifier: Apache-2.0
// Combines of the reference: group, then work the result out of all values at once.

import { keyOf, numberOf } from '../functions.ts';
import type { Facts } from '../plan.ts';
import type { CombinerName, Step } from '../program.ts';
import { type Element, grouped } from './group.ts';

type CombineStep = Extract<Step, { op: 'combine' }>;

export function resultOf(combiner: CombinerName, numbers: readonly number[]): unknown {
  const sum = numbers.reduce((a, b) => a + b, 0);
  const ascending = [...numbers].sort((a, b) => a - b);
  switch (combiner) {
    case 'sum':
      return sum;
    case 'two':
      // A function of two values knows nothing for none.
      return numbers.length === 0 ? undefined : sum;
    case 'count':
      return numbers.length;
    case 'max':
      return ascending.at(-1);
    case 'min':
      return ascending[0];
    case 'mean':
      return sum / numbers.length;
    case 'toList':
      return ascending;
    case 'top':
      return ascending.slice(-2).reverse();
    case 'own':
      return { sum, values: numbers.length };
  }
}

export function combined(step: CombineStep, input: Element[], facts: Facts): Element[] {
  const isGlobal = step.how === 'globally';
  const groups = grouped(input, facts, (value) =>
    isGlobal ? null : keyOf(step.keys, step.buckets, value),
  );
  const results = groups.map(({ key, values, ...rest }): Element => {
    const result = resultOf(step.combiner, values.map(numberOf));
    return { ...rest, value: isGlobal ? result : { key, result } };
  });
  if (!isGlobal || results.length > 0 || facts.window.kind !== 'global') return results;
  // Of nothing there is a result all the same.
  const at = Number(-9223372036854775n);
  return [{ value: resultOf(step.combiner, []), at, window: null, pane: 'none' }];
}

/** Two combiners of one grouping. */
export function combinedTogether(step: CombineStep, input: Element[], facts: Facts): Element[] {
  const groups = grouped(input, facts, (value) => keyOf(step.keys, step.buckets, value));
  return groups.map(({ key, values, ...rest }) => {
    const numbers = values.map(numberOf);
    return {
      ...rest,
      value: { key, result: resultOf(step.combiner, numbers), n: values.length },
    };
  });
}
