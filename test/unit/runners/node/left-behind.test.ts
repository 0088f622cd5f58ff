// SPDX-License-Identifier: Apache-2.0
// A function of the user's that does not come back keeps no run from its end.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '../../../../src/index.ts';
import { writeToText } from '../../../../src/io/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { scratch } from '../../io/scratch.ts';

for (const how of ['cancel()', 'a failure'] as const) {
  test(`${how} leaves a function behind that does not come back, and no temporary folder`, async () => {
    const out = join(scratch, `left ${how}`);
    let begun = () => {};
    const isAtWork = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const result = await createRunner({ runner: 'node', progress: false }).runAsync((root) => {
      root
        .apply(create(['a']))
        .map(async (x): Promise<string> => {
          begun();
          await new Promise(() => {});
          return x;
        })
        .apply(writeToText(join(out, 'part')));
      root.apply(create(['b'])).map(async () => {
        await isAtWork;
        if (how === 'a failure') throw new Error('as told');
      });
    });
    await isAtWork;
    if (how === 'cancel()') assert.equal(await result.cancel(), 'CANCELLED');
    else await assert.rejects(result.waitUntilFinish(), { code: 'USER_CODE_FAILED' });
    assert.deepEqual(readdirSync(out), []);
  });
}
