// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Failure } from '../../../../src/ml/failures/dead-letters.ts';
import { Tally } from '../../../../src/ml/failures/tally.ts';

const failure = (message: string): Failure => ({
  step: 'inference',
  index: 0,
  errorType: 'KeyError',
  message,
  traceback: '',
});
const all = (count: number, message = "'age'") =>
  new Map(Array.from({ length: count }, (_, i) => [i, failure(message)]));

test('a run whose first thousand rows fail alike ends, and says why', () => {
  const tally = new Tally('Here', false);
  tally.answered(600, all(600));
  tally.answered(399, all(399));
  assert.throws(() => tally.answered(1, all(1)), {
    code: 'DEAD_LETTER_THRESHOLD',
    message: /first 1000 rows all failed alike: KeyError: 'age'/,
  });
});

test('one row that is scored, one other error, or a threshold of 1 lets it go on', () => {
  const scored = new Tally('Here', false);
  scored.answered(2, all(1));
  scored.answered(5000, all(5000));
  const other = new Tally('Here', false);
  other.answered(1, all(1, 'other'));
  other.answered(5000, all(5000));
  new Tally('Here', true).answered(5000, all(5000));
});
