// SPDX-License-Identifier: Apache-2.0
// Programs of the official TypeScript SDK run here: its own tests, after a change of import path.

import { test } from 'node:test';
import { officialPackage, officialTests, Skipped } from '../helpers/official-sdk.ts';

/** Files of its tests about what both packages offer, with how many tests each has. */
const FILES = {
  'combine_test.js': 7,
  'docs/programming_guide.js': 30,
  'primitives_test.js': 22,
  'wordcount.js': 2,
};
const available = officialPackage() !== undefined;
for (const file of Object.keys(FILES)) {
  test(file, {
    skip: available ? false : 'no npm registry to fetch the official package from',
  }, async (t) => {
    for (const { name, run } of officialTests(file)) {
      await t.test(name, async (inner) => {
        try {
          await run();
        } catch (error) {
          if (error instanceof Skipped) return inner.skip();
          throw error;
        }
      });
    }
  });
}
