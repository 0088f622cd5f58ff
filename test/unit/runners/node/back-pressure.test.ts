// SPDX-License-Identifier: Apache-2.0
// What a consumer has not taken yet does not pile up in memory, and nobody waits for ever.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GlobalWindow, NO_FIRING } from '../../../../src/coders/index.ts';
import type { DoFn } from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { blockOf, QUEUE_BYTES } from '../../../../src/runners/node/engine/block.ts';
import { GroupNode, type Groups } from '../../../../src/runners/node/engine/group-node.ts';
import type { Surroundings } from '../../../../src/runners/node/engine/node.ts';
import {
  combineGlobally,
  create,
  fixedWindows,
  fromAsyncIterable,
  parDo,
  reshuffle,
  singletonSideInput,
  sum,
  windowInto,
} from '../../../../src/transforms/index.ts';

const MEGABYTE = 1024 * 1024;
/** What fits into a queue, and a bundle beside it. */
const ABOUT_A_QUEUE = QUEUE_BYTES / MEGABYTE + 4;

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const large = (i: number) => String.fromCharCode(97 + (i % 26)).repeat(MEGABYTE);
const runner = createRunner({ runner: 'node', progress: false });

describe('a producer waits', () => {
  it('as long as its consumer is at work', async () => {
    let made = 0;
    let taken = 0;
    let go: () => void = () => {};
    const wish = new Promise<void>((resolve) => {
      go = resolve;
    });
    const running = runner.run((root) =>
      root
        .apply(create(numbers(80)))
        .map((i) => {
          made += 1;
          return large(i);
        })
        .apply(reshuffle())
        .map(async () => {
          await wish;
          taken += 1;
        }),
    );
    await delay(1500);
    assert.equal(taken, 0);
    assert.ok(made >= 10 && made <= ABOUT_A_QUEUE, `${made} were made`);
    go();
    await running;
    assert.deepEqual([made, taken], [80, 80]);
  });

  it('for elements that waited for a side input, too', async () => {
    const MANY = 120;
    let made = 0;
    let taken = 0;
    let go: () => void = () => {};
    const wish = new Promise<void>((resolve) => {
      go = resolve;
    });
    async function* inBursts() {
      for (let i = 0; i < MANY; i++) {
        yield i;
        // The source's bundle ends, its watermark moves, and contents of windows are there.
        if (i % 10 === 9) await delay(30);
      }
    }
    const running = runner.run((root) => {
      const windows = root
        .apply(fromAsyncIterable(inBursts, { timestamp: (i) => i * 10 }))
        .apply(windowInto(fixedWindows(0.01)));
      windows
        .map((i) => {
          made += 1;
          return large(i);
        })
        .map(
          async (_, { same }) => {
            same.lookup();
            await wish;
            taken += 1;
          },
          { same: singletonSideInput(windows) },
        );
    });
    await delay(1500);
    const early = [made, taken];
    go();
    await running;
    assert.deepEqual([made, taken], [MANY, MANY]);
    assert.equal(early[1], 0);
    // Besides what is queued, what waits before it goes to a file.
    assert.ok(early[0]! >= 10 && early[0]! <= ABOUT_A_QUEUE + 32 + 10, `${early[0]} were made`);
  });

  it('not for one that waits for the same DoFn object', async () => {
    const lengths: number[] = [];
    const both: DoFn<number | string, string> = {
      startBundle: () => undefined,
      process: (element) => {
        if (typeof element === 'number') return [large(element)];
        lengths.push(element.length);
        return [];
      },
    };
    await runner.run((root) =>
      root
        .apply(create(numbers(40)))
        .apply(parDo(both))
        .apply(reshuffle())
        .apply(parDo(both)),
    );
    assert.deepEqual(
      lengths,
      numbers(40).map(() => MEGABYTE),
    );
  });

  it('not for one that waits for a side input of the same producer', async () => {
    const shares: number[] = [];
    await runner.run((root) => {
      const texts = root.apply(create(numbers(40))).map(large);
      const total = singletonSideInput(
        texts.map(({ length }) => length).apply(combineGlobally(sum)),
      );
      texts.apply(reshuffle()).map(
        ({ length }, { total }) => {
          shares.push(total.lookup() / length);
        },
        { total },
      );
    });
    assert.deepEqual(
      shares,
      numbers(40).map(() => 40),
    );
  });

  it('while a grouping cannot get rid of its panes', async () => {
    let pass: () => void = () => {};
    let added = 0;
    const groups: Groups = {
      add: () => {
        added += 1;
        return undefined;
      },
      async *fire() {
        yield [];
      },
      due: () => added === 1,
      hold: 0,
      nextProcessingTime: undefined,
      dropped: new Map(),
      close: async () => {},
    } as never;
    const around = {
      now: () => 0,
      shownNow: () => 0,
      watermark: () => 0,
      wake: () => {},
      track: () => {},
      signal: new AbortController().signal,
    } as unknown as Surroundings;
    const node = new GroupNode('in', 'out', groups, around, () => {
      return new Promise<void>((resolve) => {
        pass = resolve;
      });
    });
    const block = blockOf(
      numbers(8).map((i) => ({
        value: large(i),
        timestamp: 0,
        windows: [GlobalWindow.INSTANCE],
        pane: NO_FIRING,
      })),
    );
    node.take(block);
    await delay(5);
    assert.equal(node.step(), true);
    let waits: unknown;
    for (let i = 0; i < 3; i++) waits = node.take(block);
    let isOver = false;
    const over = (waits as Promise<void>).then(() => {
      isOver = true;
    });
    await delay(100);
    assert.deepEqual([isOver, added], [false, 1]);
    pass();
    await over;
    assert.equal(added, 4);
  });
});
