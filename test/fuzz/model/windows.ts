// SPDX-License-Identifier: Apache-2.0
// Windows as Beam's model has them, written anew: a start and an end, or null for all of time.

import type { WindowSpec } from '../program.ts';

export type Span = readonly [start: number, end: number] | null;

const END_OF_TIME = Number(9223371950454775n);

export const spanKey = (span: Span): string => (span ? `[${span[0]}, ${span[1]})` : 'GlobalWindow');

/** The last instant of a window. */
export const lastInstant = (span: Span): number => (span ? span[1] - 1 : END_OF_TIME);

/** The windows of an element at `at`. */
export function windowsAt(spec: WindowSpec, at: number): Span[] {
  switch (spec.kind) {
    case 'global':
      return [null];
    case 'fixed': {
      const size = spec.size * 1000;
      const start = Math.floor((at - spec.offset * 1000) / size) * size + spec.offset * 1000;
      return [[start, start + size]];
    }
    case 'sliding': {
      const [size, period] = [spec.size * 1000, spec.period * 1000];
      const spans: Span[] = [];
      for (let start = Math.floor(at / period) * period; start + size > at; start -= period) {
        spans.push([start, start + size]);
      }
      return spans;
    }
    case 'sessions':
      return [[at, at + spec.gap * 1000]];
  }
}

/** Which window of a side input an element in `main` sees: the earliest that holds its last instant. */
export function sideWindow(spec: WindowSpec, main: Span): Span | undefined {
  return windowsAt(spec, lastInstant(main)).at(-1);
}

/** Windows that overlap, put together: from each window's key to the window that it is now part of. */
export function mergedSpans(spans: readonly Span[]): Map<string, Span> {
  const merged = new Map<string, Span>();
  const groups: { spans: Span[]; start: number; end: number }[] = [];
  for (const span of [...spans].sort((a, b) => a![0] - b![0])) {
    const last = groups.at(-1);
    if (last && span![0] < last.end) {
      last.spans.push(span);
      last.end = Math.max(last.end, span![1]);
    } else {
      groups.push({ spans: [span], start: span![0], end: span![1] });
    }
  }
  for (const group of groups) {
    for (const span of group.spans) merged.set(spanKey(span), [group.start, group.end]);
  }
  return merged;
}
