// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import {
  type Coder,
  encodeValue,
  GlobalWindow,
  IntervalWindow,
  IntervalWindowCoder,
  JsCoder,
  type KV,
  KVCoder,
  StrUtf8Coder,
  VarIntCoder,
  type Window,
} from '../../../src/coders/index.ts';
import {
  BundleEngine,
  type BundleState,
  type SideInputKey,
} from '../../../src/harness/engine/index.ts';
import { Receiver } from '../../../src/harness/engine/operator.ts';
import { CombineStep, mergeAccumulators } from '../../../src/harness/engine/operators/combine.ts';
import { Precombine } from '../../../src/harness/engine/operators/precombine.ts';
import { mergeWindows } from '../../../src/harness/engine/operators/windows.ts';
import {
  FUNCTION_URNS,
  P,
  type PCollection,
  type WindowFn,
  windowingStrategy,
} from '../../../src/pipeline/index.ts';
import { create, pb, toBinary, urns } from '../../../src/proto/index.ts';
import {
  combinePerKey,
  fixedWindows,
  flatten,
  iterableSideInput,
  mean,
  sessions,
  singletonSideInput,
  slidingWindows,
  sum,
  toList,
  windowInto,
} from '../../../src/transforms/index.ts';
import {
  collector,
  element,
  fed,
  inputOf,
  io,
  SOURCE,
  type Stage,
  stageOf,
  valuesOf,
} from './support.ts';

const NUMBERS = { input: new VarIntCoder() as never };
type Numbers = PCollection<number>;
type Words = PCollection<KV<string, number>>;
const WORDS = { input: new KVCoder(new StrUtf8Coder(), new VarIntCoder()) as never };

function engineFor(stage: Stage): BundleEngine {
  return new BundleEngine({ functions: stage.pipeline.functions });
}

test('windowInto assigns windows by timestamp', async () => {
  const stage = stageOf(
    (input: Numbers) => ({ out: input.apply(windowInto(fixedWindows(10))) }),
    NUMBERS,
  );
  const { bundle, written } = io(
    inputOf(stage.encodeWindowed([element(1, { timestamp: 12_345 })])),
  );
  await engineFor(stage).start(stage.descriptor, bundle).done;
  const [only] = stage.decode('out', written.get('out')!);
  assert.deepEqual(only?.windows, [new IntervalWindow(10_000, 20_000)]);
  assert.equal(only?.timestamp, 12_345);
});

test('an element in several windows is put into new ones once for each', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.apply(windowInto(slidingWindows(10, 5))).apply(windowInto(fixedWindows(10))),
    }),
    NUMBERS,
  );
  const { bundle, written } = io(
    inputOf(stage.encodeWindowed([element(1, { timestamp: 12_345 })])),
  );
  await engineFor(stage).start(stage.descriptor, bundle).done;
  const windows = stage.decode('out', written.get('out')!).map((each) => each.windows);
  assert.deepEqual(windows, Array(2).fill([new IntervalWindow(10_000, 20_000)]));
});

test("a user's window function that throws is the user's error", async () => {
  const broken: WindowFn = {
    ...(fixedWindows(10) as WindowFn),
    assignWindows() {
      throw new TypeError('no time');
    },
    toProto: () => undefined,
  };
  const stage = stageOf((input: Numbers) => ({ out: input.apply(windowInto(broken)) }), NUMBERS);
  const { bundle } = io(inputOf(stage.encode([1])));
  await assert.rejects(engineFor(stage).start(stage.descriptor, bundle).done, {
    code: 'USER_CODE_FAILED',
    transform: /^windowInto/,
  });
});

test('flatten takes elements of all its inputs, one that is an input twice counts twice', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: P([input, input.map((x) => x * 10), input]).apply(flatten()) as PCollection<unknown>,
    }),
    NUMBERS,
  );
  const { bundle, written } = io(inputOf(stage.encode([1, 2])));
  await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.deepEqual(
    (valuesOf(stage, 'out', written) as number[]).sort(),
    [1, 1, 10, 2, 2, 20].sort(),
  );
});

/** A stage with one combine component in place of the composite, as runners make them. */
function componentStage(urn: string, combine: unknown, output: Coder<never>, input: Coder<never>) {
  const stage = stageOf(
    (words: PCollection<never>) => ({ out: words.map((x) => x) as PCollection<unknown> }),
    { input },
  );
  const [id, transform] = Object.entries(stage.descriptor.transforms).find(
    ([, { spec }]) => spec?.urn === urns.StandardPTransforms_Primitives.PAR_DO,
  )!;
  stage.pipeline.functions.set('combine', combine);
  transform.spec = create(pb.FunctionSpecSchema, {
    urn,
    payload: toBinary(
      pb.CombinePayloadSchema,
      create(pb.CombinePayloadSchema, {
        combineFn: { urn: FUNCTION_URNS.combineFn, payload: Buffer.from('combine') },
      }),
    ),
  });
  assert.ok(id);
  void output;
  return stage;
}

const REGISTERED_SUM = { combineFn: sum, transform: 'total', appliedAt: 'x.ts:1:1' };
const C = urns.StandardPTransforms_CombineComponents;
const P_DO = urns.StandardPTransforms_Primitives.PAR_DO;

for (const [name, urn, value, expected] of [
  ['merge accumulators', C.COMBINE_PER_KEY_MERGE_ACCUMULATORS, [1, 2, 3], 6],
  ['extract outputs', C.COMBINE_PER_KEY_EXTRACT_OUTPUTS, 5, 5],
  ['convert to accumulators', C.COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS, 7, 7],
  ['combine grouped values', C.COMBINE_GROUPED_VALUES, [4, 5], 9],
  ['precombine', C.COMBINE_PER_KEY_PRECOMBINE, 3, 3],
] as const) {
  test(`the combine component "${name}" runs`, async () => {
    const coder = new KVCoder(new StrUtf8Coder(), new JsCoder()) as never;
    const stage = componentStage(urn, REGISTERED_SUM, coder, coder);
    const { bundle, written } = io(inputOf(stage.encode([{ key: 'a', value }])));
    await engineFor(stage).start(stage.descriptor, bundle).done;
    assert.deepEqual(valuesOf(stage, 'out', written), [{ key: 'a', value: expected }]);
  });
}

test('a ParDo with a combine function combines grouped values', async () => {
  const coder = new KVCoder(new StrUtf8Coder(), new JsCoder()) as never;
  const stage = componentStage(P_DO, REGISTERED_SUM, coder, coder);
  const transform = Object.values(stage.descriptor.transforms).find(
    ({ spec }) => spec?.urn === P_DO,
  )!;
  const doFn = { urn: FUNCTION_URNS.combineFn, payload: Buffer.from('combine') };
  transform.spec!.payload = toBinary(
    pb.ParDoPayloadSchema,
    create(pb.ParDoPayloadSchema, { doFn }),
  );
  const { bundle, written } = io(inputOf(stage.encode([{ key: 'a', value: [4, 5] }])));
  await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.deepEqual(valuesOf(stage, 'out', written), [{ key: 'a', value: 9 }]);
});

test('a composite whose parts the runner kept to itself is executed whole', async () => {
  const coder = new KVCoder(new StrUtf8Coder(), new JsCoder()) as never;
  const stage = componentStage(C.COMBINE_GROUPED_VALUES, REGISTERED_SUM, coder, coder);
  const transform = Object.values(stage.descriptor.transforms).find(
    ({ spec }) => spec?.urn === C.COMBINE_GROUPED_VALUES,
  )!;
  transform.subtransforms = ['elsewhere'];
  const { bundle, written } = io(inputOf(stage.encode([{ key: 'a', value: [4, 5] }])));
  await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.deepEqual(valuesOf(stage, 'out', written), [{ key: 'a', value: 9 }]);
});

test('a combiner that throws names its transform', async () => {
  const bad = {
    ...REGISTERED_SUM,
    combineFn: {
      ...mean,
      extractOutput() {
        throw new Error('no mean');
      },
    },
  };
  const coder = new KVCoder(new StrUtf8Coder(), new VarIntCoder()) as never;
  const stage = componentStage(C.COMBINE_PER_KEY_EXTRACT_OUTPUTS, bad, coder, coder);
  const { bundle } = io(inputOf(stage.encode([{ key: 'a', value: 1 }])));
  await assert.rejects(engineFor(stage).start(stage.descriptor, bundle).done, {
    code: 'USER_CODE_FAILED',
    transform: 'total',
    appliedAt: 'x.ts:1:1',
  });
});

test('an async combiner is refused with what to do instead', async () => {
  const bad = {
    ...REGISTERED_SUM,
    combineFn: { ...mean, extractOutput: async () => 1 as never },
  };
  const coder = new KVCoder(new StrUtf8Coder(), new VarIntCoder()) as never;
  const stage = componentStage(C.COMBINE_PER_KEY_EXTRACT_OUTPUTS, bad, coder, coder);
  const { bundle } = io(inputOf(stage.encode([{ key: 'a', value: 1 }])));
  await assert.rejects(engineFor(stage).start(stage.descriptor, bundle).done, {
    code: 'UNSUPPORTED',
    transform: 'total',
    hint: /await in a map/,
  });
});

test('combinePerKey without lifting combines grouped values', () => {
  const stage = stageOf((input: Words) => ({ out: input.apply(combinePerKey(sum)) }), WORDS);
  const urnsSeen = Object.values(stage.descriptor.transforms).map(({ spec }) => spec?.urn);
  assert.ok(urnsSeen.includes(C.COMBINE_GROUPED_VALUES));
});

function precombineOf(mostKeys?: number, keepsLatest = false, combineFn: unknown = sum) {
  const out = new Receiver('out');
  const got: { key: unknown; value: unknown; timestamp: number; windows: readonly Window[] }[] = [];
  out.add({
    transformId: 'end',
    inputs: [],
    process: ({ value, timestamp, windows }) => {
      got.push({ ...(value as KV<unknown, unknown>), timestamp, windows });
    },
  });
  const precombine = new Precombine(
    't',
    [],
    {
      combineFn: combineFn as never,
      keyCoder: new StrUtf8Coder() as Coder<unknown>,
      windowCoder: new IntervalWindowCoder() as Coder<unknown>,
      keepsLatest,
      ...(mostKeys === undefined ? {} : { mostKeys }),
    },
    out,
    { transform: 'total' },
  );
  precombine.startBundle();
  return { precombine, got };
}

test('precombine adds up per key and window, at the earliest or the latest timestamp', async () => {
  const windows = [new IntervalWindow(0, 10), new IntervalWindow(5, 15)];
  for (const [keepsLatest, timestamp] of [
    [false, 6],
    [true, 8],
  ] as const) {
    const { precombine, got } = precombineOf(undefined, keepsLatest);
    precombine.process(element({ key: 'a', value: 1 }, { timestamp: 7, windows }));
    precombine.process(element({ key: 'a', value: 2 }, { timestamp: 6, windows: [windows[0]!] }));
    precombine.process(element({ key: 'a', value: 3 }, { timestamp: 8, windows: [windows[0]!] }));
    await precombine.finishBundle();
    assert.deepEqual(got, [
      { key: 'a', value: 6, timestamp, windows: [windows[0]] },
      { key: 'a', value: 1, timestamp: 7, windows: [windows[1]] },
    ]);
  }
});

test('precombine holds a bounded number of keys and loses nothing', async () => {
  const { precombine, got } = precombineOf(10);
  for (let i = 0; i < 100; i++) {
    precombine.process(
      element({ key: `k${i % 25}`, value: 1 }, { windows: [GlobalWindow.INSTANCE] }),
    );
  }
  assert.ok(got.length > 0);
  await precombine.finishBundle();
  const totals = new Map<unknown, number>();
  for (const { key, value } of got) totals.set(key, (totals.get(key) ?? 0) + (value as number));
  assert.equal(totals.size, 25);
  assert.ok([...totals.values()].every((total) => total === 4));
});

test('precombine sends on what grows with each input, and keeps numbers', async () => {
  const words = { key: 'a', value: 1 };
  for (const [combineFn, sent] of [
    [sum, 0],
    [toList(), 1],
  ] as const) {
    const { precombine, got } = precombineOf(undefined, false, combineFn);
    for (let i = 0; i < 600_000; i++) {
      precombine.process(element(words, { windows: [GlobalWindow.INSTANCE] }));
    }
    assert.equal(got.length, sent);
    await precombine.finishBundle();
    assert.equal(got.length, sent + 1);
  }
});

test('a stage that waits downstream keeps the order of combined groups', async () => {
  const out = new Receiver('out');
  const got: unknown[] = [];
  out.add({
    transformId: 'end',
    inputs: [],
    process: async ({ value }) => {
      await null;
      got.push(value);
    },
  });
  const step = new CombineStep('t', [], sum as never, mergeAccumulators, out, { transform: 't' });
  await step.process(element({ key: 'a', value: [1, 2] }));
  assert.deepEqual(got, [{ key: 'a', value: 3 }]);
});

test('merging windows answers with those that stay alone and those that became others', () => {
  const windows = [
    new IntervalWindow(0, 10),
    new IntervalWindow(5, 15),
    new IntervalWindow(50, 60),
  ];
  const answer = mergeWindows(sessions(10) as WindowFn)(windows);
  assert.deepEqual(answer, {
    key: [windows[2]],
    value: [{ key: new IntervalWindow(0, 15), value: [windows[0], windows[1]] }],
  });
});

/** State that serves a side input in pages, and counts what it is asked. */
function sideState(
  pages: (key: SideInputKey) => readonly Uint8Array[],
  token?: (key: SideInputKey) => string | undefined,
) {
  const asked: string[] = [];
  const state: BundleState = {
    async *sideInput(key) {
      asked.push(`${key.sideInputId} ${Buffer.from(key.window).toString('hex')}`);
      yield* pages(key);
    },
    async *iterable() {},
    ...(token ? { cacheToken: token } : {}),
  };
  return { state, asked };
}

function varints(...values: number[]): Uint8Array {
  return Buffer.concat(values.map((value) => encodeValue(new VarIntCoder(), value, true)));
}

test('side inputs are read in pages, once per bundle', async () => {
  const stage = stageOf(
    (input: Numbers, root) => ({
      out: input.map((x, ctx) => [x, ...ctx.all.lookup()], {
        all: iterableSideInput(fed(root, 'side', new VarIntCoder())),
      }),
    }),
    NUMBERS,
  );
  const { state, asked } = sideState(() => [
    varints(1, 300).subarray(0, 2),
    varints(1, 300).subarray(2),
  ]);
  const engine = engineFor(stage);
  for (let i = 0; i < 2; i++) {
    const { bundle, written } = io(inputOf(stage.encode([7, 8])), state);
    await engine.start(stage.descriptor, bundle).done;
    assert.deepEqual(valuesOf(stage, 'out', written), [
      [7, 1, 300],
      [8, 1, 300],
    ]);
  }
  assert.deepEqual(asked, ['side:all ', 'side:all ']);
});

test('side inputs stay from bundle to bundle under the same cache token', async () => {
  const stage = stageOf(
    (input: Numbers, root) => ({
      out: input.map(
        (x, side) => x + side.lookup(),
        singletonSideInput(fed(root, 'side', new VarIntCoder())),
      ),
    }),
    NUMBERS,
  );
  let current = 'v1';
  const { state, asked } = sideState(
    () => [varints(current === 'v1' ? 10 : 20)],
    () => current,
  );
  const engine = engineFor(stage);
  const results: unknown[] = [];
  for (const token of ['v1', 'v1', 'v2', 'v1']) {
    current = token;
    const { bundle, written } = io(inputOf(stage.encode([1])), state);
    await engine.start(stage.descriptor, bundle).done;
    results.push(...valuesOf(stage, 'out', written));
  }
  assert.deepEqual(results, [11, 11, 21, 11]);
  // Contents that were replaced are not kept for the case that they come back.
  assert.equal(asked.length, 3);
});

test("a side input is looked up in its own window that holds the main window's end", async () => {
  const stage = stageOf(
    (input: Numbers, root) => ({
      out: input.map((x, ctx) => [x, ...ctx.side.lookup()], {
        side: iterableSideInput(
          fed(root, 'side', new VarIntCoder(), windowingStrategy(fixedWindows(100))),
        ),
      }),
    }),
    { ...NUMBERS, windowing: windowingStrategy(fixedWindows(10)) },
  );
  const window = new IntervalWindow(110_000, 120_000);
  const { state, asked } = sideState(() => [varints(3)]);
  const { bundle, written } = io(
    inputOf(stage.encodeWindowed([element(1, { windows: [window], timestamp: 111_000 })])),
    state,
  );
  await engineFor(stage).start(stage.descriptor, bundle).done;
  const expected = encodeValue(
    new IntervalWindowCoder(),
    new IntervalWindow(100_000, 200_000),
    true,
  );
  assert.deepEqual(asked, [`side:side ${Buffer.from(expected).toString('hex')}`]);
  assert.deepEqual(valuesOf(stage, 'out', written), [[1, 3]]);
});

test('a bundle keeps the side inputs of a few windows, and reads the others again', async () => {
  const windowing = windowingStrategy(fixedWindows(10));
  const stage = stageOf(
    (input: Numbers, root) => ({
      out: input.map((x, ctx) => [x, ...ctx.side.lookup()], {
        side: iterableSideInput(fed(root, 'side', new VarIntCoder(), windowing)),
      }),
    }),
    { ...NUMBERS, windowing },
  );
  const { state, asked } = sideState(({ window }) => [varints(window[7]! % 100)]);
  const inWindow = (i: number) =>
    element(i, {
      windows: [new IntervalWindow(i * 10_000, (i + 1) * 10_000)],
      timestamp: i * 10_000,
    });
  // The last few are at hand, the first is not any more.
  const visited = [...Array.from({ length: 200 }, (_, i) => i), 199, 190, 0];
  const { bundle, written } = io(inputOf(stage.encodeWindowed(visited.map(inWindow))), state);
  await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.equal(asked.length, 201);
  assert.equal(asked.at(-1), asked[0]);
  const out = valuesOf(stage, 'out', written) as number[][];
  assert.deepEqual(out.at(-1), out[0]);
  assert.equal(out.length, visited.length);
});

test('a side input in merging windows is refused where it is applied', () => {
  const build = () =>
    stageOf(
      (input: Numbers, root) => ({
        out: input.map(
          (x, side) => [x, side.lookup()],
          iterableSideInput(fed(root, 'side', new VarIntCoder(), windowingStrategy(sessions(1)))),
        ),
      }),
      NUMBERS,
    );
  assert.throws(build, { code: 'UNSUPPORTED', hint: /windowInto/ });
});

test('a transform that only another SDK knows is refused by its URN', async () => {
  const stage = stageOf((input: Numbers) => ({ out: input.map((x) => x) }), NUMBERS);
  const id = stage.idOf('map');
  stage.descriptor.transforms[id]!.spec!.urn = 'beam:transform:mystery:v1';
  const { bundle } = io(inputOf(stage.encode([1])));
  await assert.rejects(
    engineFor(stage).start(stage.descriptor, bundle).done,
    (error: BeamBridgeError) => {
      assert.equal(error.code, 'UNSUPPORTED');
      assert.match(error.message, /beam:transform:mystery:v1/);
      assert.equal(error.transform, 'map');
      return true;
    },
  );
});

test('a function that was never registered is FUNCTION_NOT_FOUND', async () => {
  const stage = stageOf((input: Numbers) => ({ out: input.map((x) => x) }), NUMBERS);
  const engine = new BundleEngine({ functions: new Map() });
  const { bundle } = io(inputOf(stage.encode([1])));
  await assert.rejects(engine.start(stage.descriptor, bundle).done, { code: 'FUNCTION_NOT_FOUND' });
});

test('a split gives back the elements after the split point', async () => {
  let release = () => {};
  const reached = new Promise<void>((resolve) => {
    release = resolve;
  });
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map(async (x) => {
        if (x === 1) {
          release();
          await gate;
        }
        return x;
      }),
    }),
    NUMBERS,
  );
  const { bundle, written } = io(inputOf(stage.encode([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])));
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await reached;
  const wish = { fractionOfRemainder: 0.5, estimatedInputElements: 10, allowedSplitPoints: [] };
  // At index 1 and half done: 8.5 elements remain, 4.25 of them are kept.
  assert.deepEqual(running.split(new Map([[SOURCE, wish]])), [
    {
      transformId: SOURCE,
      lastPrimaryElement: 5,
      firstResidualElement: 6,
      primaryRoots: [],
      residualRoots: [],
    },
  ]);
  assert.deepEqual(running.split(new Map([['no such source', wish]])), []);
  goOn();
  await running.done;
  assert.deepEqual(valuesOf(stage, 'out', written), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(running.split(new Map([[SOURCE, wish]])), []);
});

test('an aborted bundle ends at the next element with the given error', async () => {
  let count = 0;
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map(async (x) => {
        count += 1;
        if (x === 0) running.abort(new TypeError('enough'));
        await null;
        return x;
      }),
    }),
    NUMBERS,
  );
  const { bundle } = io(inputOf(stage.encode([0, 1, 2])));
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await assert.rejects(running.done, { message: 'enough' });
  assert.equal(count, 1);
});

for (const [name, outputs] of Object.entries<(x: number) => never>({
  'a list': (x) => [x, x, x] as never,
  'a generator': function* (x: number) {
    for (let i = 0; i < 3; i++) yield x;
  } as never,
  'an async generator': async function* (x: number) {
    for (let i = 0; i < 3; i++) yield x;
  } as never,
})) {
  test(`an aborted bundle ends at the next of an element's outputs that are ${name}, not with the last`, async () => {
    let count = 0;
    const stage = stageOf(
      (input: Numbers) => ({
        out: input.flatMap(outputs).map(async (x: number) => {
          count += 1;
          running.abort(new TypeError('enough'));
          await null;
          return x;
        }),
      }),
      NUMBERS,
    );
    const { bundle } = io(inputOf(stage.encode([0])));
    const running = engineFor(stage).start(stage.descriptor, bundle);
    await assert.rejects(running.done, { message: 'enough' });
    assert.equal(count, 1);
  });
}

test('a slow output holds the source back', async () => {
  const stage = stageOf((input: PCollection<string>) => ({ out: input.map((x) => x) }), {
    input: new StrUtf8Coder() as never,
  });
  const big = 'x'.repeat(300_000);
  const { output } = collector();
  let open = 0;
  let most = 0;
  const slow = {
    ...output,
    write: async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 1));
      open -= 1;
    },
  };
  const { bundle } = io(inputOf(stage.encode([big, big, big, big, big, big])));
  await engineFor(stage).start(stage.descriptor, { ...bundle, output: slow }).done;
  assert.equal(most, 1);
});

test('bytes that are no elements of the input name the source', async () => {
  const stage = stageOf((input: Numbers) => ({ out: input.map((x) => x) }), NUMBERS);
  const { bundle } = io(inputOf(new Uint8Array([1, 2, 3])));
  await assert.rejects(engineFor(stage).start(stage.descriptor, bundle).done, {
    code: 'MALFORMED_DATA',
    transform: SOURCE,
  });
});

test('other work gets a turn while a long chunk is processed', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.filter((x) => {
        const until = performance.now() + 0.2;
        while (performance.now() < until);
        return x < 0;
      }),
    }),
    NUMBERS,
  );
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const { bundle } = io(inputOf(stage.encode(Array.from({ length: 1000 }, (_, i) => i))));
  await engineFor(stage).start(stage.descriptor, bundle).done;
  clearInterval(timer);
  assert.ok(turns > 0);
});
