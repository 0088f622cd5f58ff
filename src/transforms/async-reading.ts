// SPDX-License-Identifier: Apache-2.0
// One bundle's share of an async iterable. Written as an iterator by hand, since an element of an async
// generator costs several promises, and without a timer or a signal for each element.

import { yieldIfDue } from '../base/index.ts';
import {
  type OffsetRange,
  type ProcessContinuation,
  type RestrictionTracker,
  resume,
} from '../pipeline/index.ts';
import type { AsyncReader } from './async-reader.ts';

/** Outputs wait for the end of their bundle: it ends when nothing comes for so long, … */
const QUIET_MILLIS = 20;
/** … or after so long, or so many elements. */
const BUNDLE_MILLIS = 500;
const BUNDLE_ELEMENTS = 10_000;
/** Elements between looks at the clock. */
const ELEMENTS_PER_LOOK = 16;

type Step<O> = IteratorResult<O, ProcessContinuation | undefined>;

/** What a reading is made of. */
export interface ReadingParts<T, O> {
  readonly reader: AsyncReader<T>;
  readonly tracker: RestrictionTracker<OffsetRange, number>;
  readonly signal: AbortSignal;
  /** An element as it goes out. */
  output(element: T): O;
  /** Whether the source is to come to its end. */
  isDraining(): boolean;
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
      this.alarm ??= this.setAlarm();
      reader.ask(this.changed);
    });
  }

  /** One timer for many elements: when it rings, it looks whether any came since it was set. */
  private setAlarm(): NodeJS.Timeout {
    const left = this.until - performance.now();
    this.countAtAlarm = this.count;
    const isFirst = this.count === 0 || this.parts.isDraining();
    return setTimeout(
      () => this.ring(),
      Math.max(0, isFirst ? left : Math.min(QUIET_MILLIS, left)),
    );
  }

  private ring(): void {
    this.alarm = undefined;
    this.isLate = performance.now() >= this.until;
    const isQuiet = this.count === this.countAtAlarm && !this.parts.isDraining();
    if (this.isLate || (isQuiet && this.count > 0)) this.settle(() => this.leave());
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

  /** The bundle ends; the source goes on, unless it is to come to its end. */
  private leave(): Step<O> {
    const { reader, tracker } = this.parts;
    this.over();
    if (this.parts.isDraining() && tracker.tryClaim(Infinity)) {
      reader.close();
      return { value: undefined, done: true };
    }
    this.parts.paused();
    return { value: resume(), done: true };
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
