// SPDX-License-Identifier: Apache-2.0
// Elements that wait for side inputs: each is looked at once, all come out once, and most of many wait
// in a file.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  IntervalWindow,
  IntervalWindowCoder,
  MAX_TIMESTAMP,
  NO_FIRING,
  StrUtf8Coder,
  type Window,
  type WindowedValue,
  WindowedValueCoder,
} from '../../../../../src/coders/index.ts';
import { type Block, blockOf } from '../../../../../src/runners/node/engine/block.ts';
import {
  type Readiness,
  WaitingElements,
} from '../../../../../src/runners/node/engine/stage/waiting-elements.ts';

const windowOf = (i: number) => new IntervalWindow(i * 10, (i + 1) * 10);
const startOf = (window: Window) => (window as IntervalWindow).start / 10;

/** A side input whose windows arrive when they are told to. */
class View implements Readiness {
  looks = 0;
  private readonly there = new Set<number>();
  private readonly waiting = new Map<number, (() => void)[]>();

  isReady(window: Window): boolean {
    this.looks += 1;
    return this.there.has(startOf(window));
  }

  whenReady(window: Window, notify: () => void): void {
    const index = startOf(window);
    this.waiting.set(index, [...(this.waiting.get(index) ?? []), notify]);
  }

  arrive(index: number): void {
    this.there.add(index);
    for (const notify of this.waiting.get(index) ?? []) notify();
    this.waiting.delete(index);
  }
}

function setUp(views: readonly View[], memoryBytes?: number, isStream = false) {
  const out: WindowedValue<unknown>[] = [];
  const work: Promise<void>[] = [];
  const coder = new WindowedValueCoder(new StrUtf8Coder(), new IntervalWindowCoder());
  const waiting = new WaitingElements({
    views,
    window: new IntervalWindowCoder() as never,
    element: () => coder as never,
    deliver: ({ elements }: Block) => void out.push(...elements),
    track: (one) => void work.push(one),
    signal: new AbortController().signal,
    memoryBytes,
    isStream,
  });
  const settled = async () => {
    while (work.length > 0) await work.shift();
  };
  return { waiting, out, settled };
}

const element = (value: string, ...windows: number[]): WindowedValue<string> => ({
  value,
  timestamp: windows[0]! * 10,
  windows: windows.map(windowOf),
  pane: NO_FIRING,
});
const values = (all: readonly WindowedValue<unknown>[]) => all.map(({ value }) => value);

describe('elements that wait for side inputs', () => {
  it('come out when all side inputs of all their windows are there', () => {
    const views = [new View(), new View()];
    const { waiting, out } = setUp(views);
    views[0]!.arrive(0);
    void waiting.take(blockOf([element('a', 0), element('b', 1), element('c', 0, 1)]));
    assert.deepEqual([out.length, waiting.hold, waiting.isEmpty], [0, 0, false]);
    views[1]!.arrive(0);
    assert.deepEqual([values(out), waiting.hold], [['a'], 0]);
    views[1]!.arrive(1);
    assert.deepEqual(values(out), ['a']);
    views[0]!.arrive(1);
    assert.deepEqual(values(out).sort(), ['a', 'b', 'c']);
    assert.deepEqual([waiting.hold, waiting.isEmpty], [MAX_TIMESTAMP, true]);
  });

  it('go on at once when nothing is missing', () => {
    const view = new View();
    const { waiting, out } = setUp([view]);
    view.arrive(0);
    void waiting.take(blockOf([element('a', 0), element('b', 1)]));
    assert.deepEqual([values(out), waiting.hold], [['a'], 10]);
  });

  it('are looked at once, however many wait and however long', () => {
    const view = new View();
    const { waiting, out } = setUp([view]);
    for (let i = 0; i < 5000; i++) {
      const block = blockOf([element('x', 0), element('y', 1)]);
      void waiting.take(block);
    }
    const { looks } = view;
    assert.ok(looks <= 2 * 5000, `${looks}`);
    for (let i = 0; i < 1000; i++) if (waiting.hold !== 0) assert.fail('the hold is the least');
    view.arrive(0);
    assert.deepEqual([out.length, waiting.hold, view.looks], [5000, 10, looks]);
  });

  it('go to a file above some memory, which bounds what is in it, and none is lost', async () => {
    const view = new View();
    const LIMIT = 100_000;
    const { waiting, out, settled } = setUp([view], LIMIT);
    let most = 0;
    for (let i = 0; i < 400; i++) {
      const all = Array.from({ length: 10 }, (_, j) => element(`${i}-${j} `.padEnd(100), i % 3));
      const pause = waiting.take(blockOf(all));
      most = Math.max(most, waiting.memory);
      await pause;
    }
    assert.ok(most < 2 * LIMIT, `${most}`);
    assert.equal(out.length, 0);
    for (const i of [2, 0, 1]) view.arrive(i);
    assert.equal(waiting.isEmpty, false);
    await settled();
    assert.equal(new Set(values(out)).size, 4000);
    assert.equal(out.length, 4000);
    assert.deepEqual([waiting.isEmpty, waiting.hold, waiting.memory], [true, MAX_TIMESTAMP, 0]);
    await waiting.close();
  });

  it('in very many windows of a stream ask for patience until some have left, and never for long', async () => {
    const LIMIT = 64 * 1024;
    for (const isStream of [true, false]) {
      const view = new View();
      const { waiting, out } = setUp([view], LIMIT, isStream);
      const take = (i: number) => waiting.take(blockOf([element('x', i)]));
      for (let i = 0; i < 64; i++) assert.equal(take(i), undefined);
      const pause = take(64);
      // In a batch all of the input comes before any of the contents.
      assert.equal(pause !== undefined, isStream);
      view.arrive(0);
      await pause;
      assert.equal(out.length, 1);
      // What is waited for may need more input.
      await take(65);
      await waiting.close();
    }
  });

  it('come out once, whatever order elements and contents come in', async () => {
    const events = fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.array(fc.subarray([0, 1, 2, 3], { minLength: 1 })) },
        { weight: 1, arbitrary: fc.record({ view: fc.nat(1), window: fc.nat(3) }) },
      ),
      { maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(events, fc.constantFrom(0, 500, 1_000_000), async (all, memoryBytes) => {
        const views = [new View(), new View()];
        const { waiting, out, settled } = setUp(views, memoryBytes);
        let given = 0;
        for (const event of all) {
          if ('view' in event) views[event.view]!.arrive(event.window);
          else if (event.length > 0) {
            const block = event.map((windows) => element(String(given++), ...windows));
            const pause = waiting.take(blockOf(block));
            if (given % 2 === 0) await pause;
          }
          if (waiting.isEmpty) assert.equal(waiting.hold, MAX_TIMESTAMP);
        }
        for (const view of views) for (let i = 0; i < 4; i++) view.arrive(i);
        await settled();
        assert.equal(out.length, given);
        assert.equal(new Set(values(out)).size, given);
        assert.ok(waiting.isEmpty);
        await waiting.close();
      }),
      { numRuns: 60 },
    );
  });
});
