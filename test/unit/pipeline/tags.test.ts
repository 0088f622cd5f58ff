// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flattenPValue, type PCollection } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { create, split } from '../../../src/transforms/index.ts';

for (const forceEncoding of [false, true]) {
  test(`tags may have the names of what every object has (forceEncoding ${forceEncoding})`, async () => {
    const found: unknown[] = [];
    await createRunner({ runner: 'node', forceEncoding, progress: false }).run((root) => {
      const objects = root.apply(create<object>([{ toString: 1 }, { constructor: 2 }]));
      const out = objects.apply(split(['constructor', 'toString'] as never)) as unknown as {
        constructor: PCollection<number>;
        toString: PCollection<number>;
      };
      out.constructor.map((x) => void found.push(['constructor', x]));
      out.toString.map((x) => void found.push(['toString', x]));
    });
    assert.deepEqual(found.sort(), [
      ['constructor', 2],
      ['toString', 1],
    ]);
  });
}

test('a tag that JavaScript cannot hold is refused where it is declared', () => {
  const pcolls = JSON.parse('{"__proto__": null}');
  assert.throws(() => flattenPValue(pcolls), { code: 'INVALID_ARGUMENT' });
});
