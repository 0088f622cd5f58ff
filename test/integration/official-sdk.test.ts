// SPDX-License-Identifier: Apache-2.0
// Programs of the official TypeScript SDK run here: its own tests, after nothing but a change of import
// path. Each starts no process but those that ask for Python.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { officialPackage, officialTests, Skipped } from '../helpers/official-sdk.ts';

/** Files of its tests about what both packages offer, with how many tests each has. */
const FILES = {
  'combine_test.js': 7,
  'docs/programming_guide.js': 30,
  'primitives_test.js': 16,
  'wordcount.js': 2,
};

/** Tests that do not apply, by the end of their names. */
const NOT_OURS: Readonly<Record<string, string>> = {
  'runs a map with window-sensitive context':
    'it reads start.low: times are numbers here, not Longs',
  'runs a basic Impulse expansion': "it looks into the official pipeline's own context",
  'runs a ParDo expansion': "it looks into the official pipeline's own context",
  'runs a GroupBy expansion': "it looks into the official pipeline's own context",
};

const available = officialPackage() !== undefined;
const skip = available ? false : 'no npm registry to fetch the official package from';

for (const [file, count] of Object.entries(FILES)) {
  test(`official ${file}`, { skip }, async (t) => {
    const tests = officialTests(file);
    assert.equal(tests.length, count);
    for (const { name, run } of tests) {
      const reason = Object.entries(NOT_OURS).find(([end]) => name.endsWith(end))?.[1];
      await t.test(name, { skip: reason ?? false }, async (inner) => {
        try {
          await run();
        } catch (error) {
          if (!(error instanceof Skipped)) throw error;
          inner.skip('it skips itself');
        }
      });
    }
  });
}
