// SPDX-License-Identifier: Apache-2.0
// One bundle's share of an async iterable. Written as an iterator by hand, since an element of an async
// generator costs several promises, and without a timer or a signal for each element.

import { getLogger, yieldIfDue } from '../base/index.ts';
import {
  type OffsetRange,
  type ProcessContinuation,
  type RestrictionTracker,
  resume,
} from '../pipeline/index.ts';
import type { AsyncReader } from './async-reader.ts';
import type { DrainPatience } from './drain-patience.ts';

/** Outputs wait for the end of their bundle: it ends when nothing comes for so long, … */
const QUIET_MILLIS = 20;
/** … or after so long, or so many elements. */
const BUNDLE_MILLIS = 500;
const BUNDLE_ELEMENTS = 10_000;
/** Elements between looks at the clock. */
const ELEMENTS_PER_LOOK = 16;

const log = getLogger('transforms');

type Step<O> = IteratorResult<O, ProcessContinuation | undefined>;

/** What a reading is made of. */
export interface ReadingParts<T, O> {
  readonly reader: AsyncReader<T>;
  readonly tracker: RestrictionTracker<OffsetRange, number>;
  readonly signal: AbortSignal;
  /** An element as it goes out. */
  output(element: T): O;
  /** How long the source is still read, once it is to come to its end. */
  draining(): DrainPatience | undefined;
  /** Called when the bundle ends and the source goes on. */
  paused(): void;
}

export class AsyncReading<T, O> implements AsyncIterableIterator<O> {
  private readonly until = performance.now() + BUNDLE_MILLIS;
  private count = 0;
  private alarm: NodeJS.Timeout | undefined;
  private countAtAlarm = 0;
  private isLate = false;
  private resolve: ((step: Step<O>) => void) | undefined;
  private reject: ((error: unknown) => void) | undefined;

  constructor(private readonly parts: ReadingParts<T, O>) {
    parts.signal.addEventListener('abort', this.changed);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The harness takes what is there without waiting for a promise of it. */
  next(): Promise<Step<O>> {
    const turn = this.count % ELEMENTS_PER_LOOK === 0 ? yieldIfDue() : undefined;
    if (turn) return turn.then(() => this.wait());
    return this.wait();
  }

  private wait(): Promise<Step<O>> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      const { reader } = this.parts;
      if (this.count % ELEMENTS_PER_LOOK === 0) this.isLate ||= performance.now() >= this.until;
      const isFull = this.count >= BUNDLE_ELEMENTS || (this.isLate && this.count > 0);
      if (isFull || this.parts.signal.aborted) {
        this.settle(() => this.leave());
        return;
      }
      if (reader.next) {
        this.changed();
        return;
      }
      const draining = this.parts.draining();
      if (draining && !draining.mayAsk && !reader.isAsked) {
        this.settle(() => this.end());
        return;
      }
      draining?.waits();
      this.alarm ??= this.setAlarm();
      reader.ask(this.changed);
    });
  }

  /** One timer for many elements: when it rings, it looks whether any came since it was set. */
  private setAlarm(): NodeJS.Timeout {
    const left = Math.min(
      this.until - performance.now(),
      this.parts.draining()?.left ?? Infinity,
      this.count === 0 ? Infinity : QUIET_MILLIS,
    );
    this.countAtAlarm = this.count;
    return setTimeout(() => this.ring(), Math.max(0, left));
  }

  private ring(): void {
    this.alarm = undefined;
    this.isLate = performance.now() >= this.until;
    const isQuiet = this.count === this.countAtAlarm;
    if (this.parts.draining()?.left === 0) this.settle(() => this.end());
    else if (this.isLate || (isQuiet && this.count > 0)) this.settle(() => this.leave());
    else this.alarm = this.setAlarm();
  }

  /** Something has come, or nobody wants it any more. */
  private readonly changed = (): void => {
    this.settle(() => this.step());
  };

  private settle(step: () => Step<O>): void {
    const { resolve, reject } = this;
    if (!resolve) return;
    this.resolve = undefined;
    try {
      resolve(step());
    } catch (error) {
      this.over();
      reject?.(error);
    }
  }

  private step(): Step<O> {
    const { reader, tracker } = this.parts;
    reader.throwIfFailed();
    const { next } = reader;
    if (!next) return this.leave();
    this.parts.draining()?.came();
    // What the runner has given away in the meantime is another call's to take.
    const isOurs = tracker.tryClaim(next.done ? Infinity : reader.position);
    if (!isOurs && next.done) reader.end();
    if (!isOurs || next.done) return this.over();
    reader.take();
    if (this.count === 0) {
      // The first may take all the time that there is; those behind it may not.
      clearTimeout(this.alarm);
      this.alarm = undefined;
    }
    this.count += 1;
    return { value: this.parts.output(next.value), done: false };
  }

  /** The bundle ends; the source goes on. */
  private leave(): Step<O> {
    this.over();
    this.parts.paused();
    return { value: resume(), done: true };
  }

  /** The source has been given the time to come to its end, and is told that nobody reads it. */
  private end(): Step<O> {
    const { reader, tracker } = this.parts;
    // What the runner has given away is another call's to end.
    if (tracker.currentRestriction().stop !== Infinity) return this.leave();
    this.over();
    tracker.tryClaim(Infinity);
    if (this.parts.draining()?.tookTooLong) {
      log.warn(
        'a source that was asked to end still gave elements after 10 s; it is read no further',
      );
    }
    reader.close();
    return { value: undefined, done: true };
  }

  private over(): Step<O> {
    clearTimeout(this.alarm);
    this.alarm = undefined;
    this.parts.signal.removeEventListener('abort', this.changed);
    return { value: undefined, done: true };
  }

  async return(): Promise<Step<O>> {
    return this.over();
  }
}
