// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withHandlersBatching } from '../../../src/ml/handler-batching.ts';
import { sklearn } from '../../../src/ml/index.ts';
import { array, int64 } from '../../../src/schema/index.ts';

const MODEL = { modelUri: 'm.pkl', example: array(int64), inference: int64 };

test('sizes that a handler of ours was made with are kept where the timestamps of rows are known', () => {
  const handler = sklearn({
    ...MODEL,
    minBatchSize: 50,
    maxBatchSize: 100,
    maxBatchDurationSecs: 2,
  });
  const batching = { minSize: 50, maxSize: 100, maxDurationMs: 2000 };
  assert.deepEqual(withHandlersBatching({}, handler).batching, batching);
  const asked = { batching: { maxSize: 7 } };
  assert.equal(withHandlersBatching(asked, handler), asked);
  const plain = {};
  assert.equal(withHandlersBatching(plain, sklearn({ ...MODEL, maxBatchSize: 3 })), plain);
});
