// SPDX-License-Identifier: Apache-2.0
// Combiners that change what they merge, under triggers whose panes accumulate: what one pane gave is
// merged again for the next one, so that neither may see what became of the other.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KV } from '../../../../src/coders/index.ts';
import type { PCollection } from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import {
  afterCount,
  type CombineFn,
  combineGlobally,
  combinePerKey,
  create,
  fixedWindows,
  globalWindows,
  groupBy,
  repeatedly,
  sessions,
  slidingWindows,
  timestamped,
  windowInto,
} from '../../../../src/transforms/index.ts';

interface Count {
  n: number;
}
type Counts = PCollection<KV<string, Count>>;
type Combiner = CombineFn<Count, Count, number>;

/** What is merged becomes the first of it. */
const intoTheFirst: Combiner = {
  createAccumulator: () => ({ n: 0 }),
  addInput(sum, { n }) {
    sum.n += n;
    return sum;
  },
  mergeAccumulators(all) {
    const [first = { n: 0 }, ...others] = all;
    for (const { n } of others) first.n += n;
    return first;
  },
  extractOutput: ({ n }) => n,
};

const COMBINERS: Record<string, Combiner> = {
  'into the first': intoTheFirst,
  'into all of them': {
    ...intoTheFirst,
    mergeAccumulators(all) {
      const list = [...all];
      const total = list.reduce((sum, { n }) => sum + n, 0);
      for (const each of list) each.n = total;
      return list.at(-1) ?? { n: 0 };
    },
  },
  'and spoil what the result is made of': {
    ...intoTheFirst,
    extractOutput(sum) {
      const { n } = sum;
      sum.n = 1000;
      return n;
    },
  },
};

const APPLIED: Record<string, (input: Counts, combiner: Combiner) => PCollection<number>> = {
  combinePerKey: (input, combiner) =>
    input.apply(combinePerKey(combiner)).map(({ value }) => value as number),
  combineGlobally: (input, combiner) =>
    input.map(({ value }) => value).apply(combineGlobally(combiner)) as PCollection<number>,
  groupBy: (input, combiner) =>
    input
      .apply(
        groupBy('key').combining(({ value }: KV<string, Count>) => value, combiner as never, 'n'),
      )
      .map(({ n }) => n as unknown as number),
};

const count = (n: number) => timestamped({ key: 'k', value: { n } }, n);
const SECOND = 1000;

/** With panes at every second element. */
const early = (windowFn: unknown) =>
  windowInto<KV<string, Count>>(windowFn as never, {
    trigger: repeatedly(afterCount(2)),
    accumulationMode: 'accumulating',
  });

/** With a pane on time, for which values are combined before they are grouped, and late ones. */
const late = (windowFn: unknown) =>
  windowInto<KV<string, Count>>(windowFn as never, {
    accumulationMode: 'accumulating',
    allowedLateness: { seconds: 1000 },
  });

const steps = testStream<KV<string, Count>>();
const oneByOne = [1, 2, 3, 4, 5, 6].reduce((script, n) => script.addElements(count(n)), steps);
const afterTheEnd = steps
  .addElements(count(1), count(2))
  .advanceWatermarkTo(100 * SECOND)
  .addElements(count(3))
  .addElements(count(4), count(5));

const CASES = [
  { windows: 'fixed', input: oneByOne, into: early(fixedWindows(10)), panes: [3, 10, 21] },
  { windows: 'global', input: oneByOne, into: early(globalWindows()), panes: [3, 10, 21] },
  { windows: 'merging', input: oneByOne, into: early(sessions(10)), panes: [3, 10, 21] },
  {
    windows: 'sliding',
    input: oneByOne,
    into: early(slidingWindows(20, 10)),
    panes: [3, 3, 10, 10, 21, 21],
  },
  { windows: 'fixed, late', input: afterTheEnd, into: late(fixedWindows(10)), panes: [3, 6, 15] },
  { windows: 'merging, late', input: afterTheEnd, into: late(sessions(10)), panes: [3, 6, 15] },
  { windows: 'fixed, of a batch', input: undefined, into: early(fixedWindows(10)), panes: [21] },
] as const;

describe('a combiner that changes what it merges gives every pane right', () => {
  for (const { windows, input, into, panes } of CASES) {
    for (const [name, combiner] of Object.entries(COMBINERS)) {
      it(`${windows} windows, merging ${name}`, async () => {
        for (const [how, apply] of Object.entries(APPLIED)) {
          const out: number[] = [];
          await createRunner({ runner: 'node', progress: false }).run((root) => {
            const counts = input
              ? root.apply(input)
              : root.apply(create([1, 2, 3, 4, 5, 6])).map(count as never);
            apply((counts as Counts).apply(into), combiner).map((n) => void out.push(n));
          });
          assert.deepEqual(out, panes, how);
        }
      });
    }
  }
});
