// SPDX-License-Identifier: Apache-2.0
// Rows that come too late, where a share of failed rows is counted beside what the program does with them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setLogSink } from '../../../../src/base/index.ts';
import { modelHandler, RunInference } from '../../../../src/ml/index.ts';
import type { PCollection } from '../../../../src/pipeline/index.ts';
import { float64 } from '../../../../src/schema/index.ts';
import { assertThat, TestPipeline, testStream } from '../../../../src/testing/index.ts';
import {
  fixedWindows,
  groupByKey,
  timestamped,
  windowInto,
} from '../../../../src/transforms/index.ts';

const half = modelHandler({
  name: 'half',
  example: float64,
  inference: float64,
  loadModel: () => null,
  runInference: (batch: readonly number[]) =>
    batch.map((x) => {
      if (x < 0) throw new RangeError('negative');
      return x / 2;
    }),
});

/** Four rows on time, one that is late, and one that is too late. */
async function run(
  look: (predictions: PCollection<number>) => void,
  late = 20,
  threshold: number | undefined = 0.5,
) {
  const warnings: string[] = [];
  const restore = setLogSink(({ name, message }) => name === 'node' && warnings.push(message));
  try {
    const result = await new TestPipeline().run((root) => {
      const rows = root.apply(
        testStream(float64)
          .addElements(...[2, 4, 6, -1].map((x) => timestamped(x, 1000)))
          .advanceWatermarkTo(60_000)
          .addElements(timestamped(late, 1000))
          .advanceWatermarkTo(90_001)
          .addElements(timestamped(40, 1000))
          .advanceWatermarkToInfinity(),
      );
      const windows = windowInto<number>(fixedWindows(60), { allowedLateness: { seconds: 30 } });
      const deadLetters = threshold === undefined ? {} : { threshold };
      const { predictions } = rows
        .apply(windows)
        .apply(RunInference.of(half).withDeadLetters(deadLetters));
      look(predictions.map(({ inference }) => inference));
    });
    const { droppedDueToLateness } = await result.counters();
    return { droppedDueToLateness, warnings };
  } finally {
    restore();
  }
}

for (const threshold of [0.5, undefined]) {
  test(`a row that a grouping drops is counted once, with ${threshold ? 'a' : 'no'} threshold`, async () => {
    const { droppedDueToLateness, warnings } = await run(
      (predictions) => {
        const pairs = predictions.map((value) => ({ key: 'all', value }));
        assertThat(
          pairs.apply(groupByKey()).map(({ value }) => [...value].sort((a, b) => a - b).join()),
        ).containsInAnyOrder('1,2,3', '10');
      },
      20,
      threshold,
    );
    assert.equal(droppedDueToLateness, 1);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^groupByKey\/group drops elements/);
  });
}

test('a row that nothing drops is not told of, though it is too late to be counted for a threshold', async () => {
  const { droppedDueToLateness, warnings } = await run((predictions) => {
    assertThat(predictions).containsInAnyOrder(1, 2, 3, 10, 20);
  });
  assert.equal(droppedDueToLateness, undefined);
  assert.deepEqual(warnings, []);
});

test('a row that is late and not too late counts', async () => {
  await assert.rejects(
    run(() => {}, -20, 0.3),
    {
      code: 'DEAD_LETTER_THRESHOLD',
      message: /2 of 5 rows in window \[0, 60000\) failed/,
    },
  );
});
