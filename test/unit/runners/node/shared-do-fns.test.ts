// SPDX-License-Identifier: Apache-2.0
// One DoFn object in several stages, or in several runs: bundles that wait for input must not keep it from
// those that the input comes from.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KV } from '../../../../src/coders/index.ts';
import { P, type PCollection, type Root } from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import {
  create,
  type DoFn,
  eventTimeTimer,
  flatten,
  fromAsyncIterable,
  parDo,
  reshuffle,
} from '../../../../src/transforms/index.ts';

/** Counts bundles, and notices when two are mixed up. */
class PerBundle implements DoFn<number, number> {
  bundles = 0;
  private isOpen = false;

  startBundle() {
    assert.equal(this.isOpen, false, 'one bundle at a time');
    this.isOpen = true;
  }
  process(n: number) {
    assert.equal(this.isOpen, true);
    return [n + 1];
  }
  finishBundle() {
    this.isOpen = false;
    this.bundles += 1;
  }
}

async function* slowly(...numbers: number[]) {
  for (const n of numbers) {
    yield n;
    await delay(40);
  }
}

/** What comes out of a run, which fails where it would not end by itself. */
async function outputs(build: (root: Root) => PCollection<number>): Promise<number[]> {
  const given: number[] = [];
  const watchdog = new AbortController();
  const alarm = setTimeout(() => watchdog.abort(new Error('the run did not end')), 5_000);
  try {
    await createRunner({ runner: 'node', progress: false, signal: watchdog.signal }).run((root) => {
      build(root).map((n) => {
        given.push(n);
      });
    });
  } finally {
    clearTimeout(alarm);
  }
  return given.toSorted((a, b) => a - b);
}

describe('one DoFn object that keeps something per bundle', () => {
  it('in two stages of a batch, the first of which takes its time', async () => {
    const both = new PerBundle();
    const found = await outputs((root) =>
      root
        .apply(fromAsyncIterable(() => slowly(1, 2, 3, 4), { bounded: true }))
        .apply(parDo(both))
        .apply(reshuffle())
        .apply(parDo(both)),
    );
    assert.deepEqual(found, [3, 4, 5, 6]);
    assert.ok(both.bundles >= 2);
  });

  it('behind timers, and behind what comes of them', async () => {
    const both = new PerBundle();
    const timed: DoFn<KV<number, number>, number, { end: ReturnType<typeof eventTimeTimer> }> = {
      process({ value }, { end }) {
        end.setRelative(0);
        return [value];
      },
      onTimer: ({ key }) => [100 + (key as number)],
    };
    const found = await outputs((root) =>
      root
        .apply(create([1, 2, 3]))
        .map((value) => ({ key: value % 2, value }))
        .apply(parDo(timed, { end: eventTimeTimer() }))
        .apply(parDo(both))
        .apply(reshuffle())
        .apply(parDo(both)),
    );
    assert.deepEqual(found, [3, 4, 5, 102, 103]);
  });

  it('in one transform, applied to a source and to what that is flattened into', async () => {
    const step = parDo(new PerBundle());
    const found = await outputs((root) => {
      const slow = root
        .apply(fromAsyncIterable(() => slowly(1, 2, 3), { bounded: true }))
        .apply(step);
      const quick = root.apply(create([10])).map((n) => n);
      return P([slow, quick]).apply(flatten()).apply(step);
    });
    assert.deepEqual(found, [3, 4, 5, 11]);
  });

  it('in two runs, one of which feeds the other', async () => {
    const step = parDo(new PerBundle());
    const fed: number[] = [];
    let isOver = false;
    const feed = async function* (signal: AbortSignal) {
      yield 0;
      while (!signal.aborted && (!isOver || fed.length > 0)) {
        if (fed.length > 0) yield fed.shift()!;
        else await delay(5);
      }
    };
    let hasBegun = () => {};
    const begun = new Promise<void>((resolve) => {
      hasBegun = resolve;
    });
    const reader = outputs((root) =>
      root
        .apply(fromAsyncIterable(feed, { bounded: true }))
        .apply(reshuffle())
        .apply(step)
        .map((n) => {
          hasBegun();
          return n;
        }),
    );
    await begun;
    const feeder = outputs((root) => root.apply(create([1, 2])).apply(step)).then((given) => {
      fed.push(...given);
      isOver = true;
    });
    const [found] = await Promise.all([reader, feeder]);
    assert.deepEqual(found, [1, 3, 4]);
  });
});

/** A promise, and what resolves it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

describe('one DoFn object in two runs', () => {
  it('is set up for the second once the first has torn it down', async () => {
    const calls: string[] = [];
    let closing = () => {};
    let close = () => {};
    const isClosing = new Promise<void>((resolve) => {
      closing = resolve;
    });
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const step = parDo<number, number>({
      setup: () => void calls.push('setup'),
      process: (n) => [n],
      async teardown() {
        calls.push('teardown begins');
        closing();
        await closed;
        calls.push('teardown ends');
      },
    });
    const first = outputs((root) => root.apply(create([1])).apply(step));
    await isClosing;
    const second = outputs((root) => root.apply(create([2])).apply(step));
    await delay(50);
    close();
    assert.deepEqual(await Promise.all([first, second]), [[1], [2]]);
    const once = ['setup', 'teardown begins', 'teardown ends'];
    assert.deepEqual(calls, [...once, ...once]);
  });

  it('lets go of the second when that is cancelled, whatever the first is at', {
    timeout: 10_000,
  }, async () => {
    const began = gate();
    const goOn = gate();
    let setups = 0;
    const step = parDo<number, number>({
      setup: () => void setups++,
      startBundle() {},
      async process(n) {
        began.open();
        await goOn.opened;
        return [n];
      },
    });
    const first = outputs((root) => root.apply(create([1, 2])).apply(step));
    await began.opened;
    const second = await createRunner({ runner: 'node', progress: false }).runAsync((root) =>
      root.apply(create([3])).apply(step),
    );
    await delay(50);
    assert.equal(await second.cancel(), 'CANCELLED');
    goOn.open();
    assert.deepEqual(await first, [1, 2]);
    assert.deepEqual(await outputs((root) => root.apply(create([4])).apply(step)), [4]);
    assert.equal(setups, 2, 'once for the first, which nothing broke, and once for the last');
  });
});
