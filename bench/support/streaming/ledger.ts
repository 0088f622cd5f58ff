// SPDX-License-Identifier: Apache-2.0
// Keeps account of what went into the streaming run and what came out, and finds what does not
// agree. It takes two numbers for each reading and a few for each window, so that it may be left on
// for hours.

import { type PaneInfo, Timing } from '../../../src/coders/index.ts';
import {
  isTooLate,
  REMIND_AFTER,
  type Reading,
  WINDOW_PERIOD_SECONDS,
  WINDOW_SECONDS,
} from './events.ts';

const SIZE = WINDOW_SECONDS * 1000;
const PERIOD = WINDOW_PERIOD_SECONDS * 1000;
/** Each reading is in so many windows. */
const WINDOWS_EACH = SIZE / PERIOD;
const MOST_COMPLAINTS = 20;

/** How many readings, and the sum of their ids. */
export interface Total {
  count: number;
  sum: number;
}

interface Panes {
  index: number;
  timing: Timing;
  total: Total;
  isLast: boolean;
}

/** A count for each id. */
class Counts {
  private counts = new Uint8Array(1024);

  add(id: number): number {
    if (id >= this.counts.length) {
      const larger = new Uint8Array(Math.max(id + 1, 2 * this.counts.length));
      larger.set(this.counts);
      this.counts = larger;
    }
    return ++this.counts[id]!;
  }

  of(id: number): number {
    return this.counts[id] ?? 0;
  }
}

/** Account of one run. */
export class Ledger {
  given = 0;
  scored = 0;
  tooLate = 0;
  readonly panes = { EARLY: 0, ON_TIME: 0, LATE: 0 };
  settledWindows = 0;
  reminders = 0;
  flushes = 0;
  private readonly times: number[] = [];
  private readonly complaints: string[] = [];
  private complaintCount = 0;
  private readonly expected = new Map<string, Total>();
  private readonly latest = new Map<string, Panes>();
  private readonly settled = new Set<string>();
  private readonly scores = new Counts();
  private readonly inWindows = new Counts();
  private readonly reminded = new Counts();
  private readonly flushed = new Counts();
  private readonly running = new Map<number, number>();

  /** @param digits - the right answer for each row of the data */
  constructor(private readonly digits: readonly number[]) {}

  digitOf(id: number): number {
    return this.digits[id % this.digits.length]!;
  }

  private complain(text: string): void {
    this.complaintCount += 1;
    if (this.complaints.length < MOST_COMPLAINTS) this.complaints.push(text);
  }

  // ---- What went in.

  onReading({ id, at }: Reading): void {
    this.given += 1;
    this.times.push(at);
    if (isTooLate(id)) {
      this.tooLate += 1;
      return;
    }
    const last = at - (((at % PERIOD) + PERIOD) % PERIOD);
    for (let start = last; start > at - SIZE; start -= PERIOD) {
      const name = nameOf(this.digitOf(id), start + SIZE);
      const total = this.expected.get(name) ?? { count: 0, sum: 0 };
      total.count += 1;
      total.sum += id;
      this.expected.set(name, total);
    }
  }

  // ---- What came out.

  onScored(id: number, digit: number): void {
    this.scored += 1;
    if (digit !== this.digitOf(id)) this.complain(`reading ${id} was scored ${digit}`);
    if (this.scores.add(id) > 1) this.complain(`reading ${id} was scored twice`);
  }

  /** A pane that holds all of its window so far. */
  onTotal(digit: number, end: number, total: Total, pane: PaneInfo): void {
    const name = nameOf(digit, end);
    this.panes[timingName(pane.timing)] += 1;
    const before = this.latest.get(name);
    const index = before ? before.index + 1 : 0;
    const isFirst = before === undefined;
    if (pane.index !== index || pane.isFirst !== isFirst || before?.isLast) {
      this.complain(`window ${name}: pane ${pane.index} came as number ${index}`);
    }
    if (before && rank(pane.timing) < rank(before.timing)) {
      this.complain(
        `window ${name}: ${timingName(pane.timing)} after ${timingName(before.timing)}`,
      );
    }
    if (before && pane.timing === Timing.ON_TIME && before.timing === Timing.ON_TIME) {
      this.complain(`window ${name} was on time twice`);
    }
    if (before && total.count < before.total.count) {
      this.complain(`window ${name} went from ${before.total.count} readings to ${total.count}`);
    }
    this.latest.set(name, { index, timing: pane.timing, total, isLast: pane.isLast });
  }

  /** A pane that holds what is new. */
  onNews(digit: number, end: number, ids: Iterable<number>): void {
    for (const id of ids) {
      const at = this.times[id]!;
      if (this.digitOf(id) !== digit || at >= end || at < end - SIZE || isTooLate(id)) {
        this.complain(`reading ${id} came out in window ${nameOf(digit, end)}`);
      }
      if (this.inWindows.add(id) > WINDOWS_EACH) this.complain(`reading ${id} is in many windows`);
    }
  }

  /** What the state of a window held when a timer said that the window is over. */
  onSettled(digit: number, end: number, total: Total): void {
    const name = nameOf(digit, end);
    this.settledWindows += 1;
    if (this.settled.has(name)) this.complain(`window ${name} was settled twice`);
    this.settled.add(name);
    this.compare(`the state of window ${name}`, total, this.expected.get(name));
  }

  /** An event-time timer that was set for the reading. */
  onReminder(id: number, fired: number): void {
    this.reminders += 1;
    if (this.reminded.add(id) > 1) this.complain(`the timer of reading ${id} fired twice`);
    const at = this.times[id]!;
    if (fired !== at + REMIND_AFTER)
      this.complain(`the timer of reading ${id} fired at ${fired - at}`);
  }

  /** A bag that a processing-time timer emptied, and the running count beside it. */
  onFlush(digit: number, ids: Iterable<number>, running: number): void {
    this.flushes += 1;
    for (const id of ids) {
      if (this.flushed.add(id) > 1) this.complain(`reading ${id} was flushed twice`);
    }
    if (running < (this.running.get(digit) ?? 0)) this.complain(`the count of ${digit} went back`);
    this.running.set(digit, running);
  }

  // ---- The end.

  /** What does not agree; nothing where all is well. For a run whose source came to its end. */
  verdict(): string[] {
    for (const [name, total] of this.expected) {
      const { total: last, index } = this.latest.get(name) ?? { total: undefined, index: -1 };
      this.compare(`the last pane (${index}) of window ${name}`, last, total);
      if (!this.settled.has(name)) this.complain(`window ${name} was never settled`);
    }
    const totals = new Map<number, number>();
    for (let id = 0; id < this.given; id++) {
      const digit = this.digitOf(id);
      totals.set(digit, (totals.get(digit) ?? 0) + 1);
      const expected: [string, Counts, number][] = [
        ['scored', this.scores, 1],
        ['in windows', this.inWindows, isTooLate(id) ? 0 : WINDOWS_EACH],
        ['reminded of', this.reminded, 1],
        ['flushed', this.flushed, 1],
      ];
      for (const [what, counts, count] of expected) {
        if (counts.of(id) !== count) {
          this.complain(`reading ${id} was ${what} ${counts.of(id)} times, not ${count}`);
        }
      }
    }
    for (const [digit, total] of totals) {
      const running = this.running.get(digit);
      if (running !== total) this.complain(`the count of ${digit} is ${running}, not ${total}`);
    }
    return this.doubts();
  }

  /** What was found to be wrong while the run was going on. */
  doubts(): string[] {
    const more = this.complaintCount - this.complaints.length;
    return more > 0 ? [...this.complaints, `and ${more} more`] : this.complaints;
  }

  private compare(what: string, actual: Total | undefined, expected: Total | undefined): void {
    if (actual?.count === expected?.count && actual?.sum === expected?.sum) return;
    this.complain(`${what}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
  }
}

function nameOf(digit: number, end: number): string {
  return `${digit}@${end}`;
}

function rank(timing: Timing): number {
  return timing === Timing.EARLY ? 0 : timing === Timing.ON_TIME ? 1 : 2;
}

function timingName(timing: Timing): 'EARLY' | 'ON_TIME' | 'LATE' {
  return timing === Timing.EARLY ? 'EARLY' : timing === Timing.ON_TIME ? 'ON_TIME' : 'LATE';
}
