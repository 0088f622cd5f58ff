// SPDX-License-Identifier: Apache-2.0
// The timers that the DoFns of a stage have set: which are due, and how far they hold the watermark.
// A step of the engine takes no longer for many waiting timers than for few.

import { ByteReader, ByteWriter, yieldIfDue } from '../../../base/index.ts';
import {
  BytesOf,
  type Coder,
  type Instant,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  type Timer,
  type Window,
} from '../../../coders/index.ts';
import type { MaybePromise } from '../../../harness/index.ts';
import { windowExpiry } from '../../../pipeline/index.ts';
import { type PendingTimer, TimerQueue } from './timer-queue.ts';

/** One family of timers of a stage. */
export interface TimerFamily {
  readonly transformId: string;
  readonly timerFamilyId: string;
  readonly inProcessingTime: boolean;
  readonly coder: Coder<Timer<unknown>>;
  readonly key: Coder<unknown>;
  readonly window: Coder<Window>;
}

/** Timers of one family that fire now, encoded. */
export interface Firing {
  readonly transformId: string;
  readonly timerFamilyId: string;
  readonly data: Uint8Array;
  readonly hold: Instant;
}

/** A family, and what tells its keys and windows apart. */
interface Family {
  readonly family: TimerFamily;
  readonly keyIds: BytesOf<unknown>;
  readonly windowIds: BytesOf<Window>;
}

/** What a stage's timers have in common. */
export interface TimerOptions {
  /** Of the windows, in milliseconds. @default 0 */
  readonly allowedLateness?: number;
  /** By how much processing time is ahead of the clock by which timers are set. @default 0 */
  readonly ahead?: () => number;
  /** Hears of timers that do what cannot be meant. */
  readonly warn?: (message: string) => void;
}

/** So many timers that are set when all input has ended are probably a loop. */
const MANY_AFTER_END = 100_000;
const SEPARATOR = '\u{10ffff}';
/** Timers between looks at the clock. */
const TIMERS_PER_LOOK = 256;

export class UserTimerStore {
  private readonly families: ReadonlyMap<string, Family>;
  private readonly event = new TimerQueue(hasPassed);
  private readonly processing = new TimerQueue((time, now) => time <= now);
  private readonly allowedLateness: number;
  private readonly ahead: () => number;
  private readonly warn: (message: string) => void;
  private readonly warned = new Set<string>();
  /** How far it was looked whether timers are due. */
  private watermark = MIN_TIMESTAMP;
  private setAfterEnd = 0;

  constructor(
    families: readonly TimerFamily[],
    { allowedLateness = 0, ahead = () => 0, warn = () => {} }: TimerOptions = {},
  ) {
    this.ahead = ahead;
    this.allowedLateness = allowedLateness;
    this.warn = warn;
    this.families = new Map(
      families.map((family) => {
        const keyIds = new BytesOf(family.key);
        const windowIds = new BytesOf(family.window);
        return [familyId(family), { family, keyIds, windowIds }];
      }),
    );
  }

  /** How many timers wait. */
  get size(): number {
    return this.event.size + this.processing.size;
  }

  /** Sets and clears what a bundle asked for. A promise while there is much of it. */
  apply(transformId: string, timerFamilyId: string, data: Uint8Array): MaybePromise<void> {
    return this.applyFrom(new ByteReader(data), transformId, timerFamilyId);
  }

  private applyFrom(
    input: ByteReader,
    transformId: string,
    timerFamilyId: string,
  ): MaybePromise<void> {
    const { family, keyIds, windowIds } = this.families.get(
      familyId({ transformId, timerFamilyId }),
    )!;
    for (let count = 1; !input.done; count++) {
      const timer = family.coder.decode(input, true);
      const key = keyIds.of(timer.userKey);
      for (const window of timer.windows) {
        this.change(family, timer, window, `${windowIds.of(window)}${SEPARATOR}${key}`);
      }
      const turn = count % TIMERS_PER_LOOK === 0 ? yieldIfDue() : undefined;
      if (turn) return turn.then(() => this.applyFrom(input, transformId, timerFamilyId));
    }
  }

  private change(
    family: TimerFamily,
    timer: Timer<unknown>,
    window: Window,
    windowAndKey: string,
  ): void {
    const expiry = windowExpiry(window, this.allowedLateness);
    const isLive = !timer.clearBit;
    if (family.inProcessingTime) {
      const isOver = expiry < this.watermark || this.watermark >= MAX_TIMESTAMP;
      if (isLive && isOver) {
        this.warnOnce(
          family,
          'is set where its window is over, as at the end of the input: it is ignored. What has to come out then belongs to an event-time timer at window.maxTimestamp()',
        );
      } else {
        const steady = later(only(timer, window), this.ahead());
        this.processing.change(family, steady, windowAndKey, expiry);
      }
      return;
    }
    if (isLive && this.watermark >= MAX_TIMESTAMP) this.countAfterEnd(family);
    const last = within(only(timer, window), expiry);
    // The state that it finds is there until its window is over, and goes then.
    const time = last.clearBit ? undefined : Math.min(last.fireTimestamp, expiry);
    this.event.change(family, last, windowAndKey, expiry, time);
  }

  private countAfterEnd(family: TimerFamily): void {
    this.setAfterEnd += 1;
    if (this.setAfterEnd !== MANY_AFTER_END) return;
    this.warnOnce(
      family,
      `was set ${MANY_AFTER_END} times since the input has ended. One that always sets itself again goes on to the end of its window, which for the global window is some 290,000 years away: stop when there is nothing to wait for`,
    );
  }

  private warnOnce({ timerFamilyId }: TimerFamily, what: string): void {
    if (this.warned.has(timerFamilyId)) return;
    this.warned.add(timerFamilyId);
    // Its id also names the transform, which the warning says anyway.
    this.warn(`timer ${timerFamilyId.replace(/ of .*$/s, '')} ${what}`);
  }

  /** Least timestamp that the outputs of waiting timers may have. */
  get hold(): Instant {
    return Math.min(this.event.hold, this.processing.hold, MAX_TIMESTAMP);
  }

  get nextProcessingTime(): Instant | undefined {
    return this.processing.next;
  }

  isDue(watermark: Instant, now: Instant): boolean {
    this.watermark = Math.max(this.watermark, watermark);
    return (
      this.event.isDue(watermark) ||
      this.processing.isDue(latest(watermark, now)) ||
      this.processing.isOver(watermark)
    );
  }

  /**
   * Takes out timers that are due: of each key and window those of its earliest instant. A later one
   * waits for its next turn, since what an earlier one does may take it back; so do all of the other
   * time domain. One in processing time is due too when its window is over: its state goes then.
   *
   * @param mostKeys - so many keys and windows; the others are next
   */
  takeDue(watermark: Instant, now: Instant, mostKeys?: number): Firing[] {
    this.watermark = Math.max(this.watermark, watermark);
    const out = new ByteWriter();
    return this.due(watermark, now, mostKeys).map((timer) => firing(timer, out));
  }

  private due(watermark: Instant, now: Instant, mostKeys?: number): PendingTimer[] {
    const { event, processing } = this;
    if (event.isDue(watermark)) return event.takeDue(watermark, mostKeys);
    const time = latest(watermark, now);
    const due = processing.isDue(time)
      ? processing.takeDue(time, mostKeys)
      : processing.takeOver(watermark, mostKeys);
    // Its function may count on from there, by the clock that it sees.
    const ahead = this.ahead();
    return ahead === 0 ? due : due.map((one) => ({ ...one, timer: later(one.timer, -ahead) }));
  }
}

/**
 * A watermark says that all before it is there: elements of the very instant may still come, and come
 * before its timers. So do Java's runners.
 */
function hasPassed(time: Instant, watermark: Instant): boolean {
  return time < watermark || watermark >= MAX_TIMESTAMP;
}

/** At the end of all input no later moment comes. */
function latest(watermark: Instant, now: Instant): Instant {
  return watermark >= MAX_TIMESTAMP ? Number.POSITIVE_INFINITY : now;
}

/** The timer so many milliseconds later. */
function later<T extends Timer<unknown>>(timer: T, millis: number): T {
  if (timer.clearBit || millis === 0) return timer;
  return { ...timer, fireTimestamp: timer.fireTimestamp + millis };
}

function only(timer: Timer<unknown>, window: Window): Timer<unknown> {
  return { ...timer, windows: [window] };
}

/**
 * The timer of another SDK, which may set it past the expiry of its window, when its state is gone: it
 * fires when the window is over, in a batch as in a stream.
 */
function within(timer: Timer<unknown>, expiry: Instant): Timer<unknown> {
  if (timer.clearBit || timer.fireTimestamp <= expiry) return timer;
  return {
    ...timer,
    fireTimestamp: Math.min(timer.fireTimestamp, expiry + 1),
    holdTimestamp: Math.min(timer.holdTimestamp, expiry),
  };
}

function firing({ family, timer }: PendingTimer, out: ByteWriter): Firing {
  family.coder.encode(timer, out, true);
  const { transformId, timerFamilyId } = family;
  return { transformId, timerFamilyId, hold: timer.holdTimestamp, data: out.take() };
}

function familyId({
  transformId,
  timerFamilyId,
}: Pick<TimerFamily, 'transformId' | 'timerFamilyId'>) {
  return `${transformId}${SEPARATOR}${timerFamilyId}`;
}
