// SPDX-License-Identifier: Apache-2.0
// Scripts of elements, watermarks and passing time, and what comes out of them pane by pane.

import { IntervalWindow, type KV, Timing } from '../../../src/coders/index.ts';
import { int64 } from '../../../src/schema/index.ts';
import { assertThat, testStream } from '../../../src/testing/index.ts';
import {
  afterCount,
  afterProcessingTime,
  afterWatermark,
  type DoFn,
  eventTimeTimer,
  fixedWindows,
  groupGlobally,
  paneInfoParam,
  parDo,
  repeatedly,
  sum,
  timestamped,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';
import { batchStreams } from './batch-streams.ts';
import { streamsOfFiles } from './files-apart.ts';

const MINUTE = 60_000;
const FIRST = new IntervalWindow(0, MINUTE);
const SECOND = new IntervalWindow(MINUTE, 2 * MINUTE);
const totals = () => groupGlobally<number>().combining((n) => n, sum, 'total');

export const testStreams: Cases = [
  ...batchStreams,
  ...streamsOfFiles,
  {
    name: 'early, on-time and late panes of a scripted stream',
    build: (root) => {
      const result = root
        .apply(
          testStream(int64)
            .addElements(timestamped(1, 1000), timestamped(2, 2000))
            .addElements(timestamped(10, MINUTE + 1))
            .advanceWatermarkTo(MINUTE)
            .addElements(timestamped(4, 3000))
            .advanceWatermarkTo(2 * MINUTE)
            .addElements(timestamped(100, 4000))
            .advanceWatermarkToInfinity(),
        )
        .apply(
          windowInto(fixedWindows(60), {
            trigger: afterWatermark()
              .withEarlyFirings(afterCount(2))
              .withLateFirings(afterCount(1)),
            accumulationMode: 'discarding',
            allowedLateness: 30_000,
          }),
        )
        .apply(totals())
        .map(({ total }) => total);
      assertThat(result)
        .inEarlyPanes(FIRST)
        .containsInAnyOrder(3)
        .inLatePanes(FIRST)
        .containsInAnyOrder(4)
        .inOnTimePane(SECOND)
        .containsInAnyOrder(10)
        .inLatePanes(SECOND)
        .empty();
    },
  },
  {
    name: 'panes by the clock of a scripted stream',
    build: (root) => {
      const result = root
        .apply(
          testStream(int64)
            .addElements(timestamped(1, 1000))
            .advanceProcessingTime(4000)
            .addElements(timestamped(2, 2000))
            .advanceProcessingTime(6000)
            .addElements(timestamped(4, 3000))
            .advanceWatermarkToInfinity(),
        )
        .apply(
          windowInto(fixedWindows(60), {
            trigger: repeatedly(afterProcessingTime(10)),
            accumulationMode: 'accumulating',
          }),
        )
        .apply(totals())
        .map(({ total }, pane) => `${total} ${pane.lookup().index}`, paneInfoParam());
      assertThat(result).containsInAnyOrder('3 0', '7 1');
    },
  },
  {
    name: 'a timer waits for the watermark of a scripted stream',
    build: (root) => {
      type Word = KV<string, number>;
      const context = { due: eventTimeTimer() };
      const doFn: DoFn<Word, string, typeof context> = {
        process({ key, value }, { due }) {
          due.set(5000, { tag: `${value}` });
          return [`${key}${value}`];
        },
        onTimer: ({ key, tag }) => [`${key}${tag} is due`],
      };
      const result = root
        .apply(
          testStream<Word>()
            .addElements(timestamped({ key: 'a', value: 1 }, 1000))
            .advanceWatermarkTo(6000)
            .addElements(timestamped({ key: 'a', value: 2 }, 6000)),
        )
        .apply(parDo(doFn, context));
      assertThat(result).containsInAnyOrder('a1', 'a1 is due', 'a2', 'a2 is due');
    },
  },
  {
    name: 'what was never grouped has no pane',
    build: (root) => {
      const all = root.apply(testStream(int64).addElements(1));
      assertThat(all.map((_, pane) => pane.lookup().timing === Timing.UNKNOWN, paneInfoParam()))
        .inFinalPane()
        .containsInAnyOrder(true)
        .inOnTimePane()
        .empty();
    },
  },
];
