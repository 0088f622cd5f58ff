// SPDX-License-Identifier: Apache-2.0
// Instants in order: timers, and the holds whose least one keeps the watermark back.

import type { Instant } from '../../../../coders/index.ts';

/** Things by time, the earliest first: a binary heap. */
export class Timers<T> {
  private readonly times: Instant[] = [];
  private readonly items: T[] = [];

  get size(): number {
    return this.times.length;
  }

  /** The earliest time; undefined when there is none. */
  get next(): Instant | undefined {
    return this.times[0];
  }

  push(time: Instant, item: T): void {
    const { times, items } = this;
    let at = times.length;
    times.push(time);
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (times[parent]! <= time) break;
      times[at] = times[parent]!;
      items[at] = items[parent]!;
      at = parent;
    }
    times[at] = time;
    items[at] = item;
  }

  /** Takes the earliest away. */
  pop(): T | undefined {
    const { times, items } = this;
    const first = items[0];
    const time = times.pop();
    const item = items.pop();
    if (time === undefined || times.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= times.length) break;
      if (child + 1 < times.length && times[child + 1]! < times[child]!) child += 1;
      if (times[child]! >= time) break;
      times[at] = times[child]!;
      items[at] = items[child]!;
      at = child;
    }
    times[at] = time;
    items[at] = item as T;
    return first;
  }

  clear(): void {
    this.times.length = 0;
    this.items.length = 0;
  }
}

/** Instants, each as often as it was added. */
export class Holds {
  private readonly counts = new Map<Instant, number>();
  private order = new Timers<undefined>();

  /** The least; +Infinity when there is none. */
  get least(): Instant {
    for (;;) {
      const { next } = this.order;
      if (next === undefined) return Number.POSITIVE_INFINITY;
      if (this.counts.has(next)) return next;
      this.order.pop();
    }
  }

  add(hold: Instant): void {
    const count = this.counts.get(hold);
    this.counts.set(hold, (count ?? 0) + 1);
    if (count === undefined) this.order.push(hold, undefined);
    if (this.order.size > 2 * this.counts.size + 64) this.tidy();
  }

  remove(hold: Instant): void {
    const count = this.counts.get(hold);
    if (count === undefined) return;
    if (count > 1) this.counts.set(hold, count - 1);
    else this.counts.delete(hold);
  }

  /** Forgets instants that are held no longer. */
  private tidy(): void {
    this.order = new Timers();
    for (const hold of this.counts.keys()) this.order.push(hold, undefined);
  }
}
