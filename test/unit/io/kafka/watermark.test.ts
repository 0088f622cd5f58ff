// SPDX-License-Identifier: Apache-2.0
// How far a partition is, by its messages and by the clock.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIN_TIMESTAMP } from '../../../../src/coders/index.ts';
import { KafkaWatermark } from '../../../../src/io/kafka/watermark.ts';

const NOW = 1_000_000;
const of = (policy: { maxDelay?: number; idleAfter?: number }, state?: number) =>
  new KafkaWatermark(state, { maxDelay: 0, idleAfter: 5_000, ...policy }, () => NOW);

test('it follows the newest message, as far behind as messages may be late', () => {
  const watermark = of({ maxDelay: 100 });
  assert.equal(watermark.currentWatermark(), MIN_TIMESTAMP);
  for (const [read, at] of [
    [5_000, 4_900],
    [4_000, 4_900],
    [5_050, 4_950],
  ] as const) {
    watermark.read(read);
    assert.equal(watermark.currentWatermark(), at);
  }
});

test('a message from the future counts as one of now', () => {
  const watermark = of({});
  watermark.read(NOW + 1_000_000);
  assert.equal(watermark.currentWatermark(), NOW);
});

test('a partition that was read to its end follows the clock', () => {
  const watermark = of({ maxDelay: 100 });
  watermark.read(900_000);
  watermark.wasEmpty(NOW);
  assert.equal(watermark.currentWatermark(), NOW - 5_100);
  watermark.wasEmpty(NOW - 10_000);
  assert.equal(watermark.currentWatermark(), NOW - 5_100);
});

test('one without a rule for that holds windows open', () => {
  const watermark = of({ idleAfter: Infinity });
  watermark.wasEmpty(NOW);
  assert.equal(watermark.currentWatermark(), MIN_TIMESTAMP);
});

test('another goes on where one was', () => {
  const watermark = of({}, of({}, 7).state());
  watermark.read(5);
  assert.equal(watermark.state(), 7);
});
