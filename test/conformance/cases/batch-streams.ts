// SPDX-License-Identifier: Apache-2.0
// Batches, the distinct and the latest of scripted streams.

import { IntervalWindow } from '../../../src/coders/index.ts';
import { int64, row, string } from '../../../src/schema/index.ts';
import { assertThat, testStream } from '../../../src/testing/index.ts';
import {
  afterCount,
  afterWatermark,
  distinct,
  fixedWindows,
  groupIntoBatches,
  latestPerKey,
  timestamped,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

const MINUTE = 60_000;
const FIRST = new IntervalWindow(0, MINUTE);
const PAIR = row({ key: string, value: int64 });

const at = (second: number, value: number) => timestamped({ key: 'k', value }, second * 1000);

export const batchStreams: Cases = [
  {
    name: 'distinct of a stream gives an element in the first pane in which it is',
    build: (root) => {
      for (const accumulationMode of ['discarding', 'accumulating'] as const) {
        const result = root
          .apply(
            testStream(int64)
              .addElements(timestamped(1, 1000))
              .addElements(timestamped(1, 2000), timestamped(2, 3000))
              .advanceWatermarkTo(MINUTE)
              .addElements(timestamped(1, 4000), timestamped(3, 5000))
              .advanceWatermarkToInfinity(),
          )
          .apply(
            windowInto(fixedWindows(60), {
              trigger: afterWatermark()
                .withEarlyFirings(afterCount(1))
                .withLateFirings(afterCount(1)),
              accumulationMode,
              allowedLateness: 30_000,
            }),
          )
          .apply(distinct());
        assertThat(result)
          .inWindow(FIRST)
          .containsInAnyOrder(1, 2, 3)
          .inLatePanes(FIRST)
          .containsInAnyOrder(3);
      }
    },
    alone: true,
  },
  {
    name: 'latestPerKey of a stream follows its panes',
    build: (root) => {
      const result = root
        .apply(
          testStream(PAIR)
            .addElements(at(5, 50))
            .addElements(at(2, 20))
            .addElements(at(9, 90))
            .advanceWatermarkToInfinity(),
        )
        .apply(
          windowInto(fixedWindows(60), {
            trigger: afterWatermark().withEarlyFirings(afterCount(1)),
            accumulationMode: 'accumulating',
          }),
        )
        .apply(latestPerKey())
        .map(({ value }) => value);
      assertThat(result)
        .inEarlyPanes(FIRST)
        .containsInAnyOrder(50, 50, 90)
        .inOnTimePane(FIRST)
        .containsInAnyOrder(90);
    },
    alone: true,
  },
  {
    name: 'late values come in batches too, once they are there',
    build: (root) => {
      const result = root
        .apply(
          testStream(PAIR)
            .addElements(at(1, 1))
            .advanceWatermarkTo(MINUTE)
            .addElements(at(2, 2), at(3, 3), at(4, 4))
            .advanceWatermarkTo(2 * MINUTE)
            .addElements(at(5, 5))
            .advanceWatermarkToInfinity(),
        )
        .apply(windowInto(fixedWindows(60), { allowedLateness: 30_000 }))
        .apply(groupIntoBatches(2))
        .flatMap(({ value }) => value);
      assertThat(result).containsInAnyOrder(1, 2, 3, 4);
    },
    alone: true,
  },
  {
    name: 'a batch that is not full waits as long as it may, and no longer',
    build: (root) => {
      const result = root
        .apply(
          testStream(PAIR)
            .addElements(at(1, 1), at(2, 2))
            .addElements(at(3, 3))
            .advanceProcessingTime(4_000)
            .advanceProcessingTime(2_000)
            .addElements(at(4, 4))
            .advanceProcessingTime(4_000)
            .addElements(at(5, 5))
            .addElements(at(6, 6))
            .advanceWatermarkToInfinity(),
        )
        .apply(windowInto(fixedWindows(60)))
        .apply(groupIntoBatches(2, { maxBufferingDurationMs: 5_000 }))
        .map(({ value }) => [...value].sort().join());
      assertThat(result).containsInAnyOrder('1,2', '3', '4,5', '6');
    },
    alone: true,
  },
];
