// SPDX-License-Identifier: Apache-2.0
// The events of the streaming run: some in time, some late, some too late for any window.

import { setTimeout as delay } from 'node:timers/promises';

/** A reading of a digit: row `id % rows` of the data. */
export interface Reading {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** By how much a reading may be out of order without being late. Milliseconds. */
export const MAX_DELAY = 1000;
/** How late an element of a window may be. Milliseconds. */
export const ALLOWED_LATENESS = 30_000;
export const WINDOW_SECONDS = 10;
export const WINDOW_PERIOD_SECONDS = 5;

/** After its time each reading is heard of once more. Milliseconds. */
export const REMIND_AFTER = 2000;

const LATE = 8000;
const TOO_LATE = 120_000;

/** Every so many readings one is late, or too late. */
const LATE_EVERY = 50;
const TOO_LATE_EVERY = 500;

export function isTooLate(id: number): boolean {
  return id % TOO_LATE_EVERY === TOO_LATE_EVERY - 1;
}

/** Some milliseconds before now, as the id says. */
function timeOf(id: number): number {
  const now = Date.now();
  if (isTooLate(id)) return now - TOO_LATE;
  if (id % LATE_EVERY === LATE_EVERY - 1) return now - LATE;
  return now - ((id * 37) % MAX_DELAY);
}

export interface EventsOptions {
  /** Readings per second. */
  rate: number;
  /** When the source ends; milliseconds. @default it never does */
  durationMs?: number | undefined;
  /** Readings that come at once, besides: a worker is killed at work on them. */
  burst: { afterMs: number; size: number };
  /** Whether the first reading came through: Python takes its time to start, and no reading is late then. */
  isFlowing(): boolean;
  /** Hears of each reading before it is given. */
  onReading(reading: Reading): void;
  /** Hears that the burst has been given. */
  onBurst(): void;
  /** Hears that the source ends. */
  onEnd(): void;
}

/** Readings at a steady rate until the time is over, or the pipeline. */
export async function* readings(
  { rate, durationMs = Number.POSITIVE_INFINITY, burst, ...on }: EventsOptions,
  signal: AbortSignal,
): AsyncGenerator<Reading> {
  let id = 0;
  let bonus = 0;
  const next = () => {
    const reading = { id, at: timeOf(id) };
    id += 1;
    on.onReading(reading);
    return reading;
  };
  yield next();
  while (!on.isFlowing() && !signal.aborted) await pause(signal);
  const began = Date.now();
  for (;;) {
    const elapsed = Date.now() - began;
    if (elapsed >= durationMs || signal.aborted) return on.onEnd();
    if (bonus === 0 && elapsed >= burst.afterMs) {
      bonus = burst.size;
      for (let i = 0; i < burst.size; i++) yield next();
      on.onBurst();
    }
    while (id - bonus < (elapsed * rate) / 1000) yield next();
    await pause(signal);
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await delay(20, undefined, { signal }).catch(() => {});
}
