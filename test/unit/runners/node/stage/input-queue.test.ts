// SPDX-License-Identifier: Apache-2.0
// What waits for a stage, and producers that wait for room; and what goes into its bundles from there.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  GlobalWindow,
  IntervalWindow,
  MAX_TIMESTAMP,
  NO_FIRING,
  type WindowedValue,
} from '../../../../../src/coders/index.ts';
import {
  type Block,
  blockOf,
  holdOf,
  QUEUE_BYTES,
} from '../../../../../src/runners/node/engine/block.ts';
import {
  chunksOf,
  ElementFeed,
  FiringFeed,
  RestFeed,
} from '../../../../../src/runners/node/engine/stage/bundle-feed.ts';
import { InputQueue } from '../../../../../src/runners/node/engine/stage/input-queue.ts';

const element = (value: string, timestamp = 0): WindowedValue<string> => ({
  value,
  timestamp,
  windows: [GlobalWindow.INSTANCE],
  pane: NO_FIRING,
});
const block = (...values: string[]) => blockOf(values.map((value) => element(value)));
const large = (): Block => ({ ...block('large'), bytes: QUEUE_BYTES });
const valuesOf = (chunk: unknown) =>
  (chunk as { elements: WindowedValue<string>[] } | undefined)?.elements.map(({ value }) => value);
/** Whether a promise is settled after some turns of the event loop. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => {
    settled = true;
  });
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  return settled;
}

describe('how far the watermark may go while elements wait', () => {
  it('is the least timestamp, or the end of a window where that is earlier', () => {
    const inWindow = (timestamp: number, start: number) => ({
      ...element('x', timestamp),
      windows: [new IntervalWindow(start, start + 10)],
    });
    assert.equal(holdOf([]), MAX_TIMESTAMP);
    assert.equal(holdOf([inWindow(15, 10), inWindow(12, 10)]), 12);
    assert.equal(holdOf([inWindow(15, 10), inWindow(50, 0)]), 9);
    const both = {
      ...inWindow(50, 20),
      windows: [0, 30].map((n) => new IntervalWindow(n, n + 10)),
    };
    assert.equal(holdOf([both]), 9);
  });
});

describe('an input queue', () => {
  it('asks producers to wait while it is full, and lets them go on when something is taken', async () => {
    const queue = new InputQueue(() => true);
    assert.equal(queue.take(block('a')), undefined);
    const room = queue.take(large());
    assert.ok(room instanceof Promise);
    assert.equal(await isSettled(room), false);
    queue.shift();
    assert.equal(await isSettled(room), false, 'the large one is still there');
    queue.shift();
    await room;
  });

  it('keeps nobody waiting for a consumer that may be waiting for the producer', async () => {
    await new InputQueue(() => false).take(large());
  });

  it('tells who waits for input of what comes, of the end, and of a run that is over', async () => {
    for (const come of ['take', 'lookUp', 'giveUp'] as const) {
      const queue = new InputQueue(() => true);
      const arrival = queue.arrival();
      assert.equal(queue.isAwaited, true);
      assert.equal(await isSettled(arrival), false);
      if (come === 'take') void queue.take(block('a'));
      else queue[come]();
      await arrival;
      assert.equal(queue.isAwaited, false);
    }
  });

  it('lets producers go on when the run is over', async () => {
    const queue = new InputQueue(() => true);
    const room = queue.take(large());
    queue.giveUp();
    await room;
  });
});

describe('a bundle of elements', () => {
  const feedOf = (blocks: Block[], { keeps = true, isFull = (): boolean => false } = {}) =>
    new ElementFeed(blocks[0]!, {
      more: () => blocks[feed.length],
      isFull,
      toChunk: (elements) => {
        feed.push(elements);
        return chunksOf('t', undefined)(elements);
      },
      keeps,
    });
  let feed: unknown[] = [];
  const all = (one: ElementFeed) => {
    feed = [];
    const given: unknown[] = [];
    for (let chunk = one.next(); chunk; chunk = one.next()) given.push(valuesOf(chunk));
    return given;
  };

  it('has what comes until it is full or closed', () => {
    const blocks = [block('a'), block('b', 'c'), block('d')];
    const whole = feedOf(blocks);
    assert.deepEqual(all(whole), [['a'], ['b', 'c'], ['d']]);
    assert.deepEqual([whole.elements, whole.bytes > 0], [4, true]);
    const full = feedOf(blocks, { isFull: () => full.elements >= 3 });
    assert.deepEqual(all(full), [['a'], ['b', 'c']]);
    const closed = feedOf(blocks);
    closed.close();
    assert.deepEqual(all(closed), [['a']]);
  });

  it('gives the same again after a worker was lost', () => {
    const one = feedOf([block('a'), block('b')]);
    all(one);
    one.restart();
    feed = [1, 2];
    assert.deepEqual(valuesOf(one.next()), ['a']);
    assert.deepEqual(valuesOf(one.next()), ['b']);
  });

  for (const keeps of [true, false]) {
    it(`knows what lies behind a cut, ${keeps ? 'where all of it is kept' : 'where what is done is not kept'}`, () => {
      const blocks = [block('a', 'b'), block('c', 'd', 'e')];
      const one = feedOf(blocks, { keeps });
      all(one);
      // What is done is forgotten when more was asked for and nothing came.
      const after = keeps ? [['b'], ['c', 'd', 'e']] : [];
      const values = (index: number) =>
        one.restFrom(index).blocks.map(({ elements }) => elements.map(({ value }) => value));
      assert.deepEqual(values(1), after);
      assert.deepEqual(values(4), keeps ? [['e']] : []);
      assert.deepEqual(values(5), []);
    });
  }

  it('holds the watermark for the least of what went in', () => {
    const one = feedOf([blockOf([element('a', 7)]), blockOf([element('b', 3)])]);
    assert.equal(one.hold, 7);
    all(one);
    assert.deepEqual([one.hold, one.needs], [3, 3]);
  });
});

describe('a bundle of rests or of timers', () => {
  it('gives all of them once, and again when it runs again', () => {
    const rest = (value: string, hold: number) => ({
      element: element(value),
      dueAt: 0,
      hold,
      needs: hold - 1,
      isBounded: true,
    });
    const rests = new RestFeed([rest('a', 9), rest('b', 5)], chunksOf('t', undefined));
    assert.deepEqual([rests.hold, rests.needs, rests.elements], [5, 4, 2]);
    for (let runs = 0; runs < 2; runs++) {
      rests.restart();
      assert.deepEqual([valuesOf(rests.next()), rests.next()], [['a', 'b'], undefined]);
    }
    assert.deepEqual(
      rests.restFrom(1).rests.map((one) => one.element.value),
      ['b'],
    );
    const firing = { transformId: 't', timerFamilyId: 'f', data: new Uint8Array(1), hold: 8 };
    const timers = new FiringFeed([firing, { ...firing, hold: 6 }]);
    assert.deepEqual([timers.hold, timers.canBeCut], [6, false]);
    assert.deepEqual(
      [timers.next(), timers.next()?.constructor, timers.next()],
      [firing, Object, undefined],
    );
    timers.restart();
    assert.equal(timers.next(), firing);
  });
});
