// SPDX-License-Identifier: Apache-2.0
// The timers that the DoFns of a stage have set: which are due, and how far they hold the watermark.
// A step of the engine takes no longer for many waiting timers than for few.

import { ByteReader, ByteWriter, yieldIfDue } from '../../../base/index.ts';
import {
  BytesOf,
  type Coder,
  type Instant,
  MAX_TIMESTAMP,
  type Timer,
  type Window,
} from '../../../coders/index.ts';
import type { MaybePromise } from '../../../harness/index.ts';
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

const SEPARATOR = '\u{10ffff}';
/** Timers between looks at the clock. */
const TIMERS_PER_LOOK = 256;

export class UserTimerStore {
  private readonly families: ReadonlyMap<string, Family>;
  private readonly event = new TimerQueue();
  private readonly processing = new TimerQueue();

  constructor(families: readonly TimerFamily[]) {
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
    const queue = family.inProcessingTime ? this.processing : this.event;
    for (let count = 1; !input.done; count++) {
      const timer = family.coder.decode(input, true);
      const key = keyIds.of(timer.userKey);
      for (const window of timer.windows) {
        queue.change(family, timer, window, `${windowIds.of(window)}${SEPARATOR}${key}`);
      }
      const turn = count % TIMERS_PER_LOOK === 0 ? yieldIfDue() : undefined;
      if (turn) return turn.then(() => this.applyFrom(input, transformId, timerFamilyId));
    }
  }

  /** Least timestamp that the outputs of waiting timers may have. */
  get hold(): Instant {
    return Math.min(this.event.hold, this.processing.hold, MAX_TIMESTAMP);
  }

  get nextProcessingTime(): Instant | undefined {
    return this.processing.next;
  }

  isDue(watermark: Instant, now: Instant): boolean {
    return this.event.isDue(watermark) || this.processing.isDue(latest(watermark, now));
  }

  /**
   * Takes out timers that are due: of each key and window those of its earliest instant. A later one
   * waits for its next turn, since what an earlier one does may take it back; so do all of the other
   * time domain.
   *
   * @param mostKeys - so many keys and windows; the others are next
   */
  takeDue(watermark: Instant, now: Instant, mostKeys?: number): Firing[] {
    const due = this.event.isDue(watermark)
      ? this.event.takeDue(watermark, mostKeys)
      : this.processing.takeDue(latest(watermark, now), mostKeys);
    const out = new ByteWriter();
    return due.map((timer) => firing(timer, out));
  }

  /** Drops the timers of windows that have expired, except those that are due. */
  expire(watermark: Instant, allowedLateness: number): void {
    this.event.expire(watermark, allowedLateness);
    this.processing.expire(watermark, allowedLateness);
  }
}

/** At the end of all input no later moment comes. */
function latest(watermark: Instant, now: Instant): Instant {
  return watermark >= MAX_TIMESTAMP ? Number.POSITIVE_INFINITY : now;
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
