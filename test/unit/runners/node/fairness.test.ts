// SPDX-License-Identifier: Apache-2.0
// Long work in this process lets timers, signals and sockets have their turn: a wish to end that
// comes by a timer of Node's is heard in the middle of it. And timers that are due have their turn while
// elements wait.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KV } from '../../../../src/coders/index.ts';
import {
  type DoFn,
  eventTimeTimer,
  processingTimeTimer,
  type Root,
} from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { int64 } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import {
  create,
  fixedWindows,
  fromAsyncIterable,
  groupByKey,
  parDo,
  timestamped,
  windowInto,
} from '../../../../src/transforms/index.ts';

const MANY = 600;

/** Some work that keeps the thread, and the wish to end when a part of it is done. */
class Work {
  done = 0;
  private readonly wish = new AbortController();

  /** A piece of it. */
  readonly piece = (): void => {
    this.done += 1;
    if (this.done === 10) setTimeout(() => this.wish.abort(), 0);
    for (const began = performance.now(); performance.now() - began < 1; );
  };

  async isCutShort(build: (root: Root) => void): Promise<void> {
    const options = { runner: 'node', progress: false, signal: this.wish.signal } as const;
    await assert.rejects(createRunner(options).run(build), { code: 'ABORTED' });
    assert.ok(this.done >= 10);
    assert.ok(this.done < MANY, `all ${this.done} were done first`);
  }
}

const keyed = () => Array.from({ length: MANY }, (_, value) => ({ key: 'k', value }));

describe('a wish to end is heard', () => {
  it('between the bundles of the timers of one key', async () => {
    const work = new Work();
    const context = { later: eventTimeTimer() };
    const doFn: DoFn<KV<string, number>, never, typeof context> = {
      process: ({ value }, { later }) => later.set(value, { tag: String(value) }),
      onTimer: () => work.piece(),
    };
    await work.isCutShort((root) => {
      root.apply(create(keyed())).apply(parDo(doFn, context));
    });
  });

  it('between the timers of one bundle', async () => {
    const work = new Work();
    const context = { later: eventTimeTimer() };
    const doFn: DoFn<KV<string, number>, never, typeof context> = {
      process: ({ value }, { later }) => later.set(1000, { tag: String(value) }),
      onTimer: () => work.piece(),
    };
    await work.isCutShort((root) => {
      root.apply(create(keyed())).apply(parDo(doFn, context));
    });
  });

  it('between the elements of one bundle, be the function synchronous or not', async () => {
    const [work, later] = [new Work(), new Work()];
    await work.isCutShort((root) => {
      root.apply(create(keyed())).map(() => work.piece());
    });
    await later.isCutShort((root) => {
      root.apply(create(keyed())).map(async () => later.piece());
    });
  });

  it('between the outputs of one element', async () => {
    const outputs: ((work: Work) => unknown)[] = [
      function* (work: Work) {
        for (;;) yield work.piece();
      },
      async function* (work: Work) {
        for (;;) yield work.piece();
      },
    ];
    for (const output of outputs) {
      const work = new Work();
      await work.isCutShort((root) => {
        root.apply(create([1])).flatMap(() => output(work) as Iterable<void>);
      });
    }
    const work = new Work();
    await work.isCutShort((root) => {
      root
        .apply(create([1]))
        .flatMap(keyed)
        .map(() => work.piece());
    });
  });

  it('between the events of a stream, each of which gives a bundle or two', async () => {
    const work = new Work();
    let events = testStream(int64);
    for (let i = 0; i < MANY; i++) {
      events = events.addElements(timestamped(i, i * 1000)).advanceWatermarkTo((i + 1) * 1000);
    }
    await work.isCutShort((root) => {
      root
        .apply(events.advanceWatermarkToInfinity())
        .map((value) => ({ key: 'k', value }))
        .apply(windowInto(fixedWindows(1)))
        .apply(groupByKey())
        .map(() => work.piece());
    });
  });
});

it('a timer that is due fires while elements wait, however many there are', async () => {
  const all = 1500;
  let done = 0;
  let doneBefore: number | undefined;
  const context = { soon: processingTimeTimer() };
  const doFn: DoFn<KV<string, number>, never, typeof context> = {
    process: (_, { soon }) => {
      if (done === 0) soon.set(Date.now() + 1);
      done += 1;
      // Much longer than the source takes to give the next ones: some always wait.
      for (const began = performance.now(); performance.now() - began < 0.5; );
    },
    onTimer: () => {
      doneBefore ??= done;
    },
  };
  async function* numbers() {
    for (let value = 0; value < all; value++) yield { key: 'k', value };
  }
  await createRunner({ runner: 'node', progress: false }).run((root) => {
    root.apply(fromAsyncIterable(numbers)).apply(parDo(doFn, context));
  });
  assert.equal(done, all);
  assert.ok(doneBefore !== undefined && doneBefore < all, `it fired after ${doneBefore} of ${all}`);
});
