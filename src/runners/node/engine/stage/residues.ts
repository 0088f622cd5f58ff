// SPDX-License-Identifier: Apache-2.0
// What is left of elements that a bundle did not finish: each waits for its time, and holds the
// watermark until then.

import { type Instant, MAX_TIMESTAMP, type WindowedValue } from '../../../../coders/index.ts';
import { Holds, Schedule } from '../times.ts';

export interface Residue {
  readonly element: WindowedValue<unknown>;
  /** By the clock on the wall, whatever processing time is. */
  readonly dueAt: Instant;
  readonly hold: Instant;
  /** Whether it comes to an end by itself. */
  readonly isBounded: boolean;
}

export class Residues {
  private readonly waiting = new Schedule<Residue>();
  private readonly holds = new Holds();

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  /** Least timestamp that may come of them. */
  get hold(): Instant {
    return Math.min(this.holds.least, MAX_TIMESTAMP);
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
    }
  }

  /** What never ends by itself has its turn now. */
  hurry(now: Instant): void {
    const all: Residue[] = [];
    for (let one = this.waiting.pop(); one; one = this.waiting.pop()) {
      this.holds.remove(one.hold);
      all.push(one.isBounded ? one : { ...one, dueAt: now });
    }
    this.add(all);
  }

  /** Takes what is due, in the order in which it became so. */
  takeDue(now: Instant): Residue[] {
    const due: Residue[] = [];
    while (this.isDue(now)) {
      const residue = this.waiting.pop()!;
      this.holds.remove(residue.hold);
      due.push(residue);
    }
    return due;
  }
}
