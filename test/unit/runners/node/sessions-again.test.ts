// SPDX-License-Identifier: Apache-2.0
// Sessions in a second grouping by another key: they merge again, and do not where docs/windows.md says how.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KV } from '../../../../src/coders/index.ts';
import type { PCollection } from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import {
  assignTimestamps,
  combinePerKey,
  create,
  fixedWindows,
  groupByKey,
  sessions,
  sum,
  windowInto,
  windowParam,
} from '../../../../src/transforms/index.ts';

/** User, product, second. */
const BOUGHT: [string, string, number][] = [
  ['ann', 'pen', 0],
  ['ann', 'pen', 3],
  ['bob', 'pen', 1],
  ['bob', 'ink', 5],
  ['cat', 'pen', 100],
];

type Products = PCollection<KV<string, Iterable<string>>>;

/** `key count end of the window in seconds`, of what comes behind the sessions of users. */
async function counts(behind: (sold: Products) => PCollection<KV<unknown, number>>) {
  const found: string[] = [];
  await createRunner({ progress: false }).run((root) => {
    const sold = root
      .apply(create(BOUGHT))
      .apply(assignTimestamps(([, , second]) => second * 1000))
      .map(([key, value]) => ({ key, value }))
      .apply(windowInto(sessions(15)))
      .apply(groupByKey());
    behind(sold).map(
      ({ key, value }, { window }) => {
        const text = typeof key === 'string' ? key : Object.values(key as object).join('/');
        found.push(`${text} ${value} ${(window.lookup().maxTimestamp() + 1) / 1000}`);
      },
      { window: windowParam() },
    );
  });
  return found.sort();
}

const each = (products: Iterable<string>) => [...products].map((key) => ({ key, value: 1 }));

test('sessions merge again by the keys of a second grouping', async () => {
  const found = await counts((sold) =>
    sold.flatMap(({ value }) => each(value)).apply(combinePerKey(sum)),
  );
  // Those of ann and bob, [0, 18) and [1, 20), are one for the pen.
  assert.deepEqual(found, ['ink 1 20', 'pen 1 115', 'pen 3 20']);
});

test('sessions stay as they are where they are a part of the key', async () => {
  const found = await counts((sold) =>
    sold
      .flatMap(
        ({ key: user, value }, { session }) => {
          const end = session.lookup().maxTimestamp();
          return [...value].map((product) => ({ key: { user, end, product }, value: 1 }));
        },
        { session: windowParam() },
      )
      .apply(combinePerKey(sum)),
  );
  assert.deepEqual(found, [
    'ann/17999/pen 2 18',
    'bob/19999/ink 1 20',
    'bob/19999/pen 1 20',
    'cat/114999/pen 1 115',
  ]);
});

test('windows that do not merge hold whole sessions by their ends', async () => {
  const found = await counts((sold) =>
    sold
      .flatMap(({ value }) => each(value))
      .apply(windowInto(fixedWindows(19)))
      .apply(combinePerKey(sum)),
  );
  assert.deepEqual(found, ['ink 1 38', 'pen 1 133', 'pen 1 38', 'pen 2 19'].sort());
});
