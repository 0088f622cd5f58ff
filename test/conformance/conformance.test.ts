// SPDX-License-Identifier: Apache-2.0
// One suite for every runner: the same pipelines must give the same elements everywhere.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BeamBridgeError } from '../../src/base/index.ts';
import type { Runner } from '../../src/runners/index.ts';
import type { Case, Cases } from './case.ts';
import { assertions } from './cases/assertions.ts';
import { combining } from './cases/combining.ts';
import { elementwise } from './cases/elementwise.ts';
import { grouping } from './cases/grouping.ts';
import { lifecycle } from './cases/lifecycle.ts';
import { shaping } from './cases/shaping.ts';
import { sideInputs } from './cases/side-inputs.ts';
import { sources } from './cases/sources.ts';
import { splittable } from './cases/splittable.ts';
import { state } from './cases/state.ts';
import { testStreams } from './cases/test-streams.ts';
import { text } from './cases/text.ts';
import { triggers } from './cases/triggers.ts';
import { values } from './cases/values.ts';
import { windowing } from './cases/windowing.ts';
import { configurations } from './runners.ts';

const groups: Readonly<Record<string, Cases>> = {
  elementwise,
  values,
  grouping,
  combining,
  shaping,
  'side inputs': sideInputs,
  windowing,
  triggers,
  'state and timers': state,
  'splittable DoFns': splittable,
  'sources over time': sources,
  'life cycle': lifecycle,
  text,
  assertions,
  'test streams': testStreams,
};

async function runCase(runner: Runner, { build, after, afterwards, fails }: Case): Promise<void> {
  const work = runner.run((root) => {
    build(root);
  });
  if (!fails) {
    const result = await work;
    await after?.(result);
    afterwards?.();
    return;
  }
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof BeamBridgeError, String(error));
    assert.equal(error.code, fails.code, error.message);
    assert.match(error.message, fails.message);
    return true;
  });
  afterwards?.();
}

for (const { name, createPipelineRunner, encodes, unsupported } of configurations) {
  describe(`on ${name}`, () => {
    const runner = createPipelineRunner();
    for (const [group, cases] of Object.entries(groups)) {
      describe(group, () => {
        for (const one of cases) {
          const missing = unsupported[one.name];
          const skip = one.encodes === true && !encodes && 'values are not encoded there';
          test(one.name, { timeout: 60_000, skip }, async () => {
            if (missing === undefined) return runCase(runner, one);
            // A case that begins to pass belongs in the working table.
            await assert.rejects(runCase(runner, one), `it works now: ${missing}`);
          });
        }
      });
    }
  });
}
