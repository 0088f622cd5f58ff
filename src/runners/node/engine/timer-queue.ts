// SPDX-License-Identifier: Apache-2.0
// The waiting timers of one time domain. Each key and window has its own in order of time, and all of
// these are in order by their earliest.

import type { Instant, Timer } from '../../../coders/index.ts';
import { Holds, Schedule, type Scheduled } from './times.ts';
import type { TimerFamily } from './user-timers.ts';

/** A timer that waits. */
export interface PendingTimer {
  readonly family: TimerFamily;
  readonly timer: Timer<unknown> & { clearBit: false };
  /** Among those of its key and window. */
  readonly id: string;
}

/** All timers of one transform, key and window. */
interface KeyTimers {
  readonly id: string;
  /** The last watermark at which its window still counts. */
  readonly expiry: Instant;
  readonly byId: Map<string, Scheduled<PendingTimer>>;
  readonly byTime: Schedule<PendingTimer>;
  /** Its place among all by the earliest time, and by the expiry. */
  place: Scheduled<KeyTimers> | undefined;
  end: Scheduled<KeyTimers> | undefined;
}

export class TimerQueue {
  private readonly keys = new Map<string, KeyTimers>();
  private readonly places = new Schedule<KeyTimers>();
  private readonly ends = new Schedule<KeyTimers>();
  private readonly holds = new Holds();
  size = 0;

  /** @param fires - whether what is set for a time fires at another */
  constructor(private readonly fires: (time: Instant, at: Instant) => boolean) {}

  /**
   * Sets or clears a timer of one window.
   *
   * @param windowAndKey - what tells it apart from those of other windows and keys
   * @param expiry - of its window
   * @param time - when it fires
   */
  change(
    family: TimerFamily,
    timer: Timer<unknown>,
    windowAndKey: string,
    expiry: Instant,
    time: Instant = timer.clearBit ? 0 : timer.fireTimestamp,
  ): void {
    const ownerId = joined(family.transformId, windowAndKey);
    const id = joined(family.timerFamilyId, timer.dynamicTimerTag);
    let owner = this.keys.get(ownerId);
    const before = owner?.byId.get(id);
    if (owner && before) this.remove(owner, before);
    if (!timer.clearBit) {
      owner ??= newKey(ownerId, expiry);
      const pending = { family, id, timer };
      owner.byId.set(id, owner.byTime.add(time, pending));
      this.holds.add(timer.holdTimestamp);
      this.size += 1;
    }
    if (owner) this.settle(owner);
  }

  /** Takes a timer away; {@link settle} must follow. */
  private remove(owner: KeyTimers, entry: Scheduled<PendingTimer>): void {
    owner.byTime.delete(entry);
    owner.byId.delete(entry.item.id);
    this.holds.remove(entry.item.timer.holdTimestamp);
    this.size -= 1;
  }

  /** Puts a key where its earliest timer belongs, or forgets it when it has none. */
  private settle(owner: KeyTimers): void {
    const { next } = owner.byTime;
    if (owner.place) this.places.delete(owner.place);
    if (next === undefined) {
      this.keys.delete(owner.id);
      if (owner.end) this.ends.delete(owner.end);
      return;
    }
    owner.place = this.places.add(next, owner);
    if (owner.end) return;
    owner.end = this.ends.add(owner.expiry, owner);
    this.keys.set(owner.id, owner);
  }

  /** Least timestamp that the outputs of the timers may have; +Infinity when there is none. */
  get hold(): Instant {
    return this.holds.least;
  }

  /** When the earliest fires. */
  get next(): Instant | undefined {
    return this.places.next;
  }

  isDue(at: Instant): boolean {
    const { next } = this;
    return next !== undefined && this.fires(next, at);
  }

  /** Takes out what is due: of each key and window the timers of its earliest instant. */
  takeDue(at: Instant, mostKeys = Number.POSITIVE_INFINITY): PendingTimer[] {
    const owners: KeyTimers[] = [];
    while (owners.length < mostKeys && this.isDue(at)) owners.push(this.places.pop()!);
    return this.takeEarliest(owners);
  }

  /** Whether there are timers of windows that are over. */
  isOver(watermark: Instant): boolean {
    return this.ends.next !== undefined && this.ends.next < watermark;
  }

  /** Takes timers out as {@link takeDue} does, of windows that are over, whenever they were to fire. */
  takeOver(watermark: Instant, mostKeys = Number.POSITIVE_INFINITY): PendingTimer[] {
    const owners: KeyTimers[] = [];
    while (owners.length < mostKeys && this.isOver(watermark)) {
      const owner = this.ends.pop()!;
      owner.end = undefined;
      owners.push(owner);
    }
    return this.takeEarliest(owners);
  }

  private takeEarliest(owners: readonly KeyTimers[]): PendingTimer[] {
    const due: PendingTimer[] = [];
    for (const owner of owners) {
      const { next } = owner.byTime;
      while (owner.byTime.next === next && next !== undefined) {
        const entry = owner.byTime.first!;
        due.push(entry.item);
        this.remove(owner, entry);
      }
      this.settle(owner);
    }
    return due;
  }
}

function newKey(id: string, expiry: Instant): KeyTimers {
  const byTime = new Schedule<PendingTimer>();
  return { id, expiry, byId: new Map(), byTime, place: undefined, end: undefined };
}

function joined(...parts: string[]): string {
  return parts.join('\u{10ffff}');
}
