// SPDX-License-Identifier: Apache-2.0
// State and timers, outputs with timestamps or tags of their own, and splittable DoFns.

import { amount, isOdd, sorted, stateKey } from '../functions.ts';
import type { Facts } from '../plan.ts';
import type { Step } from '../program.ts';
import type { Element } from './group.ts';
import { lastInstant, type Span, spanKey } from './windows.ts';

type StateStep = Extract<Step, { op: 'state' }>;

/** For each key and window what its state comes to, told when its timers fire. */
export function stateful(step: StateStep, input: readonly Element[]): Element[] {
  const cells = new Map<string, { key: string; window: Span; values: unknown[] }>();
  for (const { value, window } of input) {
    const key = stateKey(value, step.buckets);
    const cell = cells.get(`${key} ${spanKey(window)}`) ?? { key, window, values: [] };
    cells.set(`${key} ${spanKey(window)}`, cell);
    cell.values.push(value);
  }
  return [...cells.values()].flatMap(({ key, window, values }) => {
    const result = stateOf(step, values);
    return firings(step, window, values).map(({ at, tag }) => ({
      value: { key, tag, result },
      at,
      window,
      pane: 'none' as const,
    }));
  });
}

function firings(
  { timer }: StateStep,
  window: Span,
  values: readonly unknown[],
): { at: number; tag: string }[] {
  const end = lastInstant(window);
  if (timer === 'tags') {
    const tags = new Set(values.map((value) => (isOdd(value) ? 'odd' : 'even')));
    return [...tags].map((tag) => ({ at: end, tag }));
  }
  // In the global window the times before the last one are not exact.
  if (timer === 'end' || window === null) return [{ at: end, tag: '' }];
  return [
    { at: end - 5, tag: '' },
    { at: end, tag: '' },
  ];
}

function stateOf({ how }: StateStep, values: readonly unknown[]): unknown {
  const all = values.map(amount).sort((a, b) => a - b);
  switch (how) {
    case 'bag':
      return sorted(values);
    case 'combining':
      return all.reduce((a, b) => a + b, 0);
    case 'value':
      return Math.max(...all);
    case 'set':
      return [...new Set(all.map((n) => n % 5))].sort();
    case 'map':
      return [...new Set(all.map((n) => n % 3))].sort().map((key) => [key, key * 2]);
    case 'multimap':
      return [0, 1, 2].map((key) => all.filter((n) => n % 3 === key));
    case 'list':
      return all.filter((n) => n >= 100 && n < 900);
  }
}

type EmitStep = Extract<Step, { op: 'emit' }>;

export function emitted(
  { how }: EmitStep,
  input: readonly Element[],
  { hasTimes }: Facts,
): Element[] {
  const isTimed = how.includes('timestamped') && hasTimes;
  return input.map((element) => {
    const isTagged = how.includes('tagged') && isOdd(element.value);
    return {
      ...element,
      value: { from: isTagged ? 'odd' : 'main', value: element.value },
      at: element.at + (isTimed ? 1 : 0),
    };
  });
}

type SplittableStep = Extract<Step, { op: 'splittable' }>;

export function claimed({ most }: SplittableStep, input: readonly Element[]): Element[] {
  return input.flatMap((element) =>
    Array.from({ length: amount(element.value) % (most + 1) }, (_, i) => ({
      ...element,
      value: { of: element.value, i },
    })),
  );
}
