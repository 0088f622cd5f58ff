// SPDX-License-Identifier: Apache-2.0
// What can be used by one at a time: a model that may fill arrays of its own, which its next call fills again;
// a DoFn object that keeps something for each bundle. What may go wrong with waiting is looked after here: a
// call that does not come back, of a run that has ended since; a call that needs what it is in; and calls
// that wait for one another.

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Asking, Grace, LOOK_MS } from './asking.ts';
import { Condition } from './condition.ts';
import { BeamBridgeError } from './errors.ts';
import { getLogger } from './log.ts';

const WARN_MS = 10_000;

/** Somebody who wants to use it. */
export interface TurnAsking extends Asking {
  /** Called while it has the turn, when another waits for it. */
  wanted?(): void;
}

/** The use of something, by one. */
export interface Turn {
  /** Calls what uses it. */
  run<T>(call: () => T): T;
  end(): void;
}

/** Of what can be used by any number at once. */
export const NO_TURN: Turn = { run: (call) => call(), end: () => {} };

/** How messages speak of what is used. */
export interface TurnWords {
  /** Such as `the model of digits`. */
  readonly what: string;
  /** Why it is used by one at a time. */
  readonly because: string;
  /** What to do about a use that would wait for itself. */
  readonly hint: string;
  /** The room that logs. */
  readonly room: string;
}

class Holder {
  /** What it waits for, in calls within its own. */
  readonly waitsFor = new Set<Place>();
  readonly grace: Grace;

  constructor(readonly asking: TurnAsking) {
    this.grace = new Grace(asking);
  }
}

/** A place in the queue. */
interface Place {
  readonly turns: Turns;
}

type Holders = ReadonlySet<Holder>;
const NOBODY: Holders = new Set();

/** Those in whose calls this code is. */
const within = new AsyncLocalStorage<Holders>();

export class Turns {
  private holder: Holder | undefined;
  private readonly queue: Place[] = [];
  private readonly changed = new Condition();

  constructor(private readonly words: TurnWords) {}

  /**
   * Waits until nobody else uses it, each in the order in which they came. Undefined where somebody does whose
   * bundle was aborted, and does not come back: it cannot be used then.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` in a call that uses it already, or that somebody waits for who
   *   does; whatever `asking` is aborted with
   */
  async take(asking: TurnAsking): Promise<Turn | undefined> {
    const outer = within.getStore() ?? NOBODY;
    const isFree = !this.holder && this.queue.length === 0;
    const holder = isFree ? this.hold(asking) : await this.wait(asking, outer);
    if (!holder) return undefined;
    const holders = new Set([...outer, holder]);
    return {
      run: (call) => within.run(holders, call),
      end: () => {
        if (this.holder !== holder) return;
        this.holder = undefined;
        this.changed.notify();
      },
    };
  }

  private hold(asking: TurnAsking): Holder {
    this.holder = new Holder(asking);
    if (this.queue.length > 0) asking.wanted?.();
    return this.holder;
  }

  private async wait(asking: TurnAsking, outer: Holders): Promise<Holder | undefined> {
    const place: Place = { turns: this };
    this.queue.push(place);
    for (const { waitsFor } of outer) waitsFor.add(place);
    this.holder?.asking.wanted?.();
    const warn = this.warnLater();
    const goOn = asking.waits?.();
    try {
      while (this.holder || this.queue[0] !== place) {
        this.refuseCircle(outer);
        const aborted = asking.aborted();
        if (aborted) throw aborted;
        const grace = this.holder?.grace;
        if (grace?.isOver) return undefined;
        await this.changed.wait(LOOK_MS, grace?.hasBegun === true);
        warn();
      }
      this.queue.shift();
      return this.hold(asking);
    } finally {
      goOn?.();
      const at = this.queue.indexOf(place);
      if (at >= 0) this.queue.splice(at, 1);
      for (const { waitsFor } of outer) waitsFor.delete(place);
      // Whoever comes next may have been behind.
      this.changed.notify();
    }
  }

  private refuseCircle(outer: Holders): void {
    const { what, hint } = this.words;
    if (this.holder && outer.has(this.holder)) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${what} is used in a call of itself`, {
        hint,
      });
    }
    if (!this.waitsFor(outer, new Set())) return;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${what} is used in a call that its own call waits for`,
      { hint },
    );
  }

  /** Whether it comes free only after one of these. */
  private waitsFor(others: Holders, seen: Set<Turns>): boolean {
    const { holder } = this;
    if (!holder || seen.has(this)) return false;
    seen.add(this);
    if (others.has(holder)) return true;
    return [...holder.waitsFor].some(({ turns }) => turns.waitsFor(others, seen));
  }

  private warnLater(): () => void {
    const began = performance.now();
    let isWarned = false;
    return () => {
      if (isWarned || performance.now() - began < WARN_MS) return;
      isWarned = true;
      const { room, what, because } = this.words;
      getLogger(room).warn(
        `${what} is still in another call, for which this one waits: ${because}`,
      );
    };
  }
}
