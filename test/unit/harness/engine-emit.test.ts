// SPDX-License-Identifier: Apache-2.0
// What may be output: wrappers in any order, promises, and nothing else in silence.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import { GlobalWindow, NO_FIRING, VarIntCoder } from '../../../src/coders/index.ts';
import { BundleEngine } from '../../../src/harness/engine/index.ts';
import {
  type DoFn,
  ParDo,
  type PCollection,
  parDo,
  TaggedOutput,
  TimestampedValue,
  tagged,
  timestamped,
} from '../../../src/pipeline/index.ts';
import { assignTimestamps, partition } from '../../../src/transforms/index.ts';
import { inputOf, io, type Stage, stageOf, valuesOf } from './support.ts';

type Numbers = PCollection<number>;
const NUMBERS = { input: new VarIntCoder() as never };

async function run(stage: Stage, values: readonly unknown[]) {
  const engine = new BundleEngine({ functions: stage.pipeline.functions });
  const { bundle, written } = io(inputOf(stage.encode(values)));
  await engine.start(stage.descriptor, bundle).done;
  return {
    values: (sink: string) => valuesOf(stage, sink, written),
    timed: (sink: string) =>
      stage.decode(sink, written.get(sink) ?? []).map(({ value, timestamp }) => [value, timestamp]),
  };
}

/** What a lazy query of a database is like: no promise, and asked once. */
function thenableOf<T>(value: T): Promise<T> {
  let asked = 0;
  const lazy = {
    // biome-ignore lint/suspicious/noThenProperty: this is what the test is about
    then(done: (value: T) => void) {
      asked += 1;
      assert.equal(asked, 1);
      setTimeout(done, 1, value);
    },
  };
  return lazy as unknown as Promise<T>;
}

function withOdd(doFn: DoFn<number, unknown>) {
  return stageOf(
    (input: Numbers) =>
      input.apply(
        parDo(doFn).withOutputs<{ out: unknown; odd: unknown }>({ main: 'out', tags: ['odd'] }),
      ),
    NUMBERS,
  );
}

test('tags and timestamps may be put around each other in any order', async () => {
  const stage = withOdd({
    process: (x) => [
      new TimestampedValue(new TaggedOutput('odd', `inner tag ${x}`), 5),
      new TaggedOutput('odd', new TimestampedValue(`outer tag ${x}`, 6)),
      timestamped(`main ${x}`, 7),
    ],
  });
  const { timed } = await run(stage, [1]);
  assert.deepEqual(timed('odd'), [
    ['inner tag 1', 5],
    ['outer tag 1', 6],
  ]);
  assert.deepEqual(timed('out'), [['main 1', 7]]);
});

test('finishBundle may wrap too, around a whole element or its value', async () => {
  const whole = (value: unknown) => ({
    value,
    timestamp: 1,
    windows: [GlobalWindow.INSTANCE],
    pane: NO_FIRING,
  });
  const stage = withOdd({
    process() {},
    finishBundle: () =>
      [
        whole(tagged('odd', timestamped('late', 7))),
        whole(timestamped(tagged('odd', 'later') as never, 8)),
        tagged('odd', whole('last')),
        whole('main'),
      ] as never,
  });
  const { timed } = await run(stage, [1]);
  assert.deepEqual(timed('odd'), [
    ['late', 7],
    ['later', 8],
    ['last', 1],
  ]);
  assert.deepEqual(timed('out'), [['main', 1]]);
});

test('two tags around one output fail the bundle', async () => {
  const stage = withOdd({ process: (x) => [tagged('odd', tagged('out', x))] });
  await assert.rejects(run(stage, [1]), ({ code, transform }: BeamBridgeError) => {
    assert.equal(code, 'USER_CODE_FAILED');
    return transform?.includes('parDo') ?? false;
  });
});

test('promises among the outputs are awaited, in order, within wrappers too', async () => {
  const later = <T>(value: T) => new Promise<T>((done) => setTimeout(done, 2, value));
  const thenable = thenableOf('thenable');
  const stage = withOdd({
    process: (x) =>
      [
        later('slow'),
        Promise.resolve('quick'),
        thenable,
        tagged('odd', later('tagged')),
        timestamped(later('timed'), 5),
        later(timestamped(tagged('odd', 'inside') as never, 6)),
        x,
      ] as never,
  });
  const { values, timed } = await run(stage, [1]);
  assert.deepEqual(values('out'), ['slow', 'quick', 'thenable', 'timed', 1]);
  assert.deepEqual(timed('odd').at(-1), ['inside', 6]);
  assert.equal(timed('odd')[0]![0], 'tagged');
});

for (const [kind, wrap] of [
  ['an array', (promises: unknown[]) => promises],
  ['a Set', (promises: unknown[]) => new Set(promises)],
  ['tags', (promises: unknown[]) => promises.map((one) => tagged('odd', one))],
  [
    'a generator',
    function* (promises: unknown[]) {
      yield* promises;
    },
  ],
] as const) {
  test(`a rejected promise in ${kind} fails the bundle, naming the transform`, async () => {
    const lost = () => Promise.reject(new Error('lost'));
    const slow = () => new Promise((done) => setTimeout(done, 20));
    const stage = withOdd({
      process: (x) => wrap(x === 1 ? [lost()] : [slow(), lost(), lost()]) as never,
    });
    const only = kind === 'a generator' ? [[1]] : [[1], [2]];
    for (const values of only) {
      await assert.rejects(run(stage, values), ({ code, message, transform }: BeamBridgeError) => {
        assert.equal(code, 'USER_CODE_FAILED');
        assert.match(message, /Error: lost/);
        return transform?.includes('parDo') ?? false;
      });
    }
    // A rejection that nobody heard of would end this program now.
    await slow();
  });
}

test('promises behind an output that fails are no unhandled rejections', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input
        .flatMap(() => [1, Promise.reject(new Error('lost'))])
        .map(() => {
          throw new Error('first');
        }),
    }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1]), /Error: first/);
  await new Promise((done) => setTimeout(done, 5));
});

test('a string is refused where outputs are expected, and nothing is no outputs', async () => {
  const text = stageOf((input: Numbers) => ({ out: input.flatMap(() => 'abc' as never) }), NUMBERS);
  await assert.rejects(run(text, [1]), /not a string.*\[USER_CODE_FAILED\][\s\S]*\[text\]/);
  const some = stageOf(
    (input: Numbers) => ({
      out: input.flatMap((x) => {
        if (x > 1) return [x];
      }),
    }),
    NUMBERS,
  );
  assert.deepEqual((await run(some, [1, 2])).values('out'), [2]);
});

test('whatever has a then is awaited wherever a promise may be given', async () => {
  const thenable = thenableOf;
  const callable = () => Object.assign(() => {}, thenableOf('callable'));
  const stage = stageOf((input: Numbers) => {
    const [even, odd] = input.apply(partition((x) => thenable(x % 2), 2));
    return {
      even: even!,
      odd: odd!,
      mapped: input.map((x) => thenable(x + 10)),
      callable: input.map(() => callable() as unknown as string),
      kept: input.filter((x) => thenable(x === 1)),
      timed: input.apply(assignTimestamps((x: number) => thenable(x))),
      done: input.apply(new ParDo<number, number>({ kind: 'flatMap', fn: (x) => thenable([x]) })),
    };
  }, NUMBERS);
  const { values, timed } = await run(stage, [1, 2]);
  assert.deepEqual(values('odd'), [1]);
  assert.deepEqual(values('even'), [2]);
  assert.deepEqual(values('mapped'), [11, 12]);
  assert.deepEqual(values('callable'), ['callable', 'callable']);
  assert.deepEqual(values('kept'), [1]);
  assert.deepEqual(values('done'), [1, 2]);
  assert.deepEqual(timed('timed'), [
    [1, 1],
    [2, 2],
  ]);
});
