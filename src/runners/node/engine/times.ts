// SPDX-License-Identifier: Apache-2.0
// Instants in order: what is to be done when, and the holds whose least one keeps the watermark back.

import type { Instant } from '../../../coders/index.ts';

/** Something that a {@link Schedule} holds. */
export interface Scheduled<T> {
  readonly time: Instant;
  readonly item: T;
  /** Things of one time come in the order in which they were added. */
  readonly order: number;
  /** Its place in the heap; -1 when it is in none. */
  slot: number;
}

/** Things by time, the earliest first: a binary heap from which anything can be taken out again. */
export class Schedule<T> {
  private readonly heap: Scheduled<T>[] = [];
  private added = 0;

  get size(): number {
    return this.heap.length;
  }

  /** The earliest; undefined when there is none. */
  get first(): Scheduled<T> | undefined {
    return this.heap[0];
  }

  /** The earliest time; undefined when there is none. */
  get next(): Instant | undefined {
    return this.heap[0]?.time;
  }

  add(time: Instant, item: T): Scheduled<T> {
    this.added += 1;
    const entry: Scheduled<T> = { time, item, order: this.added, slot: this.heap.length };
    this.heap.push(entry);
    this.rise(entry);
    return entry;
  }

  /** Takes the earliest away. */
  pop(): T | undefined {
    const [first] = this.heap;
    if (first) this.delete(first);
    return first?.item;
  }

  /** Takes something away that was added to this schedule and is still there, or does nothing. */
  delete(entry: Scheduled<T>): void {
    const { slot } = entry;
    if (slot < 0) return;
    entry.slot = -1;
    const last = this.heap.pop()!;
    if (last === entry) return;
    last.slot = slot;
    this.heap[slot] = last;
    this.rise(last);
    this.sink(last);
  }

  private rise(entry: Scheduled<T>): void {
    const { heap } = this;
    let { slot } = entry;
    while (slot > 0) {
      const parent = heap[(slot - 1) >> 1]!;
      if (isBefore(parent, entry)) break;
      slot = this.place(parent, slot);
    }
    this.place(entry, slot);
  }

  private sink(entry: Scheduled<T>): void {
    const { heap } = this;
    let { slot } = entry;
    for (;;) {
      const left = heap[2 * slot + 1];
      const right = heap[2 * slot + 2];
      const child = right && isBefore(right, left!) ? right : left;
      if (!child || isBefore(entry, child)) break;
      slot = this.place(child, slot);
    }
    this.place(entry, slot);
  }

  /** Puts an entry at a slot; gives the one that it came from. */
  private place(entry: Scheduled<T>, slot: number): number {
    const before = entry.slot;
    this.heap[slot] = entry;
    entry.slot = slot;
    return before;
  }
}

function isBefore(a: Scheduled<unknown>, b: Scheduled<unknown>): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** Instants, each as often as it was added. */
export class Holds {
  private readonly entries = new Map<Instant, { count: number; entry: Scheduled<undefined> }>();
  private readonly order = new Schedule<undefined>();

  /** The least; +Infinity when there is none. */
  get least(): Instant {
    return this.order.next ?? Number.POSITIVE_INFINITY;
  }

  add(hold: Instant): void {
    const known = this.entries.get(hold);
    if (known) known.count += 1;
    else this.entries.set(hold, { count: 1, entry: this.order.add(hold, undefined) });
  }

  remove(hold: Instant): void {
    const known = this.entries.get(hold);
    if (!known) return;
    known.count -= 1;
    if (known.count > 0) return;
    this.entries.delete(hold);
    this.order.delete(known.entry);
  }
}
