// SPDX-License-Identifier: Apache-2.0
// What a combine of this program holds while elements come: few accumulators, whatever the trigger.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WindowFn } from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import {
  compactLatest,
  type Held,
  MOST_ACCUMULATORS,
} from '../../../../src/runners/node/engine/grouping/accumulators.ts';
import { int64 } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import {
  afterCount,
  type CombineFn,
  combinePerKey,
  fixedWindows,
  globalWindows,
  repeatedly,
  sessions,
  timestamped,
  type WindowingOptions,
  windowInto,
} from '../../../../src/transforms/index.ts';

interface Total {
  sum: number;
}

/** A sum that remembers how many accumulators it was given at once, and changes the first of them. */
function observedSum() {
  const seen = { most: 0 };
  const combineFn: CombineFn<number, Total, number> = {
    beamName: 'observedSum',
    createAccumulator: () => ({ sum: 0 }),
    addInput(total, input) {
      total.sum += input;
      return total;
    },
    mergeAccumulators(given) {
      const all = [...given];
      seen.most = Math.max(seen.most, all.length);
      const into = all[0] ?? { sum: 0 };
      for (const { sum } of all.slice(1)) into.sum += sum;
      return into;
    },
    extractOutput: ({ sum }) => sum,
  };
  return { seen, combineFn };
}

const EVENTS = 600;
const EACH = 5;

/** The panes of many small bundles of ones. */
async function panesOf(options: WindowingOptions, windows: WindowFn = globalWindows()) {
  const { seen, combineFn } = observedSum();
  let events = testStream(int64);
  for (let i = 0; i < EVENTS; i++) {
    events = events.addElements(...Array.from({ length: EACH }, () => timestamped(1, i)));
  }
  const panes: number[] = [];
  await createRunner({ runner: 'node', progress: false }).run((root) => {
    root
      .apply(events.advanceWatermarkToInfinity())
      .map((value) => ({ key: 'k', value }))
      .apply(windowInto(windows, options))
      .apply(combinePerKey(combineFn))
      .map(({ value }) => {
        panes.push(value);
      });
  });
  return { most: seen.most, panes };
}

describe('a combine of a stream holds few accumulators', () => {
  it('under the default trigger', async () => {
    const { most, panes } = await panesOf({}, fixedWindows(60));
    assert.deepEqual(panes, [EVENTS * EACH]);
    assert.ok(most > 1 && most <= MOST_ACCUMULATORS, `${most}`);
  });

  it('under a trigger that counts elements, not accumulators', async () => {
    for (const accumulationMode of ['accumulating', 'discarding'] as const) {
      const trigger = repeatedly(afterCount(1000));
      const { most, panes } = await panesOf({ trigger, accumulationMode });
      const expected =
        accumulationMode === 'accumulating' ? [1000, 2000, 3000] : [1000, 1000, 1000];
      assert.deepEqual(panes.slice(0, 3), expected);
      assert.ok(most > 1 && most <= MOST_ACCUMULATORS, `${most}`);
    }
  });

  it('in windows that merge', async () => {
    const trigger = repeatedly(afterCount(1000));
    const { most, panes } = await panesOf(
      { trigger, accumulationMode: 'discarding' },
      sessions(60),
    );
    assert.deepEqual(panes, [1000, 1000, 1000]);
    assert.ok(most > 1 && most <= MOST_ACCUMULATORS + EACH, `${most}`);
  });

  it('and names the combine when its accumulators cannot be merged', async () => {
    const { combineFn } = observedSum();
    const broken = {
      ...combineFn,
      mergeAccumulators() {
        throw new Error('they do not fit');
      },
    };
    const events = testStream(int64).addElements(...Array.from({ length: 100 }, () => 1));
    const run = createRunner({ runner: 'node', progress: false }).run((root) => {
      root
        .apply(events.advanceWatermarkToInfinity())
        .map((value) => ({ key: 'k', value }))
        .apply(
          windowInto(globalWindows(), {
            trigger: repeatedly(afterCount(1000)),
            accumulationMode: 'discarding',
          }),
        )
        .apply(combinePerKey(broken));
    });
    await assert.rejects(run, {
      code: 'USER_CODE_FAILED',
      message: /they do not fit/,
      transform: /combine/,
    });
  });
});

describe('accumulators of a group', () => {
  it('are few, keep their order, and are merged a few times each, be they lists', () => {
    const held: Held = { values: [], ranks: undefined };
    const count = 100_000;
    let moved = 0;
    let most = 0;
    for (let i = 0; i < count; i++) {
      held.values.push([i]);
      compactLatest(held, (lists) => {
        const merged = (lists as number[][]).flat();
        moved += merged.length;
        return merged;
      });
      most = Math.max(most, held.values.length);
    }
    assert.ok(most < 3 * MOST_ACCUMULATORS, `${most}`);
    assert.ok(moved <= 3 * count, `${moved}`);
    assert.deepEqual(
      (held.values as number[][]).flat(),
      Array.from({ length: count }, (_, i) => i),
    );
  });
});
