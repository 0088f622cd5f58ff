// SPDX-License-Identifier: Apache-2.0
// Splittable DoFns: restrictions that are split, claimed, left for later.

import { setTimeout as sleep } from 'node:timers/promises';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  assignTimestamps,
  create,
  fixedWindows,
  groupByKey,
  iterableSideInput,
  ManualWatermarkEstimator,
  MonotonicWatermarkEstimator,
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  parDo,
  type RestrictionTracker,
  resume,
  type SplittableDoFn,
  slidingWindows,
  splitOffsetRange,
  splittableDoFn,
  stop,
  timestamped,
  timestampParam,
  windowInto,
  windowParam,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

type Offsets = RestrictionTracker<OffsetRange, number>;

/** What a DoFn on the offsets below its element has besides `process`. */
const upTo = {
  initialRestriction: (n: number) => offsetRange(0, n),
  newTracker: (range: OffsetRange) => new OffsetRangeTracker(range),
};

function* claimed(tracker: Offsets): Generator<number> {
  for (let i = tracker.currentRestriction().start; tracker.tryClaim(i); i++) yield i;
}

export const splittable: Cases = [
  {
    name: 'each offset is output once',
    build: (root) => {
      const count = splittableDoFn({
        ...upTo,
        *process(n: number, tracker) {
          for (const i of claimed(tracker)) yield `${n}:${i}`;
        },
      });
      root
        .apply(create([3, 1, 0]))
        .apply(parDo(count))
        .apply(assertDeepEqual(['3:0', '3:1', '3:2', '1:0']));
    },
  },
  {
    name: 'parts of a restriction are processed one by one',
    build: (root) => {
      const count = splittableDoFn({
        ...upTo,
        splitRestriction: (_: number, range: OffsetRange) => splitOffsetRange(range, 4),
        process(_: number, tracker: Offsets) {
          const { start, stop } = tracker.currentRestriction();
          return [`[${start}, ${stop}) ${[...claimed(tracker)]}`];
        },
      });
      root
        .apply(create([10]))
        .apply(parDo(count))
        .apply(assertDeepEqual(['[0, 4) 0,1,2,3', '[4, 8) 4,5,6,7', '[8, 10) 8,9']));
    },
  },
  {
    name: 'what process leaves, it goes on with later',
    build: (root) => {
      const twoAtOnce = splittableDoFn({
        ...upTo,
        *process(_: number, tracker: Offsets) {
          const { start } = tracker.currentRestriction();
          for (const i of claimed(tracker)) {
            yield `${i} of ${start}`;
            if (i === start + 1) return resume(10);
          }
          return undefined;
        },
      });
      root
        .apply(create([5]))
        .apply(parDo(twoAtOnce))
        .apply(assertDeepEqual(['0 of 0', '1 of 0', '2 of 2', '3 of 2', '4 of 4']));
    },
  },
  {
    name: 'all methods may be async',
    build: (root) => {
      const count: SplittableDoFn<number, number, OffsetRange, number> = {
        initialRestriction: async (n) => offsetRange(0, n),
        newTracker: (range) => new OffsetRangeTracker(range),
        async *splitRestriction(_, range) {
          yield* splitOffsetRange(range, 3);
        },
        async *process(_, tracker) {
          for (const i of claimed(tracker)) {
            await sleep(1);
            yield i;
            if (i === 4) return resume();
          }
          return undefined;
        },
      };
      root
        .apply(create([8]))
        .apply(parDo(count))
        .apply(assertDeepEqual([0, 1, 2, 3, 4, 5, 6, 7]));
    },
  },
  {
    name: 'a promise without outputs may ask to be resumed',
    build: (root) => {
      const silent = splittableDoFn({
        ...upTo,
        async process(_: number, tracker: Offsets) {
          const { start } = tracker.currentRestriction();
          return tracker.tryClaim(start) ? resume() : stop();
        },
      });
      root
        .apply(create([3]))
        .apply(parDo(silent))
        .apply(assertDeepEqual<unknown>([]));
    },
  },
  {
    name: 'once for each window, where it looks at windows',
    build: (root) => {
      const sides = root.apply(create(['side'])).apply(windowInto(slidingWindows(2, 1)));
      const context = { window: windowParam(), at: timestampParam() };
      const count: SplittableDoFn<number, string, OffsetRange, number, typeof context> = {
        ...upTo,
        *process(n, tracker, { window, at }) {
          for (const i of claimed(tracker)) {
            yield `${i} of ${n} ${window.lookup()} ${at.lookup()}`;
            if (i === 0) return resume();
          }
          return undefined;
        },
      };
      root
        .apply(create([2]))
        .apply(assignTimestamps(() => 5000))
        .apply(windowInto(slidingWindows(2, 1)))
        .apply(parDo(count, context))
        .apply(
          assertDeepEqual([
            '0 of 2 [4000, 6000) 5000',
            '0 of 2 [5000, 7000) 5000',
            '1 of 2 [4000, 6000) 5000',
            '1 of 2 [5000, 7000) 5000',
          ]),
        );
      const withSide: SplittableDoFn<number, string, OffsetRange, number, object> = {
        ...upTo,
        process: (n, tracker) => [...claimed(tracker)].map((i) => `${n} ${i}`),
      };
      root
        .apply(create([1]))
        .apply(parDo(withSide, { sides: iterableSideInput(sides) }))
        .apply(assertDeepEqual(['1 0']));
    },
  },
  {
    name: 'outputs with timestamps, under a watermark',
    build: (root) => {
      const timed: SplittableDoFn<
        number,
        { key: string; value: number },
        OffsetRange,
        number,
        undefined,
        MonotonicWatermarkEstimator,
        number
      > = {
        ...upTo,
        newWatermarkEstimator: (state?: number) => new MonotonicWatermarkEstimator(state),
        *process(_, tracker) {
          for (const i of claimed(tracker)) {
            yield timestamped({ key: 'k', value: i }, i * 1000);
            if (i % 2 === 1) return resume();
          }
          return undefined;
        },
      };
      root
        .apply(create([5]))
        .apply(parDo(timed))
        .apply(windowInto(fixedWindows(2)))
        .apply(groupByKey())
        .map(({ value }, at) => `${[...value].sort()} at ${at.lookup()}`, timestampParam())
        .apply(assertDeepEqual(['0,1 at 1999', '2,3 at 3999', '4 at 5999']));
    },
  },
  {
    name: 'a claim before the restriction fails the run',
    build: (root) => {
      root
        .apply(create([3]))
        .apply(
          parDo({ ...upTo, process: (_: number, tracker: Offsets) => void tracker.tryClaim(-1) }),
        );
    },
    fails: { code: 'USER_CODE_FAILED', message: /position -1 was claimed, before .*parDo/s },
  },
  {
    name: 'claiming backwards fails the run',
    build: (root) => {
      const backwards = (_: number, tracker: Offsets) => {
        tracker.tryClaim(2);
        tracker.tryClaim(1);
      };
      root.apply(create([3])).apply(parDo({ ...upTo, process: backwards }));
    },
    fails: { code: 'USER_CODE_FAILED', message: /position 1 was claimed after 2.*parDo/s },
  },
  {
    name: 'leaving a part of the restriction without resuming fails the run',
    build: (root) => {
      root
        .apply(create([3]))
        .apply(
          parDo({ ...upTo, process: (_: number, tracker: Offsets) => void tracker.tryClaim(0) }),
        );
    },
    fails: {
      code: 'USER_CODE_FAILED',
      message: /process ended before its restriction \[0, 3\) did/,
    },
  },
  {
    name: 'a watermark that goes backwards fails the run',
    build: (root) => {
      const timed = splittableDoFn({
        ...upTo,
        newWatermarkEstimator: () => new ManualWatermarkEstimator(10),
        *process(_: number, tracker: Offsets, __: undefined, { watermark }): Generator<number> {
          for (const i of claimed(tracker)) {
            watermark.setWatermark(100 - i);
            yield i;
          }
        },
      });
      root.apply(create([3])).apply(parDo(timed));
    },
    fails: { code: 'USER_CODE_FAILED', message: /the watermark cannot go from 100 back to 99/ },
  },
];
