// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteReader, ByteWriter } from '../../../../src/base/index.ts';
import {
  type Coder,
  IntervalWindow,
  IntervalWindowCoder,
  MAX_TIMESTAMP,
  NO_FIRING,
  StrUtf8Coder,
  TimerCoder,
  type Window,
} from '../../../../src/coders/index.ts';
import { type Firing, UserTimerStore } from '../../../../src/runners/node/engine/user-timers.ts';

const key = new StrUtf8Coder() as Coder<unknown>;
const window = new IntervalWindowCoder() as unknown as Coder<Window>;
const coder = new TimerCoder(key, window);
const family = (timerFamilyId: string, inProcessingTime: boolean) => ({
  transformId: 't',
  timerFamilyId,
  inProcessingTime,
  coder,
  key,
  window,
});

/** A store with a family in event time, `e`, and one in processing time, `p`. */
class Timers {
  readonly warnings: string[] = [];
  readonly store: UserTimerStore;

  constructor(allowedLateness = 0) {
    this.store = new UserTimerStore([family('e', false), family('p', true)], {
      allowedLateness,
      warn: (message) => this.warnings.push(message),
    });
  }

  /** Sets a timer, or clears it when it has no time. */
  set(
    name: string,
    time?: number,
    options: { key?: string; tag?: string; hold?: number; end?: number } = {},
  ) {
    const { key = 'k', tag = '', hold = time ?? 0, end = 100 } = options;
    const base = { userKey: key, dynamicTimerTag: tag, windows: [new IntervalWindow(0, end)] };
    const out = new ByteWriter();
    if (time === undefined) coder.encode({ ...base, clearBit: true }, out);
    else {
      const times = { fireTimestamp: time, holdTimestamp: hold, pane: NO_FIRING };
      coder.encode({ ...base, ...times, clearBit: false }, out);
    }
    this.store.apply('t', name, out.take());
    return this;
  }

  /** Takes out what is due, as `family key tag @time`. */
  fire(watermark: number, now = 0): string[] {
    return this.store.takeDue(watermark, now).map((firing) => this.text(firing));
  }

  private text({ timerFamilyId, data }: Firing): string {
    const timer = coder.decode(new ByteReader(data));
    const time = timer.clearBit ? '?' : timer.fireTimestamp;
    return `${timerFamilyId} ${timer.userKey} ${timer.dynamicTimerTag}@${time}`;
  }
}

describe('timers of a stage', () => {
  it('fire when the watermark has passed them, the earliest instant of each key first', () => {
    const timers = new Timers();
    timers.set('e', 5, { tag: 'b' }).set('e', 3, { tag: 'a' }).set('e', 5, { tag: 'c' });
    timers.set('e', 4, { key: 'l' });
    // Elements of the very instant may still come.
    assert.equal(timers.store.isDue(3, 0), false);
    assert.equal(timers.store.isDue(4, 0), true);
    assert.deepEqual(timers.fire(9), ['e k a@3', 'e l @4']);
    assert.deepEqual(timers.fire(9), ['e k b@5', 'e k c@5']);
    assert.equal(timers.store.isDue(MAX_TIMESTAMP, 0), false);
    assert.equal(timers.store.size, 0);
  });

  it('are replaced, and taken back', () => {
    const timers = new Timers();
    timers.set('e', 3).set('e', 8).set('e', 4, { tag: 'x' }).set('e', undefined, { tag: 'x' });
    assert.equal(timers.store.size, 1);
    assert.equal(timers.store.isDue(8, 0), false);
    assert.deepEqual(timers.fire(9), ['e k @8']);
    timers.set('e', undefined);
    assert.equal(timers.store.size, 0);
  });

  it('are apart by key, window, family and tag', () => {
    const timers = new Timers();
    timers.set('e', 1).set('e', 1, { key: 'l' }).set('e', 1, { tag: 'x' }).set('e', 1, { end: 50 });
    timers.set('p', 1);
    assert.equal(timers.store.size, 5);
    assert.equal(timers.fire(2, 1).length, 4);
    assert.deepEqual(timers.fire(2, 1), ['p k @1']);
  });

  it('in processing time fire by the clock, and all of them when no later moment comes', () => {
    const timers = new Timers();
    timers.set('p', 50).set('p', 70, { tag: 'x' });
    assert.equal(timers.store.nextProcessingTime, 50);
    assert.equal(timers.store.isDue(60, 49), false);
    assert.deepEqual(timers.fire(0, 50), ['p k @50']);
    assert.equal(timers.store.nextProcessingTime, 70);
    assert.deepEqual(timers.fire(MAX_TIMESTAMP, 50), ['p k x@70']);
    assert.equal(timers.store.nextProcessingTime, undefined);
  });

  it('hold the watermark at the least timestamp that their outputs may have', () => {
    const timers = new Timers();
    assert.equal(timers.store.hold, MAX_TIMESTAMP);
    timers.set('e', 9, { hold: 2 }).set('e', 5, { tag: 'x' });
    assert.equal(timers.store.hold, 2);
    timers.set('e', 9);
    assert.equal(timers.store.hold, 5);
    timers.fire(6);
    assert.equal(timers.store.hold, 9);
  });

  it('in processing time fire when their window is over, lateness included', () => {
    const timers = new Timers(10);
    timers.set('p', 999, { end: 20 }).set('p', 2000, { end: 20, tag: 'x' });
    timers.set('p', 999, { end: 30 });
    assert.equal(timers.store.isDue(29, 0), false);
    assert.equal(timers.store.isDue(30, 0), true);
    assert.deepEqual(timers.fire(30), ['p k @999']);
    assert.deepEqual(timers.fire(30), ['p k x@2000']);
    assert.equal(timers.store.isDue(30, 0), false);
    assert.equal(timers.store.size, 1);
  });

  it('in processing time are ignored in a window that is over, with one warning', () => {
    const timers = new Timers(10);
    timers.set('p', 999, { end: 20 }).set('p', 999, { end: 300, tag: 'x' });
    assert.deepEqual(timers.fire(30), ['p k @999']);
    timers.set('p', 999, { end: 20 }).set('p', 999, { end: 20 }).set('p', 1999, { end: 300 });
    assert.equal(timers.store.size, 2);
    assert.equal(timers.fire(MAX_TIMESTAMP).length, 1);
    timers.set('p', 5, { end: 300 });
    assert.equal(timers.fire(MAX_TIMESTAMP).length, 1);
    assert.equal(timers.store.size, 0);
    assert.match(timers.warnings.join('; '), /^timer p is set where its window is over[^;]*$/);
  });

  it('of another SDK, set past the expiry of their window, fire when it is over', () => {
    const timers = new Timers(10);
    timers.set('e', 500, { end: 20 }).set('e', 30, { end: 20, tag: 'end' });
    timers.set('e', 500, { end: 1000, key: 'l' });
    assert.equal(timers.store.hold, 29);
    assert.equal(timers.store.isDue(29, 0), false);
    assert.deepEqual(timers.fire(30), ['e k @30', 'e k end@30']);
    assert.deepEqual(timers.fire(501), ['e l @500']);
  });

  it('that set themselves again when the input has ended are told of', async () => {
    const timers = new Timers();
    timers.fire(MAX_TIMESTAMP);
    const many = new ByteWriter();
    for (let i = 0; i < 100_000; i++) {
      const times = { fireTimestamp: i, holdTimestamp: i, pane: NO_FIRING };
      const windows = [new IntervalWindow(0, 200_000)];
      coder.encode({ userKey: 'k', dynamicTimerTag: '', windows, ...times, clearBit: false }, many);
    }
    await timers.store.apply('t', 'e', many.take());
    assert.match(timers.warnings.join('; '), /^timer e was set 100000 times since/);
  });

  it('may be very many: steps do not look at each of them', async () => {
    const timers = new Timers();
    const count = 30_000;
    const all = new ByteWriter();
    for (let i = 0; i < count; i++) {
      const windows = [new IntervalWindow(0, 1000)];
      const times = { fireTimestamp: 500 + (i % 7), holdTimestamp: 500, pane: NO_FIRING };
      const base = { userKey: `key ${i % 15_000}`, dynamicTimerTag: `${i}`, windows };
      coder.encode({ ...base, ...times, clearBit: false }, all);
    }
    await timers.store.apply('t', 'e', all.take());
    for (let step = 0; step < 10_000; step++) {
      const { store } = timers;
      if (store.isDue(499, step) || store.hold !== 500) assert.fail('nothing is due yet');
    }
    let fired = 0;
    let bundles = 0;
    while (timers.store.isDue(600, 0)) {
      const firings = timers.store.takeDue(600, 0, 2000);
      assert.ok(firings.length <= 4000, 'a bundle is of bounded size');
      fired += firings.length;
      bundles += 1;
    }
    assert.equal(fired, count);
    assert.ok(bundles < 20);
  });
});
