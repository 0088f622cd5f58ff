// SPDX-License-Identifier: Apache-2.0
// The timers that the DoFns of a stage have set: which are due, and how far they hold the watermark.

import { ByteReader, ByteWriter } from '../../../base/index.ts';
import {
  type Coder,
  encodeValue,
  type Instant,
  MAX_TIMESTAMP,
  type Timer,
  type Window,
} from '../../../coders/index.ts';

/** One family of timers of a stage. */
export interface TimerFamily {
  readonly transformId: string;
  readonly timerFamilyId: string;
  readonly inProcessingTime: boolean;
  readonly coder: Coder<Timer<unknown>>;
  readonly key: Coder<unknown>;
  readonly window: Coder<Window>;
}

interface Pending {
  readonly family: TimerFamily;
  readonly timer: Timer<unknown> & { clearBit: false };
  readonly id: string;
}

/** Timers of one family that fire now, encoded. */
export interface Firing {
  readonly transformId: string;
  readonly timerFamilyId: string;
  readonly data: Uint8Array;
  readonly hold: Instant;
}

export class UserTimerStore {
  private readonly pending = new Map<string, Pending>();
  private readonly families: ReadonlyMap<string, TimerFamily>;

  constructor(families: readonly TimerFamily[]) {
    this.families = new Map(families.map((one) => [familyId(one), one]));
  }

  /** Sets and clears what a bundle asked for. */
  apply(transformId: string, timerFamilyId: string, data: Uint8Array): void {
    const family = this.families.get(familyId({ transformId, timerFamilyId }))!;
    const input = new ByteReader(data);
    while (!input.done) {
      const timer = family.coder.decode(input, true);
      for (const window of timer.windows) {
        const id = idOf(family, timer, window);
        // Anew at the end: timers of one instant fire in the order in which they were set.
        this.pending.delete(id);
        if (!timer.clearBit)
          this.pending.set(id, { family, id, timer: { ...timer, windows: [window] } });
      }
    }
  }

  /** Least timestamp that the outputs of waiting timers may have. */
  get hold(): Instant {
    let least = MAX_TIMESTAMP;
    for (const { timer } of this.pending.values()) least = Math.min(least, timer.holdTimestamp);
    return least;
  }

  get nextProcessingTime(): Instant | undefined {
    let least: Instant | undefined;
    for (const { family, timer } of this.pending.values()) {
      if (family.inProcessingTime && (least === undefined || timer.fireTimestamp < least)) {
        least = timer.fireTimestamp;
      }
    }
    return least;
  }

  isDue(watermark: Instant, now: Instant): boolean {
    for (const one of this.pending.values()) if (dueAt(one, watermark, now)) return true;
    return false;
  }

  /** Takes out the timers that are due, the earliest instant of each key first. */
  takeDue(watermark: Instant, now: Instant): Firing[] {
    const due = [...this.pending.values()].filter((one) => dueAt(one, watermark, now));
    due.sort((a, b) => a.timer.fireTimestamp - b.timer.fireTimestamp);
    // A later timer of a key waits for its next turn: what an earlier one does may take it back.
    const seen = new Map<string, Instant>();
    const firings: Firing[] = [];
    for (const { family, timer, id } of due) {
      const key = keyOf(family, timer, timer.windows[0]!);
      const earlier = seen.get(key);
      if (earlier !== undefined && earlier < timer.fireTimestamp) continue;
      seen.set(key, timer.fireTimestamp);
      this.pending.delete(id);
      const out = new ByteWriter(64);
      family.coder.encode(timer, out, true);
      const { transformId, timerFamilyId } = family;
      firings.push({ transformId, timerFamilyId, hold: timer.holdTimestamp, data: out.take() });
    }
    return firings;
  }

  /** Drops the timers of windows that have expired. */
  expire(watermark: Instant, allowedLateness: number): void {
    for (const [id, { timer }] of this.pending) {
      const [window] = timer.windows as readonly [Window];
      if (window.maxTimestamp() + allowedLateness < watermark && timer.fireTimestamp > watermark) {
        this.pending.delete(id);
      }
    }
  }
}

function dueAt({ family, timer }: Pending, watermark: Instant, now: Instant): boolean {
  // At the end of all input no later moment comes.
  if (family.inProcessingTime) return timer.fireTimestamp <= now || watermark >= MAX_TIMESTAMP;
  return timer.fireTimestamp <= watermark;
}

function familyId({
  transformId,
  timerFamilyId,
}: Pick<TimerFamily, 'transformId' | 'timerFamilyId'>) {
  return `${transformId}\u{10ffff}${timerFamilyId}`;
}

function keyOf(family: TimerFamily, timer: Timer<unknown>, window: Window): string {
  return [
    family.transformId,
    latin1(family.window, window),
    latin1(family.key, timer.userKey),
  ].join('\u{10ffff}');
}

function idOf(family: TimerFamily, timer: Timer<unknown>, window: Window): string {
  return [family.timerFamilyId, timer.dynamicTimerTag, keyOf(family, timer, window)].join(
    '\u{10ffff}',
  );
}

function latin1<T>(coder: Coder<T>, value: T): string {
  return Buffer.from(encodeValue(coder, value, true)).toString('latin1');
}
