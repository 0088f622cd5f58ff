// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createRunner } from '../../../../src/runners/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import { periodicImpulse } from '../../../../src/transforms/index.ts';

it('a source that pauses by the clock on the wall runs beside a test stream', async () => {
  const seen: unknown[] = [];
  const start = Date.now();
  await createRunner({ runner: 'node', progress: false }).run((root) => {
    root
      .apply(testStream<string>().addElements('a').advanceProcessingTime(5).addElements('b'))
      .map((text) => seen.push(text));
    root
      .apply(periodicImpulse({ start, stop: start + 150, interval: 50 }))
      .map((time) => seen.push(time - start));
  });
  assert.deepEqual(
    seen.filter((one) => typeof one === 'string'),
    ['a', 'b'],
  );
  assert.deepEqual(
    seen.filter((one) => typeof one === 'number'),
    [0, 50, 100],
  );
});
