// SPDX-License-Identifier: Apache-2.0
// Side inputs that change: each pane of a trigger in the global window takes the place of the one before.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../../src/base/index.ts';
import type { PCollection } from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { int64, row, string } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import {
  afterCount,
  combineGlobally,
  combinePerKey,
  globalWindows,
  latestGlobally,
  mapSideInput,
  repeatedly,
  singletonSideInput,
  sum,
  windowInto,
} from '../../../../src/transforms/index.ts';

type Numbers = PCollection<number>;

const each = (accumulationMode: 'accumulating' | 'discarding') =>
  windowInto<number>(globalWindows(), {
    trigger: repeatedly(afterCount(1)),
    accumulationMode,
  });

/** What orders see of the rates that come between them. */
async function seen(
  look: (rates: Numbers, orders: Numbers, see: (order: number, rate: unknown) => void) => void,
): Promise<string[]> {
  const out: string[] = [];
  await createRunner({ runner: 'node' }).run((root) => {
    const all = root.apply(
      testStream(row({ kind: string, n: int64 }))
        .addElements({ kind: 'rate', n: 2 })
        .addElements({ kind: 'order', n: 10 })
        .addElements({ kind: 'rate', n: 3 }, { kind: 'rate', n: 1 })
        .addElements({ kind: 'order', n: 20 })
        .advanceWatermarkToInfinity(),
    );
    const of = (kind: string) => all.filter((x) => x.kind === kind).map((x) => x.n);
    look(of('rate'), of('order'), (order, rate) => out.push(`${order}: ${rate}`));
  });
  return out;
}

const total = (rates: Numbers) => rates.apply(each('accumulating')).apply(combineGlobally(sum));

test('each pane takes the place of the one before', async () => {
  const latest = await seen((rates, orders, see) => {
    const rate = rates.apply(each('discarding')).apply(latestGlobally());
    orders.map((n, { rate }) => see(n, rate.lookup()), { rate: singletonSideInput(rate) });
  });
  assert.match(latest.join(), /^10: 2,20: [13]$/);
});

test('a running total, of which the newest pane is left', async () => {
  const totals = await seen((rates, orders, see) => {
    const newest = total(rates).apply(each('discarding'));
    orders.map((n, { rate }) => see(n, rate.lookup()), { rate: singletonSideInput(newest) });
  });
  assert.deepEqual(totals, ['10: 2', '20: 6']);
});

const accumulating: [string, Parameters<typeof seen>[0]][] = [
  [
    'singletonSideInput',
    (rates, orders, see) => {
      const side = singletonSideInput(total(rates));
      orders.map((n, { side }) => see(n, side.lookup()), { side });
    },
  ],
  [
    'mapSideInput',
    (rates, orders, see) => {
      const keyed = rates.apply(each('accumulating')).map((value) => ({ key: 'a', value }));
      const side = mapSideInput(keyed.apply(combinePerKey(sum)));
      orders.map((n, { side }) => see(n, side.lookup().get('a')), { side });
    },
  ],
];
for (const [name, look] of accumulating) {
  test(`${name} of panes that accumulate is refused, and says what to do`, async () => {
    await assert.rejects(seen(look), (error) => {
      assert.ok(error instanceof BeamBridgeError, String(error));
      assert.equal(error.code, 'INVALID_ARGUMENT');
      assert.match(String(error.hint), /panes accumulate.*'discarding'.*newest pane/);
      return true;
    });
  });
}
