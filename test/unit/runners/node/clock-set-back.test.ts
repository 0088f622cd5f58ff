// SPDX-License-Identifier: Apache-2.0
// A wall clock that is set back by an hour while a pipeline runs, as time servers and resumed machines do.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createRunner } from '../../../../src/runners/index.ts';
import {
  type DoFn,
  fixedWindows,
  fromAsyncIterable,
  groupByKey,
  parDo,
  periodicImpulse,
  processingTimeTimer,
  type TimerParam,
  windowInto,
} from '../../../../src/transforms/index.ts';

const HOUR = 3_600_000;

/** Sets the clock back until the test is over. A mock of Node's would keep a stack of each look at it. */
function clock(t: TestContext) {
  const { now } = Date;
  let shift = 0;
  Date.now = () => now() + shift;
  t.after(() => {
    Date.now = now;
  });
  return {
    setBack() {
      shift -= HOUR;
    },
  };
}

test('rows that are stamped when they are read are not late, and their windows end', async (t) => {
  const { setBack } = clock(t);
  const counted: number[] = [];
  let countedBeforeEnd = 0;
  async function* rows() {
    yield 1;
    await delay(50);
    setBack();
    for (let i = 0; i < 40; i++) {
      yield 1;
      await delay(50);
    }
    countedBeforeEnd = counted.length;
  }
  const result = await createRunner({ progress: false }).run((root) =>
    root
      .apply(fromAsyncIterable(rows))
      .map((value) => ({ key: 'k', value }))
      .apply(windowInto(fixedWindows(0.5)))
      .apply(groupByKey())
      .map(({ value }) => void counted.push([...value].length)),
  );
  assert.equal(
    counted.reduce((a, b) => a + b),
    41,
  );
  assert.ok(countedBeforeEnd > 0);
  assert.deepEqual(await result.counters(), {});
});

test('timers that were set before wait no longer, nor do those set after, by whichever clock', {
  timeout: 60_000,
}, async (t) => {
  const { setBack } = clock(t);
  const fired: string[] = [];
  const beats: number[] = [];
  const context = {
    due: processingTimeTimer(),
    poll: processingTimeTimer(),
    beat: processingTimeTimer(),
  };
  const doFn: DoFn<{ key: string; value: number }, never, typeof context> = {
    process({ value }, { due, poll, beat }: Record<keyof typeof context, TimerParam>) {
      if (value === 1) beat.set(Date.now() + 100);
      due.setRelative(400, { tag: `${value}` });
      if (value === 2) poll.set(Date.now() + 400);
    },
    onTimer({ timer, tag, fireTimestamp }, { beat }) {
      if (timer === 'beat') {
        beats.push(fireTimestamp);
        // From the time of the timer before, for the sake of a steady rhythm.
        if (beats.length < 6) beat.set(fireTimestamp + 100);
        return;
      }
      fired.push(`${timer} ${tag}`);
    },
  };
  const running = await createRunner({ progress: false }).runAsync((root) => {
    root
      .apply(
        fromAsyncIterable(async function* (signal: AbortSignal) {
          yield { key: 'k', value: 1 };
          await delay(200);
          setBack();
          yield { key: 'k', value: 2 };
          await delay(HOUR, undefined, { signal });
        }),
      )
      .apply(parDo(doFn, context));
  });
  for (let i = 0; i < 1000 && (fired.length < 3 || beats.length < 6); i++) await delay(20);
  await running.drain();
  assert.deepEqual(fired.sort(), ['due 1', 'due 2', 'poll ']);
  assert.equal(beats.length, 6, 'the rhythm goes on');
  assert.ok(beats.at(-1)! < beats[0]!, 'and tells of the clock as it is');
});

test('a clock as a source goes on', async (t) => {
  const { setBack } = clock(t);
  const ticks: number[] = [];
  const start = Date.now();
  await createRunner({ progress: false }).run((root) =>
    root.apply(periodicImpulse({ interval: 50, start, stop: start + 500 })).map((at) => {
      if (ticks.push(at) === 3) setBack();
    }),
  );
  assert.equal(ticks.length, 10);
});

test('an element whose own clock is wrong by years makes no other late', async () => {
  const base = Date.now() - 3000;
  const times = [0, 1000, 2000, 10 * 365 * 24 * HOUR, 500, 2500, 3000].map((at) => base + at);
  const seen: number[] = [];
  const result = await createRunner({ progress: false }).run((root) =>
    root
      .apply(
        fromAsyncIterable(
          async function* () {
            for (const at of times) {
              yield at;
              await delay(20);
            }
          },
          { timestamp: (at) => at, maxDelay: 60_000 },
        ),
      )
      .map((at) => ({ key: 'k', value: at }))
      .apply(windowInto(fixedWindows(1)))
      .apply(groupByKey())
      .map(({ value }) => void seen.push(...value)),
  );
  assert.deepEqual(await result.counters(), {});
  assert.deepEqual(seen.sort(), [...times].sort());
});
