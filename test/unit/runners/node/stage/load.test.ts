// SPDX-License-Identifier: Apache-2.0
// A stream whose queue is never empty: time passes in it all the same. Each of these sources ends only
// when what should happen has happened.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KV } from '../../../../../src/coders/index.ts';
import {
  fixedWindows,
  fromAsyncIterable,
  groupByKey,
  parDo,
  reshuffle,
  windowInto,
} from '../../../../../src/index.ts';
import {
  type DoFn,
  eventTimeTimer,
  processingTimeTimer,
} from '../../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../../src/runners/index.ts';

const runner = createRunner({ runner: 'node', progress: false });
const patience = { timeout: 60_000 };

/** Numbers that come faster than they are processed, until `isOver`. */
class Flood {
  processed = 0;
  isOver = false;

  readonly numbers = () => {
    const flood = this;
    async function* all() {
      for (let i = 0; !flood.isOver; i++) {
        // Always some in the queue, and not so many that the end takes long.
        while (!flood.isOver && i > flood.processed + 500) await delay(1);
        yield i;
      }
    }
    return fromAsyncIterable<number>(all, { timestamp: (i) => i });
  };

  readonly slowly = async (i: number): Promise<KV<string, number>> => {
    if (!this.isOver) await delay(1);
    this.processed += 1;
    return { key: 'k', value: i };
  };
}

describe('while elements come faster than they are processed', () => {
  it('panes come', patience, async () => {
    const flood = new Flood();
    let processedBefore = 0;
    await runner.run((root) =>
      root
        .apply(flood.numbers())
        .apply(reshuffle<number>())
        .map(flood.slowly)
        .apply(windowInto(fixedWindows(0.01)))
        .apply(groupByKey())
        .map(() => {
          if (!flood.isOver) processedBefore = flood.processed;
          flood.isOver = true;
        }),
    );
    assert.ok(processedBefore > 0);
  });

  it('timers in processing time fire', patience, async () => {
    const flood = new Flood();
    const context = { later: processingTimeTimer() };
    let isSet = false;
    const doFn: DoFn<KV<string, number>, never, typeof context> = {
      async process({ value }, { later }) {
        await flood.slowly(value);
        if (!isSet) later.set(Date.now() + 100);
        isSet = true;
      },
      onTimer: () => {
        flood.isOver = true;
      },
    };
    await runner.run((root) =>
      root
        .apply(flood.numbers())
        .map((value: number) => ({ key: 'k', value }))
        .apply(parDo(doFn, context)),
    );
    assert.ok(flood.isOver);
  });

  it(
    'timers in event time fire, each before elements that are later than it',
    patience,
    async () => {
      const flood = new Flood();
      const context = { later: eventTimeTimer() };
      const order: string[] = [];
      const doFn: DoFn<KV<string, number>, never, typeof context> = {
        async process({ value }, { later }) {
          await flood.slowly(value);
          if (value === 0) later.set(1000);
          if (value === 0 || value === 5000) order.push(`element ${value}`);
          if (value === 5000) flood.isOver = true;
        },
        onTimer: ({ fireTimestamp }) => {
          order.push(`timer ${fireTimestamp}`);
          flood.isOver = true;
        },
      };
      await runner.run((root) =>
        root
          .apply(flood.numbers())
          .map((value: number) => ({ key: 'k', value }))
          .apply(parDo(doFn, context)),
      );
      assert.deepEqual(order.slice(0, 2), ['element 0', 'timer 1000']);
    },
  );
});
