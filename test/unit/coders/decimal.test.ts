// SPDX-License-Identifier: Apache-2.0
// What a Decimal is made of.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decimal } from '../../../src/coders/index.ts';

test('digits that are no bigint are refused: they would be others on the wire', () => {
  for (const digits of ['1000', 1000, undefined])
    assert.throws(() => new Decimal(digits as never), { code: 'INVALID_ARGUMENT' });
  assert.equal(String(new Decimal(1250n, 2)), '12.50');
});
