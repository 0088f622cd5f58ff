// SPDX-License-Identifier: Apache-2.0
// A function of the user's that does not come back keeps no run from its end.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setLogSink } from '../../../../src/base/index.ts';
import { create, parDo, type Root, withName } from '../../../../src/index.ts';
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

test('an object that a run which has ended is still at work in is told as not torn down, until the call comes back', async (t) => {
  const warnings: string[] = [];
  t.after(setLogSink(({ message }) => warnings.push(message)));
  const runner = createRunner({ runner: 'node', progress: false });
  let comeBack = () => {};
  let begun = () => {};
  const isAtWork = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let tornDown = 0;
  const shared = {
    process(x: number) {
      if (x > 1) return [x];
      begun();
      return new Promise<number[]>((resolve) => {
        comeBack = () => resolve([]);
      });
    },
    teardown() {
      tornDown += 1;
    },
  };
  const using = (x: number) => (root: Root) =>
    root.apply(create([x])).apply(withName('Shared', parDo(shared)));
  const first = await runner.runAsync(using(1));
  await isAtWork;
  assert.equal(await first.cancel(), 'CANCELLED');
  warnings.length = 0;
  await runner.run(using(2));
  assert.match(warnings.join('\n'), /^Shared \(applied at .*\) is not torn down: a call[^\n]*$/);
  comeBack();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(tornDown, 1);
  warnings.length = 0;
  await runner.run(using(3));
  assert.deepEqual([warnings, tornDown], [[], 2]);
});
