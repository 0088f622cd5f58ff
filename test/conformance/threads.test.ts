// SPDX-License-Identifier: Apache-2.0
// The cases that assert about themselves in pipelines whose stages run in threads wherever they can. Those of a
// group share a run, since each thread loads the suite.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createRunner } from '../../src/runners/index.ts';
import { groups } from './groups.ts';
import { inThreads } from './in-threads.ts';

/** Of these all stages stay on the main thread, or their constructions name files by chance, so that none is as another. */
const NOT_IN_THREADS: ReadonlySet<string> = new Set([
  'state and timers',
  'splittable DoFns',
  'sources over time',
  'test streams',
  'text',
  'records',
]);

/** Cases about what functions keep in variables, of which each thread has its own. */
const OF_ONE_THREAD: ReadonlySet<string> = new Set([]);

describe('on node, in threads', { timeout: 1_200_000 }, () => {
  const options = { runner: 'node', progress: false, forceEncoding: true, nodeWorkers: 2 };
  for (const [group, all] of Object.entries(groups)) {
    if (NOT_IN_THREADS.has(group)) continue;
    const cases = all
      .filter(({ after, afterwards, alone, fails }) => !(after || afterwards || alone || fails))
      .map(({ name }) => name)
      .filter((name) => !OF_ONE_THREAD.has(name));
    if (cases.length === 0) continue;
    test(`${group}: ${cases.length} cases`, async () => {
      const { stages } = await createRunner().run(inThreads, { ...options, group, cases });
      assert.ok(stages.some(({ where }) => where === 'threads'));
    });
  }
});
