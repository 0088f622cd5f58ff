// SPDX-License-Identifier: Apache-2.0
// How long a source that is to come to its end is still read. Only the time for which it lets its
// reader wait counts, in which this thread had nothing else to do: a slow pipeline, a busy machine, or the
// microseconds from one element to the next, of which a long burst has many, must not cost elements.

/** For how long, all together, the source may let its reader wait. */
const PATIENCE_MILLIS = 500;
/** After so long even a source that always has more is not asked again. */
const LONGEST_MILLIS = 10_000;

export class DrainPatience {
  private began: number | undefined;
  private askedAt: number | undefined;
  private idleAtAsking = 0;
  private waited = 0;

  /** The reader waits for an element from now on, if it does not already. */
  waits(): void {
    if (this.askedAt !== undefined) return;
    this.askedAt = performance.now();
    this.idleAtAsking = idleMillis();
    this.began ??= this.askedAt;
  }

  /** An element has come. */
  came(): void {
    if (this.askedAt === undefined) return;
    this.waited += idleMillis() - this.idleAtAsking;
    this.askedAt = undefined;
  }

  /** Whether the source may be asked for another element. */
  get mayAsk(): boolean {
    return this.waited < PATIENCE_MILLIS && !this.tookTooLong;
  }

  /** Whether the source had more whenever it was asked, and would go on for ever. */
  get tookTooLong(): boolean {
    return this.began !== undefined && performance.now() - this.began >= LONGEST_MILLIS;
  }

  /**
   * For how many milliseconds the element that was asked for is still waited for: it has all of the
   * patience, since a source that was asked may have it in hand.
   */
  get left(): number {
    if (this.askedAt === undefined) return PATIENCE_MILLIS;
    return Math.max(0, this.askedAt + PATIENCE_MILLIS - performance.now());
  }
}

/** For how long this thread has slept until now, waiting for anything to happen. */
function idleMillis(): number {
  return performance.eventLoopUtilization().idle;
}
