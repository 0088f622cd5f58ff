// SPDX-License-Identifier: Apache-2.0
// Runs cases: each by itself, or those that can do with it in one pipeline, since a run takes a
// second where Python workers have to start.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import type { Root } from '../../src/pipeline/index.ts';
import type { Runner } from '../../src/runners/index.ts';
import type { Case, Cases } from './case.ts';
import type { RunnerConfiguration } from './runners.ts';

/** How a runner says that it cannot do something. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNSUPPORTED', 'NO_PORTABLE_TYPE']);

type Prepare = RunnerConfiguration['prepare'];

async function runCase(
  runner: Runner,
  { build, after, afterwards, fails }: Case,
  prepare: Prepare,
): Promise<void> {
  const work = runner.run(async (root) => {
    await build(root);
    prepare?.(root);
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

/** A case that the capability table says is not possible: the run must say so too. */
async function isRefused(runner: Runner, one: Case, why: string, prepare: Prepare): Promise<void> {
  const work = runner.run(async (root) => {
    await one.build(root);
    prepare?.(root);
  });
  await assert.rejects(
    work,
    (error) => {
      assert.ok(error instanceof BeamBridgeError, String(error));
      assert.ok(REFUSALS.has(error.code), `${error.code} does not say that it cannot be done`);
      return true;
    },
    `the table says that it cannot be done, and it can: ${why}`,
  );
}

/** Tests that run a group of cases on a runner. */
export function testGroup(group: string, cases: Cases, configuration: RunnerConfiguration): void {
  const { encodes, unsupported, prepare, together, differs = {} } = configuration;
  describe(group, () => {
    const runner = configuration.createPipelineRunner();
    const isSkipped = (one: Case) => one.encodes === true && !encodes;
    const joined = together
      ? cases.filter((one) => isJoinable(one) && !isSkipped(one) && !(one.name in unsupported))
      : [];
    let run: Promise<unknown> | undefined;
    const all = () => {
      run ??= runner.run(async (root: Root) => {
        for (const { build } of joined) await build(root);
        prepare?.(root);
      });
      return run;
    };
    for (const one of cases) {
      const why = unsupported[one.name];
      const skip = isSkipped(one) ? 'values are not encoded there' : (differs[one.name] ?? false);
      test(one.name, { timeout: 120_000, skip }, async () => {
        if (why !== undefined) return isRefused(runner, one, why, prepare);
        if (joined.length > 1 && joined.includes(one)) {
          // Alone it tells whether it is the one that failed.
          const failed = await all().then(
            () => false,
            () => true,
          );
          if (!failed) return;
        }
        await runCase(runner, one, prepare);
      });
    }
    if (joined.length > 1) {
      test('cases in one pipeline', { timeout: 120_000 }, async () => {
        await all();
      });
    }
  });
}

function isJoinable({ fails, after, afterwards, alone }: Case): boolean {
  return !fails && !after && !afterwards && !alone;
}
