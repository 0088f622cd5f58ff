// SPDX-License-Identifier: Apache-2.0
// A share of the fuzzer's pipelines, always the same ones. `npm run fuzz` goes on from here.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fuzz, KINDS, toldOf } from './kinds.ts';
import type { OracleName } from './run.ts';

/** Rounds on each runner; those with Python take seconds. */
const ROUNDS: Readonly<Record<OracleName, number>> = {
  node: 12,
  encoded: 8,
  threads: 1,
  python: 2,
  direct: 2,
};

for (const kind of KINDS) {
  describe(`random pipelines: ${kind.name}`, () => {
    for (const runner of Object.keys(kind.runners) as OracleName[]) {
      const isInPython = kind.name === 'python';
      const runs = isInPython ? 2 : ROUNDS[runner];
      test(`on ${runner}`, { timeout: 120_000 }, async () => {
        const details = await fuzz(kind, runner, { seed: 1, runs, isAsItCame: true });
        assert.ok(!details.failed, details.failed ? toldOf(kind, runner, details) : '');
      });
    }
  });
}
