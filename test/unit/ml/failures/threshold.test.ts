// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  afterCount,
  assignTimestamps,
  create,
  fixedWindows,
  repeatedly,
  timestamped,
  windowInto,
} from '../../../../src/index.ts';
import type { FailedInference } from '../../../../src/ml/failures/dead-letters.ts';
import { checkThreshold } from '../../../../src/ml/failures/threshold.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { int64 } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';

const failed = (message: string): FailedInference<unknown> => ({
  element: 0,
  step: 'inference',
  index: 0,
  errorType: 'ValueError',
  message,
  traceback: '',
});

test('what fails a threshold is told with the commonest reason, not the first', async () => {
  const run = (threshold: number) =>
    createRunner({ runner: 'node' }).run((root) => {
      checkThreshold(
        root.apply(create([1, 2])),
        root.apply(create([failed('one'), failed('many'), failed('__proto__'), failed('many')])),
        threshold,
        'Scoring',
      );
    });
  await run(0.7);
  await assert.rejects(run(0.6), {
    code: 'DEAD_LETTER_THRESHOLD',
    message: /4 of 6 rows .* at most a share of 0.6 may; 2 of them: ValueError: many/,
  });
});

test('where messages name the row, the commonest type of error is told, with one of them', async () => {
  const keys = Array.from({ length: 2 }, () => ({ ...failed("'x'"), errorType: 'KeyError' }));
  // More different ones than are counted by their message.
  const ranges = Array.from({ length: 137 }, (_, i) => ({
    ...failed(`negative: ${-100 - i}`),
    errorType: 'RangeError',
  }));
  const run = (failures: FailedInference<unknown>[]) =>
    createRunner({ runner: 'node' }).run((root) => {
      checkThreshold(root.apply(create([1])), root.apply(create(failures)), 0, 'Scoring');
    });
  await assert.rejects(run([...keys, ...ranges]), {
    message: /139 of 140 rows .* may; 137 of them RangeError, such as: negative: -\d{3} \[/,
  });
  await assert.rejects(run([failed('one'), failed('two')]), {
    message: /2 of them ValueError, such as: (one|two)/,
  });
  await assert.rejects(run([failed('one')]), { message: /1 of them: ValueError: one/ });
});

test('a threshold is of the rows of a window, whatever the trigger tells before', async () => {
  for (const accumulationMode of ['discarding', 'accumulating'] as const) {
    const run = (threshold: number) =>
      createRunner({ runner: 'node' }).run((root) => {
        const rows = root
          .apply(
            testStream(int64)
              .addElements(timestamped(1, 1_000))
              .addElements(timestamped(2, 2_000), timestamped(3, 3_000))
              .addElements(timestamped(4, 4_000))
              .advanceWatermarkTo(100_000)
              // One of five: a late row counts with those before it.
              .addElements(timestamped(5, 5_000))
              .advanceWatermarkToInfinity(),
          )
          .apply(
            windowInto(fixedWindows(100), {
              trigger: repeatedly(afterCount(1)),
              accumulationMode,
              allowedLateness: 60_000,
            }),
          );
        checkThreshold(
          // Moved out of its window, in which it still counts.
          rows.filter((n) => n > 1).apply(assignTimestamps(() => 190_000)),
          rows.filter((n) => n === 1).map(() => failed('first')),
          threshold,
          'Scoring',
        );
      });
    await run(0.25);
    await assert.rejects(run(0.24), {
      code: 'DEAD_LETTER_THRESHOLD',
      message: /1 of 4 rows in window .* failed/,
    });
  }
});

test('a late row that fails is counted with the rows of its window that were told before', async () => {
  const run = (threshold: number) =>
    createRunner({ runner: 'node' }).run((root) => {
      const rows = root
        .apply(
          testStream(int64)
            .addElements(timestamped(1, 1_000), timestamped(2, 2_000))
            .advanceWatermarkTo(100_000)
            .addElements(timestamped(-3, 5_000))
            .advanceWatermarkToInfinity(),
        )
        .apply(windowInto(fixedWindows(100), { allowedLateness: 60_000 }));
      checkThreshold(
        rows.filter((n) => n > 0),
        rows.filter((n) => n < 0).map(() => failed('late')),
        threshold,
        'Scoring',
      );
    });
  await run(0.4);
  await assert.rejects(run(0.3), { message: /1 of 3 rows in window .* failed/ });
});
