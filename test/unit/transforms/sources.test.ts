// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { watchFiles } from '../../../src/io/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { create, fromAsyncIterable, periodicImpulse } from '../../../src/transforms/index.ts';

function refuses(build: () => unknown, message: RegExp): void {
  assert.throws(build, (error) => {
    assert.ok(error instanceof BeamBridgeError);
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.match(error.message, message);
    return true;
  });
}

test('sources over time refuse what they cannot keep to', () => {
  refuses(() => periodicImpulse({ interval: 0 }), /interval 0/);
  refuses(() => periodicImpulse({ interval: 10, start: 0.5 }), /start 0.5/);
  refuses(() => fromAsyncIterable([1] as never), /which is not async iterable/);
  const numbers = async function* () {};
  const timestamp = () => 0;
  for (const maxDelay of [Number.NaN, -1, Infinity, '5']) {
    const options = { timestamp, maxDelay: maxDelay as number };
    refuses(() => fromAsyncIterable(numbers, options), /maxDelay is/);
  }
  refuses(() => fromAsyncIterable(numbers, { maxDelay: 5 }), /maxDelay is number 5/);
  refuses(() => fromAsyncIterable(numbers, { timestamp: 'at' as never }), /timestamp is/);
  refuses(() => fromAsyncIterable(numbers, { bounded: 'yes' as never }), /bounded is/);
  refuses(() => watchFiles('*.txt', { interval: 0 }), /interval 0/);
  refuses(() => watchFiles(''), /is no path/);
  refuses(
    () => watchFiles('*', { matchUpdatedFiles: 1 as never }),
    /matchUpdatedFiles is number 1/,
  );
  refuses(() => watchFiles('*', { bounded: true }), /watchFiles is to be bounded and never ends/);
  refuses(() => periodicImpulse({ interval: 1, bounded: true }), /never ends/);
  const bounded = 'no' as never;
  refuses(() => periodicImpulse({ interval: 1, stop: 5, bounded }), /bounded is/);
});

test('sources over time are unbounded unless they are told when to stop', () => {
  const root = new Root(new Pipeline());
  const source = async function* () {
    yield 1;
  };
  const endless = [
    root.apply(periodicImpulse({ interval: 10 })),
    root.apply(fromAsyncIterable(source)),
    root.apply(watchFiles('*.txt')),
    root.apply(periodicImpulse({ interval: 10, start: 0, stop: 5, bounded: false })),
    root.apply(watchFiles('*.txt', { stopAfter: 5, bounded: false })),
  ];
  const ending = [
    root.apply(periodicImpulse({ interval: 10, start: 0, stop: 5 })),
    root.apply(fromAsyncIterable(source, { bounded: true })),
    root.apply(watchFiles('*.txt', { stopAfter: 5 })),
  ];
  assert.deepEqual(
    endless.map(({ isBounded }) => isBounded),
    [false, false, false, false, false],
  );
  assert.deepEqual(
    ending.map(({ isBounded }) => isBounded),
    [true, true, true],
  );
});

/** What a source of one's own gives to a pipeline. */
async function read(next: () => unknown): Promise<unknown[]> {
  const given: unknown[] = [];
  await createRunner({ progress: false }).run((root) => {
    const source = { [Symbol.asyncIterator]: () => ({ next }) } as AsyncIterable<unknown>;
    root.apply(fromAsyncIterable(source, { bounded: true })).map((one) => void given.push(one));
  });
  return given;
}

test('an iterator may give results that are no promises', async () => {
  let count = 0;
  assert.deepEqual(await read(() => ({ value: ++count, done: count > 3 })), [1, 2, 3]);
});

test('an iterator that throws, and one that gives no result, fail the run with its transform', async () => {
  const throwing = () => {
    throw new Error('broken');
  };
  for (const [next, message] of [
    [throwing, /Error: broken/],
    [() => Promise.reject(new Error('broken')), /Error: broken/],
    [() => undefined, /next\(\) of the iterable gave undefined/],
    [async () => 7, /next\(\) of the iterable gave number 7/],
  ] as const) {
    await assert.rejects(read(next), (error: BeamBridgeError) => {
      assert.equal(error.code, 'USER_CODE_FAILED');
      assert.match(error.transform ?? '', /fromAsyncIterable/);
      assert.match(error.message, message);
      return true;
    });
  }
});

/** Runs sources one after the other, and gives what each gave, or the error of the run. */
async function runOf(...sources: ReturnType<typeof fromAsyncIterable<number>>[]) {
  const given: number[][] = [];
  try {
    await createRunner({ progress: false }).run((root) => {
      for (const source of sources) {
        const found: number[] = [];
        given.push(found);
        root.apply(source).map((n) => void found.push(n));
      }
    });
    return given;
  } catch (error) {
    return error as BeamBridgeError;
  }
}

async function* oneTwo() {
  yield 1;
  yield 2;
}

const readTwice = (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, JSON.stringify(error));
  assert.equal(error.code, 'INVALID_ARGUMENT');
  assert.match(error.message, /can be read once/);
  assert.match(error.hint ?? '', /function/);
  assert.match(error.message, /fromAsyncIterable/);
};

test('an async iterable has one reader: a second in the same pipeline, or in another run, is refused', async () => {
  const bounded = true;
  for (const make of [
    oneTwo,
    () => Readable.from([1, 2]),
    () => ReadableStream.from([1, 2]),
    () => ({ [Symbol.asyncIterator]: oneTwo }),
  ]) {
    const iterable = make() as AsyncIterable<number>;
    const source = fromAsyncIterable(iterable, { bounded });
    readTwice(await runOf(source, source));
    readTwice(await runOf(source, fromAsyncIterable(iterable, { bounded })));
    // A pipeline that was not run has read nothing.
    assert.deepEqual(await runOf(source), [[1, 2]]);
    readTwice(await runOf(source));
    readTwice(await runOf(fromAsyncIterable(iterable, { bounded })));
  }
});

test('a function makes an async iterable for each reader, in each run', async () => {
  const source = fromAsyncIterable(oneTwo, { bounded: true });
  for (let run = 0; run < 2; run++) {
    assert.deepEqual(await runOf(source, source, fromAsyncIterable(oneTwo, { bounded: true })), [
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  }
});

test('two pipelines that were built with one async iterable: the first that runs reads it', async () => {
  const source = fromAsyncIterable(oneTwo(), { bounded: true });
  let goOn = () => {};
  const wait = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const late = createRunner({ progress: false }).run(async (root) => {
    root.apply(source);
    await wait;
  });
  assert.deepEqual(await runOf(source), [[1, 2]]);
  goOn();
  await late.then(
    () => assert.fail('it was read twice'),
    (error) => readTwice(error),
  );
});

test('an iterator given to two creates is refused, where the second had nothing', async () => {
  const numbers = [1, 2].values();
  const once = create(numbers);
  const given: number[] = [];
  for (let run = 0; run < 2; run++) {
    await createRunner({ progress: false }).run((root) => {
      root.apply(once).map((n) => void given.push(n));
      root.apply(once).map((n) => void given.push(n));
    });
  }
  assert.equal(given.length, 8, 'one transform keeps what it has read');
  refuses(() => new Root(new Pipeline()).apply(create(numbers)), /create was given .*read once/);
  const set = new Set([1, 2]);
  const root = new Root(new Pipeline());
  for (let times = 0; times < 2; times++) root.apply(create(set));
});
