// SPDX-License-Identifier: Apache-2.0
// Which windows there are, straight from their definitions.

import type { Windowing } from './types.ts';

/** The ends of Beam's time, in milliseconds since 1970: microseconds in 64 bits, cut to thousands. */
export const LEAST_TIME = Number(-9_223_372_036_854_775n);
export const GREATEST_TIME = Number(9_223_372_036_854_775n);
/** The global window ends a day before the end of time, so that something may come after it. */
export const GLOBAL_END = GREATEST_TIME - 24 * 60 * 60 * 1000;

/** A window by its first and its last instant. */
export interface RefWindow {
  readonly start: number;
  readonly last: number;
}

export const GLOBAL: RefWindow = { start: LEAST_TIME, last: GLOBAL_END };

const between = (start: number, end: number): RefWindow => ({ start, last: end - 1 });

/** The windows of an element with this timestamp, the earliest first; there may be none. */
export function windowsAt(windowing: Windowing, timestamp: number): RefWindow[] {
  switch (windowing.kind) {
    case 'global':
      return [GLOBAL];
    case 'sessions':
      return [between(timestamp, timestamp + windowing.gap)];
    case 'fixed': {
      const { size, offset = 0 } = windowing;
      const start = offset + Math.floor((timestamp - offset) / size) * size;
      return [between(start, start + size)];
    }
    case 'sliding': {
      const { size, period, offset = 0 } = windowing;
      // Window n begins at offset + n * period; it has the timestamp where start <= t < start + size.
      const found: RefWindow[] = [];
      const newest = Math.floor((timestamp - offset) / period);
      for (let n = newest - Math.ceil(size / period); n <= newest; n++) {
        const start = offset + n * period;
        if (start <= timestamp && timestamp < start + size)
          found.push(between(start, start + size));
      }
      return found;
    }
  }
}

/** Sets of windows that are one, with what each set becomes: those with an instant in common. */
export function merged(windows: readonly RefWindow[]): { from: RefWindow[]; to: RefWindow }[] {
  let groups = windows.map((window) => ({ from: [window], to: window }));
  for (;;) {
    const pair = groups.flatMap((a, i) =>
      groups.slice(i + 1).flatMap((b) => (overlap(a.to, b.to) ? [[a, b] as const] : [])),
    )[0];
    if (!pair) return groups;
    const [a, b] = pair;
    const start = Math.min(a.to.start, b.to.start);
    const last = Math.max(a.to.last, b.to.last);
    const both = { from: [...a.from, ...b.from], to: { start, last } };
    groups = [...groups.filter((group) => group !== a && group !== b), both];
  }
}

function overlap(a: RefWindow, b: RefWindow): boolean {
  return a.start <= b.last && b.start <= a.last;
}

export function nameOf({ start, last }: RefWindow): string {
  return `${start}..${last}`;
}
