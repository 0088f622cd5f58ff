// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '../../../../src/index.ts';
import type { FailedInference } from '../../../../src/ml/failures/dead-letters.ts';
import { checkThreshold } from '../../../../src/ml/failures/threshold.ts';
import { createRunner } from '../../../../src/runners/index.ts';

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
