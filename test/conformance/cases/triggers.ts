// SPDX-License-Identifier: Apache-2.0
// Triggers in batch: all elements of a window are there at once, and then the window is over.

import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  afterAll,
  afterAny,
  afterCount,
  afterEach,
  afterProcessingTime,
  afterSynchronizedProcessingTime,
  afterWatermark,
  always,
  assignTimestamps,
  type CombineFn,
  combinePerKey,
  create,
  defaultTrigger,
  fixedWindows,
  groupBy,
  groupByKey,
  never,
  paneInfoParam,
  repeatedly,
  sessions,
  slidingWindows,
  sum,
  type Trigger,
  type WindowingOptions,
  windowInto,
  windowParam,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

function windowed(root: Root, options: WindowingOptions, windows = fixedWindows(10)) {
  return root
    .apply(create([1, 2, 3, 11]))
    .apply(assignTimestamps((n) => n * 1000))
    .apply(windowInto(windows, { accumulationMode: 'discarding', ...options }));
}

/** The contents of each pane that has any. */
function contents(input: PCollection<number>): PCollection<string> {
  return input
    .apply(groupBy(() => 'k'))
    .map(({ value }) => [...value].sort((a, b) => a - b).join())
    .filter((text) => text !== '');
}

const TIMINGS = ['early', 'on time', 'late', 'unknown'];

/** Each pane with its place among its window's panes. */
function panes(input: PCollection<number>): PCollection<string> {
  return input.apply(groupBy(() => 'k')).map(({ value }, pane) => {
    const { timing, index, onTimeIndex, isFirst, isLast } = pane.lookup();
    const ends = `${isFirst ? ' first' : ''}${isLast ? ' last' : ''}`;
    const numbers = [...value].sort((a, b) => a - b);
    return `[${numbers}] ${TIMINGS[timing]} ${index} ${onTimeIndex}${ends}`;
  }, paneInfoParam());
}

const WHOLE = ['1,2,3', '11'];
/** Triggers with which each element comes out once, in whatever panes. */
const EACH_ONCE: readonly Trigger[] = [
  defaultTrigger(),
  always(),
  never(),
  afterWatermark(),
  afterWatermark().withEarlyFirings(afterCount(1)),
  afterWatermark().withEarlyFirings(afterProcessingTime(60)).withLateFirings(afterCount(1)),
  repeatedly(afterSynchronizedProcessingTime()),
  repeatedly(afterCount(1)),
  repeatedly(afterCount(3)),
  repeatedly(afterCount(99)),
  repeatedly(afterProcessingTime(60, { period: 60 })),
  repeatedly(afterAny(afterCount(99), afterWatermark())),
  repeatedly(afterAll(afterCount(1), afterWatermark())),
  repeatedly(afterEach(afterCount(1), afterWatermark())),
  repeatedly(afterCount(2)).orFinally(afterWatermark()),
];

export const triggers: Cases = [
  ...EACH_ONCE.map((trigger) => ({
    name: `no element is lost or doubled by ${trigger}`,
    build: (root: Root) => {
      contents(windowed(root, { trigger })).apply(assertDeepEqual(WHOLE));
    },
  })),
  {
    name: 'an early pane, then the one on time, which holds what is new',
    build: (root) => {
      const trigger = afterWatermark().withEarlyFirings(afterCount(2));
      panes(windowed(root, { trigger })).apply(
        assertDeepEqual([
          '[1,2,3] early 0 -1 first',
          '[] on time 1 0 last',
          '[11] on time 0 0 first last',
        ]),
      );
    },
  },
  {
    name: 'an early pane, then the one on time, which holds all so far',
    build: (root) => {
      const trigger = afterWatermark().withEarlyFirings(afterCount(2));
      panes(windowed(root, { trigger, accumulationMode: 'accumulating' })).apply(
        assertDeepEqual([
          '[1,2,3] early 0 -1 first',
          '[1,2,3] on time 1 0 last',
          '[11] on time 0 0 first last',
        ]),
      );
    },
  },
  {
    name: 'what a count did not reach comes out when the window is over',
    build: (root) => {
      panes(windowed(root, { trigger: repeatedly(afterCount(3)) })).apply(
        assertDeepEqual(['[1,2,3] early 0 -1 first', '[11] on time 0 0 first last']),
      );
    },
  },
  {
    name: 'a trigger on sessions counts what was merged',
    build: (root) => {
      contents(windowed(root, { trigger: repeatedly(afterCount(3)) }, sessions(5))).apply(
        assertDeepEqual(WHOLE),
      );
    },
  },
  {
    name: 'a combiner that changes its accumulators, where elements are in several windows',
    build: (root) => {
      const changing: CombineFn<number, { sum: number }, number> = {
        createAccumulator: () => ({ sum: 0 }),
        addInput(accumulator, input) {
          accumulator.sum += input;
          return accumulator;
        },
        mergeAccumulators(accumulators) {
          const [first = { sum: 0 }, ...others] = accumulators;
          for (const other of others) first.sum += other.sum;
          return first;
        },
        extractOutput: ({ sum: total }) => total,
      };
      const trigger = repeatedly(afterCount(9));
      windowed(root, { trigger }, slidingWindows(10, 5))
        .map((value) => ({ key: 'k', value }))
        .apply(combinePerKey(changing))
        .map(({ value }, window) => `${value} ${window.lookup()}`, windowParam())
        .apply(
          assertDeepEqual([
            '6 [-5000, 5000)',
            '6 [0, 10000)',
            '11 [5000, 15000)',
            '11 [10000, 20000)',
          ]),
        );
    },
  },
  {
    name: 'two groupings behind one trigger',
    build: (root) => {
      windowed(root, { trigger: repeatedly(afterProcessingTime(5)) })
        .map((value) => ({ key: value % 2, value }))
        .apply(combinePerKey(sum))
        .map(({ value }) => ({ key: 'k', value }))
        .apply(groupByKey())
        .map(({ value }) => [...value].reduce((a, b) => a + b, 0))
        .apply(assertDeepEqual([6, 11]));
    },
  },
];
