// SPDX-License-Identifier: Apache-2.0
// Values in the order of their times that a DoFn keeps for each key and window: in a bag, as the
// sets and maps of keyed-state.ts are.

import { BeamBridgeError } from '../base/index.ts';
import {
  type Coder,
  DoubleCoder,
  describeValue,
  type Instant,
  KVCoder,
  ownCopy,
} from '../coders/index.ts';
import { TimestampedValue } from './do-fn.ts';
import { coderFor, type StateCell, StateParam, type StateType } from './state.ts';

interface Entry {
  readonly key: Instant;
  readonly value: unknown;
}

type Step = { readonly add: Entry } | { readonly clear: (entry: Entry) => boolean };

/** What the cell holds, in order, and what this bundle did. */
class Timeline {
  /** What all who read until now have seen, one after the other. */
  private loading: Promise<Entry[]> | undefined;
  private isSorted = false;
  private steps: Step[] = [];
  /** A bag cannot lose single values: it is written anew. */
  private mustRewrite = false;

  constructor(private readonly cell: StateCell) {}

  add(entry: Entry): void {
    this.steps.push({ add: entry });
  }

  clearRange(from: Instant, to: Instant): void {
    this.mustRewrite = true;
    this.steps.push({ clear: ({ key }) => key >= from && key < to });
  }

  /** The entries as they are now: what is done while they are on the way is for later reads to see. */
  load(): Promise<readonly Entry[]> {
    const before =
      this.loading ?? this.cell.read().then((stored) => [...(stored as readonly Entry[])]);
    const steps = this.takeSteps();
    this.loading = before.then((entries) => this.after(entries, steps));
    return this.loading;
  }

  private after(before: Entry[], steps: readonly Step[]): Entry[] {
    let entries = before;
    for (const step of steps) {
      this.isSorted = this.isSorted && 'clear' in step;
      if ('clear' in step) entries = entries.filter((entry) => !step.clear(entry));
      else entries.push(step.add);
    }
    if (!this.isSorted) entries.sort((a, b) => a.key - b.key);
    this.isSorted = true;
    return entries;
  }

  /** What was done since the last read; the cell has it as well then, unless it is written anew. */
  private takeSteps(): readonly Step[] {
    const { steps } = this;
    this.steps = [];
    // Cleared while a read waited: what was there before belongs to that read alone.
    if (this.mustRewrite || this.cell.overlay !== this) return steps;
    for (const step of steps) if ('add' in step) this.cell.append(step.add);
    return steps;
  }

  async settle(): Promise<void> {
    if (!this.mustRewrite) {
      this.takeSteps();
      return;
    }
    const entries = await this.load();
    if (this.cell.overlay !== this) return;
    this.cell.clear();
    for (const entry of entries) this.cell.append(entry);
    this.mustRewrite = false;
  }
}

/** Values in the order of their times, several at one time included. */
export class OrderedListState<T> extends StateParam {
  constructor(coder: Coder<T>) {
    // As a double, since the ends of time lie outside the safe integers.
    super(new KVCoder(new DoubleCoder(), coder) as Coder<unknown>);
  }

  private get timeline(): Timeline {
    const { cell } = this;
    cell.overlay ??= new Timeline(cell);
    return cell.overlay as Timeline;
  }

  /**
   * @param timestamp - the value's place, milliseconds since 1970; it need not be the element's time
   * @throws `INVALID_ARGUMENT` when it is no number
   */
  add(timestamp: Instant, value: T): void {
    this.timeline.add({ key: instant(timestamp), value: ownCopy(value) });
  }

  /** All values, the earliest first. Those of one time have no order. */
  read(): Promise<TimestampedValue<T>[]> {
    return this.readRange(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  }

  /** The values from `from` (included) to `to` (excluded), the earliest first. */
  async readRange(from: Instant, to: Instant): Promise<TimestampedValue<T>[]> {
    const [start, end] = [instant(from), instant(to)];
    const entries = await this.timeline.load();
    return entries
      .filter(({ key }) => key >= start && key < end)
      .map(({ key, value }) => new TimestampedValue(ownCopy(value as T), key));
  }

  /** Forgets the values from `from` (included) to `to` (excluded). */
  clearRange(from: Instant, to: Instant): void {
    this.timeline.clearRange(instant(from), instant(to));
  }
}

function instant(given: Instant): Instant {
  if (typeof given === 'number' && !Number.isNaN(given)) return given;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `an ordered list was given the time ${describeValue(given)}`,
    { hint: 'A time is a number of milliseconds since 1970: use date.getTime() for a Date.' },
  );
}

/**
 * Values in the order of their times for each key and window, to put into a DoFn's context. They are
 * read and cleared by ranges of time; the list of a key must fit in memory.
 *
 * @param type - of the values. @default any plain JavaScript value
 *
 * @example
 * ```ts
 * const doFn: DoFn<KV<string, Reading>, number, { recent: OrderedListState<number> }> = {
 *   async process({ value: { at, degrees } }, { recent }) {
 *     recent.add(at, degrees);
 *     recent.clearRange(-Infinity, at - 60_000);
 *     return [(await recent.read()).length];
 *   },
 * };
 * readings.apply(parDo(doFn, { recent: orderedListState(float64) }));
 * ```
 */
export function orderedListState<T>(type?: StateType<T>): OrderedListState<T> {
  return new OrderedListState<T>(coderFor(type));
}
