// SPDX-License-Identifier: Apache-2.0
// Which rows a model of this process gets at once, and what they keep of where they came from.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelHandler, RunInference } from '../../../src/ml/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { int64, string } from '../../../src/schema/index.ts';
import { testStream } from '../../../src/testing/index.ts';
import {
  afterCount,
  fixedWindows,
  groupByKey,
  impulse,
  paneInfoParam,
  repeatedly,
  timestamped,
  timestampParam,
  windowInto,
  windowParam,
} from '../../../src/transforms/index.ts';

const runner = createRunner({ runner: 'node' });

/** A handler that keeps the sizes of what it gets. */
function telling(batching?: { minSize?: number; maxSize?: number }) {
  const sizes: number[] = [];
  const handler = modelHandler({
    name: 'telling',
    example: int64,
    inference: int64,
    batching,
    loadModel: () => null,
    runInference: (batch: readonly number[]) => {
      sizes.push(batch.length);
      return batch.map((n) => n + 1);
    },
  });
  return { handler, sizes };
}

async function scoreOneBundle(scoring: RunInference<number, { inference: number }>, count: number) {
  const found: number[] = [];
  await runner.run((root) => {
    root
      .apply(impulse())
      .flatMap(() => Array.from({ length: count }, (_, i) => i))
      .apply(scoring)
      .map(({ inference }) => found.push(inference));
  });
  assert.deepEqual(
    found.sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => i + 1),
  );
}

test('minSize rows of a bundle are scored at once in TypeScript, however it is asked for', async () => {
  const plain = telling();
  await scoreOneBundle(RunInference.of(plain.handler).withBatching({ minSize: 200 }), 450);
  assert.deepEqual(plain.sizes, [200, 250]);
  const own = telling({ minSize: 200, maxSize: 200 });
  await scoreOneBundle(RunInference.of(own.handler), 450);
  assert.deepEqual(own.sizes, [200, 200, 50]);
  // More than a packed batch would hold.
  const many = telling({ minSize: 200 });
  await scoreOneBundle(RunInference.of(many.handler).withBatching({ minSize: 5000 }), 5000);
  assert.deepEqual(many.sizes, [5000]);
});

test('a size that is undefined leaves what was asked for before', async () => {
  const { handler, sizes } = telling();
  const scoring = RunInference.of(handler).withBatching({ maxSize: 5 });
  await scoreOneBundle(scoring.withBatching({ maxSize: undefined }), 12);
  assert.deepEqual(sizes, [5, 5, 2]);
});

test('a least size above the largest that is found by measuring is kept', async () => {
  const { handler, sizes } = telling({ minSize: 12_000 });
  await scoreOneBundle(RunInference.of(handler), 25_000);
  assert.deepEqual(sizes, [12_000, 12_000, 1000]);
});

test('sizes of a handler in TypeScript are whole numbers, and the least is not above the largest', () => {
  const refused = { code: 'INVALID_ARGUMENT', message: /batching\.minSize of telling/ };
  assert.throws(() => telling({ minSize: 0 }), refused);
  assert.throws(() => telling({ minSize: 5, maxSize: 4 }), refused);
  assert.throws(() => telling({ minSize: 1.5 }), refused);
  assert.throws(() => telling({ minSize: '3' as unknown as number }), refused);
  assert.throws(() => telling({ maxSize: 1.5 }), { message: /maxSize of telling is 1\.5.*whole/ });
  assert.throws(() => telling({ maxSize: Number.POSITIVE_INFINITY }), { message: /maxSize/ });
});

test('rows that wait for one another over bundles keep their key, time, window and pane', async () => {
  const told: { before: string[]; after: string[] } = { before: [], after: [] };
  const where = { time: timestampParam(), window: windowParam(), pane: paneInfoParam() };
  const tell = (n: number, key: string, { time, window, pane }: typeof where) => {
    const { index, timing, isFirst, isLast } = pane.lookup();
    return `${key} ${n} ${time.lookup()} ${window.lookup()} ${index} ${timing} ${isFirst} ${isLast}`;
  };
  const { handler, sizes } = telling();
  await runner.run((root) => {
    root
      .apply(
        testStream<{ key: string; value: number }>()
          .addElements(timestamped({ key: 'a', value: 1 }, 10))
          .addElements(
            timestamped({ key: 'b', value: 2 }, 20),
            timestamped({ key: 'a', value: 3 }, 2000),
          )
          .addElements(
            timestamped({ key: 'a', value: 4 }, 30),
            timestamped({ key: 'a', value: 5 }, 1500),
          )
          .advanceProcessingTime(100)
          .addElements(timestamped({ key: 'a', value: 6 }, 40))
          .advanceWatermarkToInfinity(),
      )
      .apply(
        windowInto(fixedWindows(1), {
          allowedLateness: 0,
          trigger: repeatedly(afterCount(1)),
          accumulationMode: 'discarding',
        }),
      )
      .apply(groupByKey())
      .flatMap(({ key, value }) => [...value].map((each) => ({ key, value: each })))
      .map((pair, context) => {
        told.before.push(tell(pair.value, pair.key, context));
        return pair;
      }, where)
      .apply(RunInference.ofKVs(handler, string).withBatching({ minSize: 3, maxDurationMs: 1000 }))
      .map(({ key, value }, context) => {
        told.after.push(tell(value.example, key, context));
      }, where);
  });
  assert.equal(told.before.length, 6);
  assert.ok(new Set(told.before.map((line) => line.split(' ').slice(4).join(' '))).size > 2);
  assert.deepEqual(told.after.sort(), told.before.sort());
  assert.equal(
    sizes.reduce((a, b) => a + b),
    6,
  );
});
