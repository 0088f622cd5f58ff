// SPDX-License-Identifier: Apache-2.0
// The calls around a DoFn's elements, and metrics.

import assert from 'node:assert/strict';
import { GlobalWindow, NO_FIRING } from '../../../src/coders/index.ts';
import { assertContentsSatisfies, assertDeepEqual } from '../../../src/testing/index.ts';
import {
  bundleFinalizerParam,
  counter,
  create,
  type DoFn,
  distribution,
  gauge,
  parDo,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

const calls: string[] = [];
const stored: number[] = [];

/** Writes down how it is called. */
class Recorder implements DoFn<number, string> {
  private bundle = 0;

  async setup() {
    calls.push('setup');
  }
  startBundle() {
    this.bundle = 0;
    calls.push('startBundle');
  }
  *process(n: number) {
    this.bundle += 1;
    calls.push('process');
    yield `${n}`;
  }
  async finishBundle() {
    calls.push('finishBundle');
    const windows = [GlobalWindow.INSTANCE];
    return [{ value: `${this.bundle} in bundle`, windows, timestamp: 0, pane: NO_FIRING }];
  }
  teardown() {
    calls.push('teardown');
  }
}

export const lifecycle: Cases = [
  {
    name: 'setup, startBundle, process, finishBundle and teardown come in order',
    build: (root) => {
      calls.length = 0;
      root
        .apply(create([1, 2, 3], false))
        .apply(parDo(new Recorder()))
        .apply(
          assertContentsSatisfies((all) => {
            const counts = all.filter((text) => text.endsWith('in bundle'));
            assert.equal(all.length - counts.length, 3);
            assert.equal(
              counts.reduce((sum, text) => sum + Number.parseInt(text, 10), 0),
              3,
            );
          }),
        );
    },
    after: () => {
      assert.equal(calls[0], 'setup');
      assert.equal(calls[1], 'startBundle');
      assert.equal(calls.filter((call) => call === 'process').length, 3);
      assert.equal(calls.filter((call) => call === 'setup').length, 1);
      assert.equal(calls.at(-2), 'finishBundle');
      assert.equal(calls.at(-1), 'teardown');
    },
  },
  {
    name: 'an exception in setup, startBundle or finishBundle fails the run',
    build: (root) => {
      root.apply(create([1])).apply(
        parDo({
          *process(n: number) {
            yield n;
          },
          finishBundle() {
            throw new Error('cannot finish');
          },
        }),
      );
    },
    fails: { code: 'USER_CODE_FAILED', message: /cannot finish/ },
  },
  {
    name: 'a bundle is finalized once it counts',
    build: (root) => {
      stored.length = 0;
      root
        .apply(create([1, 2, 3]))
        .map(
          (n, { bundle }) => {
            bundle.register(async () => {
              stored.push(n);
            });
            return n;
          },
          { bundle: bundleFinalizerParam() },
        )
        .apply(assertDeepEqual([1, 2, 3]));
    },
    after: () => {
      assert.deepEqual(stored.toSorted(), [1, 2, 3]);
    },
  },
  {
    name: 'counters, distributions and gauges are added up',
    build: (root) => {
      root
        .apply(create([1, 2, 3, 4]))
        .map(
          (n, { seen, odd, sizes, last }) => {
            seen.increment();
            if (n % 2) odd.increment(10);
            sizes.update(n);
            last.set(7);
            return n * n;
          },
          {
            seen: counter('seen'),
            odd: counter('odd'),
            sizes: distribution('sizes'),
            last: gauge('last'),
          },
        )
        .apply(assertDeepEqual([1, 4, 9, 16]));
    },
    after: async (result) => {
      const { seen, odd } = await result.counters();
      assert.equal(seen, 4);
      assert.equal(odd, 20);
      const { sizes } = await result.distributions();
      assert.deepEqual(
        { count: sizes!.count, sum: sizes!.sum, min: sizes!.min, max: sizes!.max },
        { count: 4, sum: 10, min: 1, max: 4 },
      );
      assert.equal((await result.gauges()).last?.value, 7);
    },
  },
  {
    name: 'a counter of one name in two transforms is summed, and told apart',
    build: (root) => {
      const count = { n: counter('n') };
      root
        .apply(create([1, 2]))
        .map(function first(x, { n }) {
          n.increment();
          return x;
        }, count)
        .map(function second(x, { n }) {
          n.increment(2);
          return x;
        }, count);
    },
    after: async (result) => {
      assert.equal((await result.counters()).n, 6);
      const { counters } = (await result.metrics()).query({ name: 'n' });
      assert.deepEqual(counters.map(({ transform, value }) => [transform, value]).sort(), [
        ['map(first)', 2],
        ['map(second)', 4],
      ]);
    },
  },
];
