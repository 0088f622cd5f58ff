// SPDX-License-Identifier: Apache-2.0
// Groupings of the reference: by the text of a key and the window, after windows have merged.

import { canon } from '../canon.ts';
import { sorted } from '../functions.ts';
import type { Facts } from '../plan.ts';
import { lastInstant, mergedSpans, type Span, spanKey } from './windows.ts';

export interface Element {
  readonly value: unknown;
  readonly at: number;
  readonly window: Span;
  readonly pane: 'none' | 'only';
}

export const ONLY_PANE = 'only';

export interface Group extends Omit<Element, 'value'> {
  readonly key: unknown;
  readonly values: unknown[];
}

export function grouped(
  input: readonly Element[],
  { window: spec, stamp }: Facts,
  keyFn: (value: unknown) => unknown,
): Group[] {
  const byKey = new Map<string, { key: unknown; elements: Element[] }>();
  for (const element of input) {
    const key = keyFn(element.value);
    const text = canon(key);
    const entry = byKey.get(text) ?? { key, elements: [] };
    byKey.set(text, entry);
    entry.elements.push(element);
  }
  const groups: Group[] = [];
  for (const { key, elements } of byKey.values()) {
    const merged =
      spec.kind === 'sessions' ? mergedSpans(elements.map(({ window }) => window)) : undefined;
    const byWindow = new Map<string, { window: Span; elements: Element[] }>();
    for (const element of elements) {
      const window = merged ? merged.get(spanKey(element.window))! : element.window;
      const entry = byWindow.get(spanKey(window)) ?? { window, elements: [] };
      byWindow.set(spanKey(window), entry);
      entry.elements.push(element);
    }
    for (const { window, elements: together } of byWindow.values()) {
      groups.push({
        key,
        window,
        values: together.map(({ value }) => value),
        at: stampOf(stamp, window, together),
        pane: ONLY_PANE,
      });
    }
  }
  return groups;
}

function stampOf(stamp: Facts['stamp'], window: Span, elements: readonly Element[]): number {
  const times = elements.map(({ at }) => at);
  if (stamp === 'earliest') return Math.min(...times);
  return stamp === 'latest' ? Math.max(...times) : lastInstant(window);
}

export function coGrouped(
  inputs: readonly Element[][],
  facts: Facts,
  keyFn: (value: unknown) => unknown,
): Element[] {
  const all = inputs.flatMap((input, index) =>
    input.map((element) => ({ ...element, value: { index, value: element.value } })),
  );
  const groups = grouped(all, facts, (tagged) => keyFn((tagged as { value: unknown }).value));
  return groups.map(({ key, values, ...rest }) => {
    const tagged = values as { index: number; value: unknown }[];
    const each = inputs.map((_, index) =>
      sorted(tagged.filter((one) => one.index === index).map(({ value }) => value)),
    );
    return { ...rest, value: { key, each } };
  });
}
