// SPDX-License-Identifier: Apache-2.0
// Windows and triggers that are set in Python.

import { int64, string } from '../../../src/schema/index.ts';
import {
  assertDeepEqual,
  assertThat,
  type TestStream,
  testStream,
} from '../../../src/testing/index.ts';
import {
  create,
  groupBy,
  timestamped,
  windowParam,
  withSchema,
} from '../../../src/transforms/index.ts';
import type { Case, Cases } from '../case.ts';
import { python, pythonAsync } from './python-stage.ts';

function windows(name: string, transform: string, numbers: number[], expected: string[]): Case {
  return {
    name: `Python: ${name}`,
    build: (root) => {
      root
        .apply(create(numbers))
        .apply(withSchema(int64))
        .apply(python('windows', transform, string))
        .apply(assertDeepEqual(expected));
    },
  };
}

const MINUTE = 60_000;

export const pythonWindowing: Cases = [
  windows(
    'fixed windows',
    'fixed',
    [1, 2, 3, 11],
    [
      'even: [2] in [0, 10) at 9999',
      'odd: [1, 3] in [0, 10) at 9999',
      'odd: [11] in [10, 20) at 19999',
    ],
  ),
  windows(
    'sliding windows',
    'sliding',
    [1, 7],
    [
      'odd: [1] in [-5, 5) at 4999',
      'odd: [1, 7] in [0, 10) at 9999',
      'odd: [7] in [5, 15) at 14999',
    ],
  ),
  windows(
    'sessions merge within a key',
    'sessions',
    [1, 4, 5, 20],
    [
      'even: [4] in [4, 9) at 8999',
      'even: [20] in [20, 25) at 24999',
      'odd: [1, 5] in [1, 10) at 9999',
    ],
  ),
  windows(
    'a window function that only Python knows',
    'hundreds',
    [1, 51, 101],
    ['odd: [1, 51] in [0, 100) at 99999', 'odd: [101] in [100, 200) at 199999'],
  ),
  windows(
    'a merging window function that only Python knows',
    'runs',
    [1, 4, 5, 9, 20],
    [
      'even: [4] in [4, 9) at 8999',
      'even: [20] in [20, 25) at 24999',
      'odd: [1, 5, 9] in [1, 14) at 13999',
    ],
  ),
  windows(
    'timestamp combiners',
    'timestamp_combiners',
    [1, 3],
    ['earliest 1000', 'latest 3000', 'end 9999'],
  ),
  {
    name: 'Python: values are combined in windows that a function of Python merges',
    build: (root) => {
      root
        .apply(create([1, 4, 20]))
        .apply(withSchema(int64))
        .apply(python('windows', 'sums_of_runs', int64))
        .apply(assertDeepEqual([5, 20]));
    },
  },
  {
    name: 'Python: a trigger of every third element',
    build: (root) => {
      root
        .apply(create([1, 1, 1, 1, 1, 1]))
        .apply(withSchema(int64))
        .apply(python('triggers', 'each_three', string))
        .map((text) => text.slice(0, 1))
        .filter((text) => text !== '[')
        .apply(assertDeepEqual<string>([]));
    },
  },
  {
    name: 'Python: windows of Python come out, and TypeScript groups in them',
    build: async (root) => {
      const windowed = await root
        .apply(create([1, 2, 11]))
        .apply(withSchema(int64))
        .applyAsync(pythonAsync<number>('windows', 'put_in_fixed'));
      windowed
        .apply(groupBy(() => 'all'))
        .map(({ value }, w) => `${[...value].sort()} ${w.lookup()}`, windowParam())
        .apply(assertDeepEqual(['1,2 [0, 10000)', '11 [10000, 20000)']));
    },
  },
];

/** What comes of a scripted stream, in Python's words. */
function streamed(
  name: string,
  [file, transform]: readonly [string, string],
  script: () => TestStream<number>,
  expected: string[],
): Case {
  return {
    name: `Python: ${name}`,
    alone: true,
    build: (root) => {
      const result = root.apply(script()).apply(python(file, transform, string));
      assertThat(result).containsInAnyOrder(...expected);
    },
  };
}

export const pythonStreams: Cases = [
  streamed(
    'early, on-time and late panes that accumulate',
    ['triggers', 'watermark'],
    () =>
      testStream(int64)
        .addElements(timestamped(1, 1000), timestamped(2, 2000))
        .addElements(timestamped(3, 3000))
        .advanceWatermarkTo(MINUTE)
        .addElements(timestamped(4, 4000))
        .advanceWatermarkToInfinity(),
    // What Python sets: the last pane of a window comes even when nothing is new in it.
    ['[1, 2] early', '[1, 2, 3] on time', '[1, 2, 3, 4] late', '[1, 2, 3, 4] late'],
  ),
  streamed(
    'panes that discard, and late elements dropped',
    ['triggers', 'discarding'],
    () =>
      testStream(int64)
        .addElements(timestamped(1, 1000), timestamped(2, 2000))
        .addElements(timestamped(3, 3000))
        .advanceWatermarkTo(MINUTE)
        .addElements(timestamped(4, 4000))
        .advanceWatermarkToInfinity(),
    ['[1, 2] early', '[3] on time'],
  ),
  streamed(
    'a composite trigger that looks at the clock',
    ['triggers', 'composite'],
    () =>
      testStream(int64)
        .addElements(1, 2)
        .advanceProcessingTime(61_000)
        .addElements(3, 4, 5)
        .advanceWatermarkToInfinity(),
    ['[1, 2] early', '[3, 4, 5] early', '[] on time'],
  ),
  streamed(
    'windows that a function of Python merges meet over time',
    ['windows', 'runs'],
    () =>
      testStream(int64)
        .addElements(timestamped(1, 1000))
        .addElements(timestamped(9, 9000))
        .advanceWatermarkTo(3000)
        .addElements(timestamped(5, 5000), timestamped(20, 20_000))
        .advanceWatermarkTo(16_000)
        .addElements(timestamped(21, 21_000))
        .advanceWatermarkToInfinity(),
    [
      'odd: [1, 5, 9] in [1, 14) at 13999',
      'even: [20] in [20, 25) at 24999',
      'odd: [21] in [21, 26) at 25999',
    ],
  ),
  streamed(
    'state lasts from bundle to bundle',
    ['state', 'numbered'],
    () => testStream(int64).addElements(1).addElements(2).addElements(3),
    ['k 1', 'k 2', 'k 3'],
  ),
  streamed(
    'an ordered list lasts from bundle to bundle, and loses ranges',
    ['state', 'later'],
    () =>
      testStream(int64)
        .addElements(5)
        .addElements(2)
        .addElements(3)
        .addElements(0)
        .addElements(9)
        .addElements(1),
    ['', '5:5', '2:2 5:5', '2:2 3:3 5:5', '0:0 5:5', ''],
  ),
  streamed(
    'a timer waits for the watermark, by tag',
    ['timers', 'tagged'],
    () =>
      testStream(int64)
        .addElements(1)
        .advanceWatermarkTo(2000)
        .addElements(3)
        .advanceWatermarkToInfinity(),
    ['tag1 at 1000', 'tag3 at 3000'],
  ),
  streamed(
    'a timer of the clock',
    ['timers', 'clock'],
    () =>
      testStream(int64).addElements(10).advanceProcessingTime(11_000).advanceWatermarkToInfinity(),
    ['k fired'],
  ),
  streamed(
    'a timer that a later bundle takes back',
    ['timers', 'withdrawn'],
    () => testStream(int64).addElements(10).addElements(0).advanceWatermarkToInfinity(),
    ['saw 10', 'saw 0'],
  ),
];
