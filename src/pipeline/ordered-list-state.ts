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
  ownCopyBy,
  storedForm,
} from '../coders/index.ts';
import { TimestampedValue } from './do-fn.ts';
import { coderFor, type StateCell, StateParam, type StateType } from './state.ts';

interface Entry {
  readonly key: Instant;
  readonly value: unknown;
}

interface Range {
  readonly from: Instant;
  readonly to: Instant;
}

type Step = { readonly add: Entry } | { readonly clear: Range };

/** Up to so many are put in their places, each of which moves what is behind it; more are sorted with the rest. */
const FEW = 16;

/** How many entries are before a place in time. */
function countWhere(entries: readonly Entry[], isBefore: (time: Instant) => boolean): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(entries[middle]!.key)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The places of the entries from `from` (included) to `to` (excluded). */
function placesOf(entries: readonly Entry[], { from, to }: Range): readonly [number, number] {
  const start = countWhere(entries, (time) => time < from);
  return [
    start,
    Math.max(
      start,
      countWhere(entries, (time) => time < to),
    ),
  ];
}

const byTime = (a: Entry, b: Entry) => (a.key === b.key ? 0 : a.key - b.key);

/** Adds entries to those in order. */
function insert(entries: Entry[], added: Entry[]): void {
  added.sort(byTime);
  const first = added[0];
  const last = entries.at(-1);
  const isBehind = !first || !last || last.key <= first.key;
  if (isBehind || added.length > FEW) {
    for (const entry of added) entries.push(entry);
    if (!isBehind) entries.sort(byTime);
    return;
  }
  for (const entry of added) {
    const place = countWhere(entries, (time) => time <= entry.key);
    entries.splice(place, 0, entry);
  }
}

/** What the cell holds, in order, and what this bundle did. */
class Timeline {
  /** What all who read until now have seen, one after the other. */
  private loading: Promise<Entry[]> | undefined;
  private steps: Step[] = [];
  /** A bag cannot lose single values: it is written anew. */
  private mustRewrite = false;

  constructor(private readonly cell: StateCell) {}

  add(entry: Entry): void {
    this.steps.push({ add: entry });
  }

  clearRange(from: Instant, to: Instant): void {
    this.mustRewrite = true;
    this.steps.push({ clear: { from, to } });
  }

  /** The entries as they are now: what is done while they are on the way is for later reads to see. */
  load(): Promise<readonly Entry[]> {
    const before =
      this.loading ??
      this.cell.read().then((stored) => [...(stored as readonly Entry[])].sort(byTime));
    const steps = this.takeSteps();
    this.loading = before.then((entries) => this.after(entries, steps));
    return this.loading;
  }

  private after(entries: Entry[], steps: readonly Step[]): Entry[] {
    let added: Entry[] = [];
    for (const step of steps) {
      if ('add' in step) {
        added.push(step.add);
        continue;
      }
      insert(entries, added);
      added = [];
      const [start, end] = placesOf(entries, step.clear);
      entries.splice(start, end - start);
    }
    insert(entries, added);
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
  constructor(private readonly values: Coder<T>) {
    // As a double, since the ends of time lie outside the safe integers.
    super(new KVCoder(new DoubleCoder(), values) as Coder<unknown>);
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
    this.timeline.add({ key: instant(timestamp), value: storedForm(this.values, value) });
  }

  /** All values, the earliest first. Those of one time have no order. */
  async read(): Promise<TimestampedValue<T>[]> {
    return (await this.timeline.load()).map((entry) => this.told(entry));
  }

  /** The values from `from` (included) to `to` (excluded), the earliest first. */
  async readRange(from: Instant, to: Instant): Promise<TimestampedValue<T>[]> {
    const range = { from: instant(from), to: instant(to) };
    const entries = await this.timeline.load();
    return entries.slice(...placesOf(entries, range)).map((entry) => this.told(entry));
  }

  /** Forgets the values from `from` (included) to `to` (excluded). */
  clearRange(from: Instant, to: Instant): void {
    this.timeline.clearRange(instant(from), instant(to));
  }

  private told({ key, value }: Entry): TimestampedValue<T> {
    return new TimestampedValue(ownCopyBy(this.values, value as T), key);
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
