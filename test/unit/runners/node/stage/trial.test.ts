// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWorthThreads } from '../../../../../src/runners/node/engine/stage/trial.ts';

test('a stage is worth threads when it has been at work for a while, and more waits', () => {
  const work = { millis: 150, elements: 3, waiting: 12 };
  assert.ok(isWorthThreads(work));
  assert.ok(!isWorthThreads({ ...work, millis: 90 }));
  assert.ok(!isWorthThreads({ ...work, waiting: 1 }));
});

test('a stage whose functions take no longer than encoding its elements is not', () => {
  assert.ok(!isWorthThreads({ millis: 1000, elements: 1_000_000, waiting: 100_000 }));
  assert.ok(isWorthThreads({ millis: 10_000, elements: 1_000_000, waiting: 100_000 }));
});
