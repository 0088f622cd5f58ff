// SPDX-License-Identifier: Apache-2.0
// The wall clock for what this program times itself. Time servers set clocks back, and so do machines that
// are resumed: what waits for a time would then wait for all of it again, and what is stamped would be late.
// What begins when the wall clock is right again goes by that.
// Times that other machines have written are compared with `Date.now()`, which may be right again.

/** A clock that is set back by less than this, in milliseconds, is waited for. */
const SMALL_STEP_MS = 1000;

export class SteadyClock {
  private last = Number.NEGATIVE_INFINITY;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private holders = 0;

  constructor(
    private readonly wall: () => number = () => Date.now(),
    private readonly passing: () => number = () => performance.now(),
  ) {}

  /** Has it go on from where it is when the wall clock is set back, until the returned function is called. */
  hold(): () => void {
    this.now();
    this.holders += 1;
    let isHeld = true;
    return () => {
      if (isHeld) this.holders -= 1;
      isHeld = false;
    };
  }

  /** Milliseconds since 1970: the wall clock's, or on from where it was when it was set back. */
  now(): number {
    const wall = this.wall();
    const at = this.passing();
    if (this.holders === 0) this.last = wall;
    const isBack = wall < this.last - SMALL_STEP_MS;
    // Parts of a millisecond are not lost where looks are many.
    const passed = isBack ? Math.max(0, Math.floor(at - this.lookedAt)) : 0;
    this.lookedAt = isBack ? this.lookedAt + passed : at;
    this.last = Math.max(wall, this.last + passed);
    return this.last;
  }
}

const clock = new SteadyClock();

/** Keeps {@link steadyNow} steady until the returned function is called: for as long as a run, say. */
export function keepSteady(): () => void {
  return clock.hold();
}

/** The time by this process's {@link SteadyClock}, in milliseconds since 1970. */
export function steadyNow(): number {
  return clock.now();
}
