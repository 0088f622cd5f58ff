// SPDX-License-Identifier: Apache-2.0
// When outputs get their names: with the run, all or none of them.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, groupByKey, periodicImpulse, type Root } from '../../../src/index.ts';
import { writeToText } from '../../../src/io/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { file, scratch } from './scratch.ts';

const read = (path: string) => readFileSync(join(scratch, path), 'utf8');
const run = (construct: (root: Root) => void) => createRunner({ runner: 'node' }).run(construct);

/** A branch that fails well after the others have come to their ends. */
function failLate(root: Root) {
  return root
    .apply(create([{ key: 'a', value: 1 }]))
    .apply(groupByKey())
    .map(async (): Promise<string> => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      throw new Error('late');
    });
}

test('a run that fails in another branch leaves no output and replaces none', async () => {
  file('branches/old-00000-of-00001', 'of yesterday\n');
  await assert.rejects(
    run((root) => {
      root.apply(create(['a'])).apply(writeToText(join(scratch, 'branches/old')));
      root.apply(create(['b'])).apply(writeToText(join(scratch, 'branches/new')));
      failLate(root);
    }),
    { code: 'USER_CODE_FAILED' },
  );
  assert.equal(read('branches/old-00000-of-00001'), 'of yesterday\n');
  assert.deepEqual(readdirSync(join(scratch, 'branches')), ['old-00000-of-00001']);
});

test('all outputs have their names when run() resolves', async () => {
  await run((root) => {
    root.apply(create(['a'])).apply(writeToText(join(scratch, 'both/one')));
    root.apply(create(['b'])).apply(writeToText(join(scratch, 'both/two'), { numShards: 2 }));
  });
  assert.equal(read('both/one-00000-of-00001'), 'a\n');
  assert.equal(readdirSync(join(scratch, 'both')).length, 3);
});

test('an output that cannot be named fails the run, and no other is there', async () => {
  const blocked = join(scratch, 'blocked/two-00000-of-00001');
  await assert.rejects(
    run((root) => {
      root.apply(create(['a'])).apply(writeToText(join(scratch, 'blocked/one')));
      root.apply(create(['b'])).apply(writeToText(join(scratch, 'blocked/two')));
      root.apply(create([1])).map(async () => {
        // Once the second output is whole, a folder takes its name.
        while (!existsSync(join(scratch, 'blocked'))) await new Promise(setImmediate);
        await new Promise((resolve) => setTimeout(resolve, 300));
        mkdirSync(blocked);
      });
    }),
    { code: 'OUTPUT_NOT_WRITABLE' },
  );
  assert.deepEqual(readdirSync(join(scratch, 'blocked')), ['two-00000-of-00001']);
  rmSync(blocked, { recursive: true });
});

test('a step that reads filesWritten finds the files there', async () => {
  const seen: string[] = [];
  await run((root) => {
    const { filesWritten } = root
      .apply(create(['a']))
      .apply(writeToText(join(scratch, 'chained/out')));
    filesWritten.map((path) => seen.push(readFileSync(path, 'utf8')));
  });
  assert.deepEqual(seen, ['a\n']);
});

test('beside a stream an output has its name as soon as it is whole, and keeps it', async () => {
  const path = join(scratch, 'beside/out-00000-of-00001');
  const result = await createRunner({ runner: 'node' }).runAsync((root) => {
    root.apply(create(['a'])).apply(writeToText(join(scratch, 'beside/out')));
    root.apply(periodicImpulse({ interval: 20 })).map(String);
  });
  const until = Date.now() + 20_000;
  while (!existsSync(path) && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(await result.cancel(), 'CANCELLED');
  assert.equal(read('beside/out-00000-of-00001'), 'a\n');
});

for (const how of ['cancel()', 'an abort'] as const) {
  test(`${how} while outputs get their names comes too late: all have them, and the run is done`, async () => {
    const controller = new AbortController();
    const result = await createRunner({ runner: 'node', signal: controller.signal }).runAsync(
      (root) => {
        root.pipeline.commits.push(async () => {
          if (how === 'cancel()') void result.cancel();
          else controller.abort();
        });
        root.apply(create(['a'])).apply(writeToText(join(scratch, `late ${how}/out`)));
      },
    );
    assert.equal(await result.waitUntilFinish(), 'DONE');
    assert.equal(read(`late ${how}/out-00000-of-00001`), 'a\n');
  });

  test(`${how} from the last step leaves no output`, async () => {
    const controller = new AbortController();
    let stop = () => {};
    const result = await createRunner({ runner: 'node', signal: controller.signal }).runAsync(
      (root) => {
        root.apply(create(['a'])).apply(writeToText(join(scratch, `last ${how}/out`)));
        // Behind a grouping of its own: when it runs, the output above is whole.
        root
          .apply(create([{ key: 'a', value: 1 }]))
          .apply(groupByKey())
          .map(async () => {
            await new Promise((resolve) => setTimeout(resolve, 200));
            stop();
          });
      },
    );
    stop = () => {
      if (how === 'cancel()') void result.cancel();
      else controller.abort();
    };
    if (how === 'cancel()') assert.equal(await result.waitUntilFinish(), 'CANCELLED');
    else await assert.rejects(result.waitUntilFinish(), { code: 'ABORTED' });
    assert.deepEqual(readdirSync(join(scratch, `last ${how}`)), []);
  });
}
