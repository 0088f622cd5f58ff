// SPDX-License-Identifier: Apache-2.0
// Windows, timestamps, and groupings within them.

import {
  type Coder,
  type Instant,
  IntervalWindow,
  IntervalWindowCoder,
  MIN_TIMESTAMP,
} from '../../../src/coders/index.ts';
import { P, type PCollection, type Root, type WindowFn } from '../../../src/pipeline/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  assignTimestamps,
  combineGlobally,
  combinePerKey,
  countPerElement,
  create,
  fixedWindows,
  flatten,
  globalWindows,
  groupBy,
  paneInfoParam,
  parDo,
  reshuffle,
  sessions,
  slidingWindows,
  sum,
  timestamped,
  timestampParam,
  windowInto,
  windowParam,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

/** Numbers that happen at as many seconds. */
function seconds(root: Root, numbers: number[]): PCollection<number> {
  return root.apply(create(numbers)).apply(assignTimestamps((n) => n * 1000));
}

function groupsOf(input: PCollection<number>): PCollection<string> {
  return input
    .apply(groupBy((n) => n < 0))
    .map(
      ({ value }, { window, at }) =>
        `${[...value].sort((a, b) => a - b)} in ${window.lookup()} at ${at.lookup()}`,
      { window: windowParam(), at: timestampParam() },
    );
}

/** Windows up to the next full hundred, one for each sign. */
const hundreds: WindowFn<IntervalWindow> = {
  beamName: 'hundreds',
  assignWindows: (timestamp: Instant) => {
    const start = Math.floor(timestamp / 100) * 100;
    return [new IntervalWindow(start, start + 100)];
  },
  windowCoder: (): Coder<IntervalWindow> => new IntervalWindowCoder(),
  toProto: () => undefined,
  isMerging: () => false,
  assignsToOneWindow: () => true,
};

/** As sessions, by a function that no runner knows. */
const ownSessions: WindowFn<IntervalWindow> = {
  beamName: 'ownSessions',
  assignWindows: (timestamp: Instant) => [new IntervalWindow(timestamp, timestamp + 5000)],
  windowCoder: () => new IntervalWindowCoder(),
  toProto: () => undefined,
  isMerging: () => true,
  assignsToOneWindow: () => true,
  mergeWindows: (windows) => sessions(5).mergeWindows!(windows),
};

export const windowing: Cases = [
  {
    name: 'timestamps that are assigned are seen, and the beginning of time before',
    build: (root) => {
      const now = { now: timestampParam() };
      root
        .apply(create([1]))
        .map((_, { now }) => now.lookup(), now)
        .apply(assertDeepEqual([MIN_TIMESTAMP]));
      seconds(root, [1, -2])
        .map((_, { now }) => now.lookup(), now)
        .apply(assertDeepEqual([1000, -2000]));
      root
        .apply(create([3]))
        .apply(assignTimestamps(async (n) => n + 0.7))
        .map((_, { now }) => now.lookup(), now)
        .apply(assertDeepEqual([3]));
    },
  },
  {
    name: 'a timestamp that is no number fails the run',
    build: (root) => {
      root.apply(create(['2026'])).apply(assignTimestamps((text) => text as unknown as number));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /returned is string "2026"[\s\S]*milliseconds/ },
  },
  {
    name: 'a DoFn gives outputs timestamps of their own',
    build: (root) => {
      root
        .apply(create([1]))
        .apply(
          parDo({
            *process(n: number) {
              yield timestamped(n, 5000);
              yield timestamped(n + 1, 6000);
            },
          }),
        )
        .map((n, at) => [n, at.lookup()], timestampParam())
        .apply(
          assertDeepEqual([
            [1, 5000],
            [2, 6000],
          ]),
        );
    },
  },
  {
    name: 'global windows',
    build: (root) => {
      root
        .apply(create(['apple', 'apricot', 'banana']))
        .apply(windowInto(globalWindows()))
        .apply(groupBy((word) => word[0]))
        .map(({ key, value }, w) => `${key} ${[...value].length} ${w.lookup()}`, windowParam())
        .apply(assertDeepEqual(['a 2 GlobalWindow', 'b 1 GlobalWindow']));
    },
  },
  {
    name: 'fixed windows',
    build: (root) => {
      groupsOf(seconds(root, [1, 2, 3, 10, 11, 29]).apply(windowInto(fixedWindows(10)))).apply(
        assertDeepEqual([
          '1,2,3 in [0, 10000) at 9999',
          '10,11 in [10000, 20000) at 19999',
          '29 in [20000, 30000) at 29999',
        ]),
      );
    },
  },
  {
    name: 'fixed windows before 1970, with an offset and a fraction of a second',
    build: (root) => {
      const windowsOf = (windowFn: WindowFn<IntervalWindow>, numbers: number[]) =>
        seconds(root, numbers)
          .apply(windowInto(windowFn))
          .apply(groupBy((n) => n))
          .map(({ key }, window) => `${key} in ${window.lookup()}`, windowParam());
      windowsOf(fixedWindows(10), [-1, -10, -11]).apply(
        assertDeepEqual(['-1 in [-10000, 0)', '-10 in [-10000, 0)', '-11 in [-20000, -10000)']),
      );
      windowsOf(fixedWindows(10, 1.5), [1, 2]).apply(
        assertDeepEqual(['1 in [-8500, 1500)', '2 in [1500, 11500)']),
      );
    },
  },
  {
    name: 'fixed windows of elements without timestamps',
    build: (root) => {
      root
        .apply(create([1, 2]))
        .apply(windowInto(fixedWindows(10)))
        .apply(groupBy(() => 0))
        .map(({ value }) => [...value].length)
        .apply(assertDeepEqual([2]));
    },
  },
  {
    name: 'sliding windows put an element into several',
    build: (root) => {
      groupsOf(seconds(root, [1, 6]).apply(windowInto(slidingWindows(10, 5)))).apply(
        assertDeepEqual([
          '1 in [-5000, 5000) at 4999',
          '1,6 in [0, 10000) at 9999',
          '6 in [5000, 15000) at 14999',
        ]),
      );
    },
  },
  {
    name: 'sessions merge within a key only',
    build: (root) => {
      seconds(root, [1, 4, 5, 20])
        .apply(windowInto(sessions(5)))
        .apply(groupBy((n) => n % 2))
        .map(
          ({ key, value }, w) => `${key}: ${[...value].sort((a, b) => a - b)} in ${w.lookup()}`,
          windowParam(),
        )
        .apply(
          assertDeepEqual([
            '1: 1,5 in [1000, 10000)',
            '0: 4 in [4000, 9000)',
            '0: 20 in [20000, 25000)',
          ]),
        );
    },
  },
  {
    name: 'combiners work within windows, merging ones too',
    build: (root) => {
      const keyed = (input: PCollection<number>) => input.map((value) => ({ key: 'k', value }));
      keyed(seconds(root, [1, 2, 11]).apply(windowInto(fixedWindows(10))))
        .apply(combinePerKey(sum))
        .map(({ value }) => value)
        .apply(assertDeepEqual([3, 11]));
      keyed(seconds(root, [1, 4, 20]).apply(windowInto(sessions(5))))
        .apply(combinePerKey(sum))
        .map(({ value }) => value)
        .apply(assertDeepEqual([5, 20]));
      seconds(root, [1, 11])
        .apply(windowInto(fixedWindows(10)))
        .apply(combineGlobally(sum))
        .apply(assertDeepEqual([1, 11]));
      seconds(root, [1, 1, 11])
        .apply(windowInto(fixedWindows(10)))
        .map(() => 'x')
        .apply(countPerElement())
        .map(({ count }) => count)
        .apply(assertDeepEqual([2, 1]));
    },
  },
  {
    name: 'timestamp combiners',
    build: (root) => {
      for (const [timestampCombiner, at] of [
        ['earliest', 1000],
        ['latest', 3000],
        ['endOfWindow', 9999],
      ] as const) {
        seconds(root, [1, 2, 3])
          .apply(windowInto(fixedWindows(10), { timestampCombiner }))
          .apply(groupBy(() => 0))
          .map((_, now) => now.lookup(), timestampParam())
          .apply(assertDeepEqual([at]));
      }
    },
  },
  {
    name: 'a window function of the user',
    build: (root) => {
      root
        .apply(create([1, 50, 101, 250]))
        .apply(assignTimestamps((ms) => ms))
        .apply(windowInto(hundreds))
        .apply(groupBy(() => 0))
        .map(({ value }, w) => `${[...value].sort()} ${w.lookup()}`, windowParam())
        .apply(assertDeepEqual(['1,50 [0, 100)', '101 [100, 200)', '250 [200, 300)']));
    },
  },
  {
    name: 'a merging window function of the user',
    build: (root) => {
      groupsOf(seconds(root, [1, 4, 20]).apply(windowInto(ownSessions))).apply(
        assertDeepEqual(['1,4 in [1000, 9000) at 8999', '20 in [20000, 25000) at 24999']),
      );
    },
  },
  {
    name: 'a merging window function without a merge fails the run',
    build: (root) => {
      const { mergeWindows: _, ...unmergeable } = ownSessions;
      groupsOf(seconds(root, [1, 4]).apply(windowInto(unmergeable)));
    },
    fails: {
      code: 'INVALID_ARGUMENT',
      message: /ownSessions[\s\S]*lacks mergeWindows[\s\S]*isMerging/,
    },
  },
  {
    name: 'reshuffle keeps windows and timestamps',
    build: (root) => {
      const context = { window: windowParam(), at: timestampParam() };
      for (const windows of [fixedWindows(10), sessions(5), slidingWindows(10, 5)]) {
        const input = seconds(root, [1, 2, 11]).apply(windowInto(windows));
        const describe = (pcoll: PCollection<number>) =>
          pcoll.map((n, { window, at }) => `${n} ${window.lookup()} ${at.lookup()}`, context);
        const after = describe(input.apply(reshuffle())).map((text) => ({ text, from: 'after' }));
        const before = describe(input).map((text) => ({ text, from: 'before' }));
        P([after, before])
          .apply(flatten())
          .apply(windowInto(globalWindows()))
          .apply(groupBy('text'))
          .map(({ value }) => [...value].map(({ from }) => from).sort())
          .filter((both) => both.join() !== 'after,before')
          .apply(assertDeepEqual<string[]>([]));
      }
    },
  },
  {
    name: 'sessions still merge after a reshuffle',
    build: (root) => {
      groupsOf(
        seconds(root, [1, 4, 20])
          .apply(windowInto(sessions(5)))
          .apply(reshuffle()),
      ).apply(assertDeepEqual(['1,4 in [1000, 9000) at 8999', '20 in [20000, 25000) at 24999']));
    },
  },
  {
    name: 'the pane of a grouping that fired once',
    build: (root) => {
      seconds(root, [1])
        .apply(windowInto(fixedWindows(10)))
        .apply(groupBy(() => 0))
        .map((_, pane) => ({ ...pane.lookup() }), paneInfoParam())
        .map(({ isFirst, index }) => ({ isFirst, index }))
        .apply(assertDeepEqual([{ isFirst: true, index: 0 }]));
    },
  },
  {
    name: 'windows can be replaced',
    build: (root) => {
      groupsOf(
        seconds(root, [1, 11])
          .apply(windowInto(fixedWindows(10)))
          .apply(windowInto(fixedWindows(60))),
      ).apply(assertDeepEqual(['1,11 in [0, 60000) at 59999']));
    },
  },
];
