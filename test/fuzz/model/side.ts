// SPDX-License-Identifier: Apache-2.0
// Side inputs of the reference.

import { amount, amounts } from '../functions.ts';
import type { Facts } from '../plan.ts';
import type { Step } from '../program.ts';
import type { Element } from './group.ts';
import { sideWindow, spanKey } from './windows.ts';

type SideStep = Extract<Step, { op: 'side' }>;

export function withSide(
  step: SideStep,
  input: readonly Element[],
  side: readonly Element[],
  { window: spec }: Facts,
): Element[] {
  return input.map((element) => {
    const window = sideWindow(spec, element.window);
    const seen =
      window === undefined
        ? []
        : side.filter((one) => spanKey(one.window) === spanKey(window)).map(({ value }) => value);
    return {
      ...element,
      value: { value: element.value, side: viewOf(step, seen, spec.kind === 'global') },
    };
  });
}

function viewOf({ how }: SideStep, seen: readonly unknown[], isGlobal: boolean): unknown {
  switch (how) {
    case 'iterable':
    case 'list':
      return amounts(seen);
    case 'singleton':
      // A count, which there is of nothing in the global window only.
      return seen.length > 0 || isGlobal ? seen.length : -1;
    case 'map':
    case 'multimap': {
      const byKey = new Map<number, number[]>();
      for (const value of seen) {
        const key = amount(value) % 3;
        byKey.set(key, [...(byKey.get(key) ?? []), amount(value)]);
      }
      return [...byKey]
        .sort(([a], [b]) => a - b)
        .map(([key, all]) => [key, how === 'map' ? all.length : all.sort((a, b) => a - b)]);
    }
  }
}
