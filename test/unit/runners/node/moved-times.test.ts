// SPDX-License-Identifier: Apache-2.0
// Elements whose timestamp was moved out of their window, which stays: what is kept for the window is
// there as long as such an element may come, and whether it is late follows from the window's end.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LogRecord, setLogSink } from '../../../../src/base/index.ts';
import type { KV } from '../../../../src/coders/index.ts';
import type { PCollection, Root } from '../../../../src/pipeline/index.ts';
import { createRunner, type MetricResults } from '../../../../src/runners/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import {
  assignTimestamps,
  create,
  type DoFn,
  eventTimeTimer,
  fixedWindows,
  fromAsyncIterable,
  iterableSideInput,
  ManualWatermarkEstimator,
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  parDo,
  reshuffle,
  resume,
  type SplittableDoFn,
  timestamped,
  timestampParam,
  type ValueState,
  valueState,
  windowInto,
} from '../../../../src/transforms/index.ts';

type Word = KV<string, number>;
const SECOND = 1000;
const LATER = 50 * SECOND;

/** Runs what `build` makes; gives what it pushed. */
async function run(build: (root: Root, out: string[]) => void) {
  const out: string[] = [];
  const restore = setLogSink((_: LogRecord) => {});
  try {
    const result = await createRunner({ runner: 'node', progress: false }).run((root) =>
      build(root, out),
    );
    const metrics: MetricResults = await result.metrics();
    return { out, dropped: metrics.counters().droppedDueToLateness };
  } finally {
    restore();
  }
}

const word = (at: number, value = 0) => timestamped({ key: 'k', value }, at);
const inWindows = <T>(input: PCollection<T>) => input.apply(windowInto(fixedWindows(10)));

/** How many came for a key and window so far; told again when the window ends. */
const counting = { seen: valueState<number>(), end: eventTimeTimer(), at: timestampParam() };
const count: DoFn<Word, string, typeof counting> = {
  async process({ value }, { seen, end, at }) {
    const n = ((await seen.read()) ?? 0) + 1;
    seen.write(n);
    end.set(10 * SECOND - 1);
    return [`${value}: ${n} at ${at.lookup()}`];
  },
  onTimer: async (_, { seen }) => [`end: ${await seen.read()}`],
};

const dedupe: DoFn<Word, string, { seen: ValueState<boolean> }> = {
  async process({ value }, { seen }) {
    if (await seen.read()) return [];
    seen.write(true);
    return [`${value} is new`];
  },
};

describe('elements that are moved past the end of their window', () => {
  it('find the state of their window until it ends, and are dropped after it', async () => {
    const { out, dropped } = await run((root, out) => {
      const words = root.apply(
        testStream<Word>()
          .addElements(word(SECOND, 1))
          .advanceWatermarkTo(5 * SECOND)
          .addElements(word(SECOND, 2))
          .advanceWatermarkTo(20 * SECOND)
          .addElements(word(SECOND, 3)),
      );
      inWindows(words)
        .apply(assignTimestamps(() => LATER))
        .apply(reshuffle())
        .apply(parDo(count, counting))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out, [`1: 1 at ${LATER}`, `2: 2 at ${LATER}`, 'end: 2']);
    assert.equal(dropped, 1);
  });

  it('are there before the timers of the end of their window', async () => {
    const { out, dropped } = await run((root, out) => {
      const words = root.apply(
        testStream<Word>()
          .addElements(word(SECOND, 1), word(SECOND, 2))
          .advanceWatermarkTo(20 * SECOND),
      );
      inWindows(words)
        .map(({ key, value }) => timestamped({ key, value }, value === 2 ? LATER : SECOND))
        .apply(reshuffle())
        // Waits here, while what is in front of it has gone on.
        .map((each) => sleep(5, each))
        .apply(reshuffle())
        .apply(parDo(count, counting))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out, [`1: 1 at ${SECOND}`, `2: 2 at ${LATER}`, 'end: 2']);
    assert.equal(dropped, undefined);
  });

  it('find the side input of their window until it is forgotten, and are dropped then', async () => {
    const { out, dropped } = await run((root, out) => {
      const script = testStream<number>()
        .addElements(timestamped(7, SECOND))
        .advanceWatermarkTo(20 * SECOND)
        // The side input is there now. What comes from here on is late.
        .addElements(timestamped(8, 2 * SECOND))
        .advanceWatermarkTo(30 * SECOND);
      const numbers = inWindows(root.apply(script));
      numbers
        .apply(assignTimestamps(() => LATER))
        .map((n, side) => `${n} ${[...side.lookup()]}`, iterableSideInput(numbers))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out, ['7 7']);
    // In the side input, and before the step that reads it.
    assert.equal(dropped, 2);
  });

  it('see a side input in the global window however late they are', async () => {
    const { out, dropped } = await run((root, out) => {
      const script = testStream<number>()
        .advanceWatermarkTo(20 * SECOND)
        .addElements(timestamped(8, 2 * SECOND))
        .advanceWatermarkTo(30 * SECOND);
      inWindows(root.apply(script))
        .apply(assignTimestamps(() => LATER))
        .map((n, side) => `${n} ${[...side.lookup()]}`, iterableSideInput(root.apply(create([7]))))
        .map((text) => out.push(text));
    });
    assert.deepEqual([out, dropped], [['8 7'], undefined]);
  });

  it('find what their window had, while a slow step holds them and the source goes on', async () => {
    async function* seconds() {
      yield 1;
      // The slow step is at work on the first by now.
      await sleep(10);
      yield 20;
    }
    const { out, dropped } = await run((root, out) => {
      const source = fromAsyncIterable(seconds, { timestamp: (second) => second * SECOND });
      const side = inWindows(
        root.apply(create([1, 20])).apply(assignTimestamps((second) => second * SECOND)),
      );
      const slow = inWindows(root.apply(source))
        .apply(assignTimestamps(() => LATER))
        .apply(reshuffle())
        .map(async (second) => {
          await sleep(40);
          return second;
        })
        .apply(reshuffle());
      slow
        .map((second, beside) => `${second} ${[...beside.lookup()]}`, iterableSideInput(side))
        .map((text) => out.push(text));
      slow
        .map((second) => ({ key: 'k', value: second }))
        .apply(parDo(dedupe, { seen: valueState<boolean>() }))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out.sort(), ['1 1', '1 is new', '20 20', '20 is new']);
    assert.equal(dropped, undefined);
  });
});

describe('elements of the last instant of their window', () => {
  it('come before the timers of that instant, however long they take to come', async () => {
    async function* seconds() {
      yield 1;
      await sleep(20);
      yield 10 - 1 / SECOND;
      await sleep(20);
      yield 30;
    }
    const { out } = await run((root, out) => {
      const source = fromAsyncIterable(seconds, { timestamp: (second) => second * SECOND });
      inWindows(root.apply(source))
        .map((second) => (second === 1 ? second : sleep(40, second)))
        .apply(reshuffle())
        .map((second) => ({ key: 'k', value: Math.ceil(second) }))
        .filter(({ value }) => value <= 10)
        .apply(parDo(count, counting))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out, [`1: 1 at ${SECOND}`, `10: 2 at ${10 * SECOND - 1}`, 'end: 2']);
  });
});

describe('elements that are moved back in time', () => {
  it('are not late in a batch, where nothing is', async () => {
    const { out, dropped } = await run((root, out) => {
      const words = root
        .apply(create([1, 2, 3]))
        .apply(assignTimestamps((n) => n * LATER))
        .apply(reshuffle())
        .map((n) => sleep(5, { key: 'k', value: n }))
        .apply(assignTimestamps(() => SECOND));
      inWindows(words)
        .apply(parDo(count, counting))
        .map((text) => out.push(text));
    });
    assert.equal(dropped, undefined);
    assert.deepEqual(
      out.map((text) => text.replace(/^\d/, 'n')),
      [`n: 1 at ${SECOND}`, `n: 2 at ${SECOND}`, `n: 3 at ${SECOND}`, 'end: 3'],
    );
  });
});

describe('a splittable DoFn that resumes with a watermark past the window of its element', () => {
  /** Two turns for each element, the second one under a watermark that is past the window. */
  const turns = (side: PCollection<number>) => {
    const context = { side: iterableSideInput(side) };
    const doFn: SplittableDoFn<
      number,
      Word,
      OffsetRange,
      number,
      typeof context,
      ManualWatermarkEstimator,
      number
    > = {
      initialRestriction: () => offsetRange(0, 2),
      newTracker: (range) => new OffsetRangeTracker(range),
      newWatermarkEstimator: (state) => new ManualWatermarkEstimator(state),
      *process(n, tracker, { side }, { watermark }) {
        const { start } = tracker.currentRestriction();
        if (!tracker.tryClaim(start)) return undefined;
        yield timestamped(
          { key: `${n} turn ${start} sees ${[...side.lookup()]}`, value: start },
          LATER,
        );
        watermark.setWatermark(LATER);
        return resume(start === 0 ? 20 : 0);
      },
    };
    return parDo(doFn, context);
  };

  it('sees the side input of the window each time; what comes of it is late then', async () => {
    const { out, dropped } = await run((root, out) => {
      const script = testStream<number>()
        .addElements(timestamped(7, SECOND))
        .advanceWatermarkTo(60 * SECOND);
      const numbers = inWindows(root.apply(script));
      const turned = numbers.apply(turns(numbers));
      turned.map(({ key }) => out.push(key));
      turned
        .map(({ value }) => ({ key: 'k', value }))
        .apply(parDo(count, counting))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out.sort(), [
      `0: 1 at ${LATER}`,
      '7 turn 0 sees 7',
      '7 turn 1 sees 7',
      'end: 1',
    ]);
    assert.equal(dropped, 1);
  });
});
