// SPDX-License-Identifier: Apache-2.0
// Blocks in a queue: whatever the limits are, something is taken, and nothing is lost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GlobalWindow, NO_FIRING } from '../../../../src/coders/index.ts';
import { BlockQueue, blockOf } from '../../../../src/runners/node/engine/block.ts';

test('limits that are no number, nothing or below take one element', () => {
  for (const [elements, bytes] of [
    [Number.NaN, 100],
    [0, 0],
    [-5, -100],
    [Number.POSITIVE_INFINITY, Number.NaN],
  ] as const) {
    const queue = new BlockQueue();
    const values = ['a', 'b', 'c'];
    const windows = [GlobalWindow.INSTANCE];
    queue.push(blockOf(values.map((value) => ({ value, timestamp: 0, windows, pane: NO_FIRING }))));
    const taken: unknown[] = [];
    for (let block = queue.shift(elements, bytes); block; block = queue.shift(elements, bytes)) {
      assert.ok(block.elements.length > 0);
      taken.push(...block.elements.map(({ value }) => value));
    }
    assert.deepEqual(taken, values);
  }
});
