// SPDX-License-Identifier: Apache-2.0
// What is left of elements that a bundle did not finish: each waits for its time, and holds the
// watermark until then.

import { type Instant, MAX_TIMESTAMP, type WindowedValue } from '../../../../coders/index.ts';
import type { Origin } from '../origin.ts';
import { Holds, Schedule } from '../times.ts';

export interface Residue {
  readonly element: WindowedValue<unknown>;
  /** By `steadyNow()`, whatever processing time is. */
  readonly dueAt: Instant;
  /** Nothing below it comes of it, as its DoFn says. */
  readonly hold: Instant;
  /** The end of its window, or `hold` where that is earlier: until then it asks for what is kept for one. */
  readonly needs: Instant;
  /** Whether it comes to an end by itself. */
  readonly isBounded: boolean;
  /** Of its element, not of what the bundles before have given of it: that has left. */
  readonly origin?: Origin | undefined;
}

export class Residues {
  private readonly waiting = new Schedule<Residue>();
  private readonly holds = new Holds();
  private readonly needed = new Holds();

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  /** Least timestamp that may come of them. */
  get hold(): Instant {
    return Math.min(this.holds.least, MAX_TIMESTAMP);
  }

  /** What is kept for windows that end there, or later, is asked for. */
  get needs(): Instant {
    return Math.min(this.needed.least, MAX_TIMESTAMP);
  }

  /** When the first is due. */
  get next(): Instant | undefined {
    return this.waiting.next;
  }

  isDue(now: Instant): boolean {
    const { next } = this;
    return next !== undefined && next <= now;
  }

  add(residues: readonly Residue[]): void {
    for (const residue of residues) {
      this.waiting.add(residue.dueAt, residue);
      this.holds.add(residue.hold);
      this.needed.add(residue.needs);
      residue.origin?.retain();
    }
  }

  /** What never ends by itself has its turn now. */
  hurry(now: Instant): void {
    const all: Residue[] = [];
    for (let residue = this.pop(); residue; residue = this.pop()) {
      all.push(residue.isBounded ? residue : { ...residue, dueAt: now });
    }
    this.add(all);
  }

  /**
   * Takes what is due, in the order in which it became so: of one origin, since what a bundle leaves is held to come
   * of all that went in.
   */
  takeDue(now: Instant): Residue[] {
    const due: Residue[] = [];
    const first = this.waiting.first?.item;
    while (this.isDue(now) && this.waiting.first!.item.origin === first!.origin)
      due.push(this.pop()!);
    return due;
  }

  private pop(): Residue | undefined {
    const residue = this.waiting.pop();
    if (!residue) return undefined;
    this.holds.remove(residue.hold);
    this.needed.remove(residue.needs);
    residue.origin?.release();
    return residue;
  }
}
