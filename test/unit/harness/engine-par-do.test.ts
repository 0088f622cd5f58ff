// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import {
  GlobalWindow,
  IntervalWindow,
  KVCoder,
  NO_FIRING,
  StrUtf8Coder,
  VarIntCoder,
} from '../../../src/coders/index.ts';
import { BundleEngine, type BundleResult } from '../../../src/harness/engine/index.ts';
import {
  bundleFinalizerParam,
  counter,
  type DoFn,
  distribution,
  gauge,
  type PCollection,
  paneInfoParam,
  parDo,
  tagged,
  timestamped,
  timestampParam,
  windowingStrategy,
  windowParam,
} from '../../../src/pipeline/index.ts';
import { fixedWindows, slidingWindows } from '../../../src/transforms/index.ts';
import { element, inputOf, io, type Stage, stageOf, valuesOf } from './support.ts';

async function run(stage: Stage, values: readonly unknown[], engine = engineFor(stage)) {
  const { bundle, written, closed } = io(inputOf(stage.encode(values)));
  const result = await engine.start(stage.descriptor, bundle).done;
  return { out: valuesOf(stage, 'out', written), written, closed, result };
}

function engineFor(stage: Stage): BundleEngine {
  return new BundleEngine({ functions: stage.pipeline.functions });
}

const NUMBERS = { input: new VarIntCoder() as never };
type Numbers = PCollection<number>;

test('map, filter and flatMap run fused, in order', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input
        .map((x) => x * 10)
        .filter((x) => x !== 20)
        .flatMap((x) => [x, x + 1]),
    }),
    NUMBERS,
  );
  const { out, closed } = await run(stage, [1, 2, 3]);
  assert.deepEqual(out, [10, 11, 30, 31]);
  assert.deepEqual(closed, ['out']);
});

test('a function without a context is given the element and nothing else', async () => {
  const given: unknown[][] = [];
  const note = (...all: unknown[]) => {
    given.push(all);
    return true;
  };
  const stage = stageOf(
    (input: Numbers) => ({
      out: input
        .map(note)
        .filter(note)
        .flatMap((...all: unknown[]) => [note(...all)])
        .map((_, context) => note(context), { extra: 1 }),
    }),
    NUMBERS,
  );
  await run(stage, [7]);
  assert.deepEqual(given, [[7], [true], [true], [{ extra: 1 }]]);
});

test('promises, generators and async generators may be mixed and keep the order', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input
        .map(async (x) => {
          await new Promise((resolve) => setTimeout(resolve, 3 - x));
          return x;
        })
        .flatMap(function* (x) {
          yield x;
          yield x + 100;
        })
        .flatMap(async function* (x) {
          yield x;
          await null;
          yield -x;
        })
        .filter(async (x) => x !== -1)
        .flatMap(async (x) => new Set([x])),
    }),
    NUMBERS,
  );
  const { out } = await run(stage, [1, 2]);
  assert.deepEqual(out, [1, 101, -101, 2, -2, 102, -102]);
});

test('one element is done before the next begins, however long it waits', async () => {
  const events: string[] = [];
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map(async (x) => {
        events.push(`begin ${x}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
        events.push(`end ${x}`);
        return x;
      }),
    }),
    NUMBERS,
  );
  await run(stage, [1, 2]);
  assert.deepEqual(events, ['begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('tagged values go to their outputs, and a tag that is none is refused by name', async () => {
  const split = (input: Numbers) =>
    input.apply(
      parDo<number, number>({
        process: (x) => [x % 2 ? tagged('odd', x) : x, ...(x > 8 ? [tagged('big', x)] : [])],
      }).withOutputs<{ even: number; odd: number }>({ main: 'even', tags: ['odd'] }),
    );
  const stage = stageOf((input: Numbers) => split(input), NUMBERS);
  const { bundle, written } = io(inputOf(stage.encode([1, 2, 3])));
  await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.deepEqual(valuesOf(stage, 'even', written), [2]);
  assert.deepEqual(valuesOf(stage, 'odd', written), [1, 3]);

  await assert.rejects(run(stage, [9]), (error: BeamBridgeError) => {
    assert.equal(error.code, 'USER_CODE_FAILED');
    assert.match(error.message, /"big"/);
    assert.match(error.message, /even, odd/);
    return true;
  });
});

test('a timestamped output keeps the windows and changes the timestamp', async () => {
  const stage = stageOf((input: Numbers) => ({ out: input.flatMap((x) => [timestamped(x, 77)]) }), {
    ...NUMBERS,
  });
  const { written } = await run(stage, [5]);
  const [only] = stage.decode('out', written.get('out')!);
  assert.equal(only?.timestamp, 77);
  assert.deepEqual(only?.windows, [GlobalWindow.INSTANCE]);
  assert.equal(only?.value, 5);
});

test('what a function throws becomes USER_CODE_FAILED with transform, place and cause', async () => {
  const cause = new RangeError('no such digit');
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map(function parseDigit(x) {
        if (x === 2) throw cause;
        return x;
      }),
    }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1, 2]), (error: BeamBridgeError) => {
    assert.equal(error.code, 'USER_CODE_FAILED');
    assert.equal(error.transform, 'map(parseDigit)');
    assert.match(error.appliedAt ?? '', /engine-par-do\.test\.ts/);
    assert.equal(error.cause, cause);
    assert.match(error.message, /RangeError: no such digit/);
    return true;
  });
});

const THROWING: Record<string, () => unknown> = {
  'a promise': async () => {
    throw new TypeError('late');
  },
  'a generator': function* () {
    yield 1;
    throw new TypeError('late');
  },
  'an async generator': async function* () {
    yield 1;
    throw new TypeError('late');
  },
};

for (const [how, throwing] of Object.entries(THROWING)) {
  test(`an error in ${how} names the transform too`, async () => {
    const stage = stageOf(
      (input: Numbers) => ({ out: input.flatMap(throwing as () => Iterable<number>) }),
      NUMBERS,
    );
    await assert.rejects(run(stage, [1]), (error: BeamBridgeError) => {
      assert.equal(error.code, 'USER_CODE_FAILED');
      assert.match(error.transform ?? '', /^flatMap/);
      assert.ok(error.cause instanceof TypeError);
      return true;
    });
  });
}

test('an error downstream closes a generator upstream', async () => {
  let closed = false;
  const stage = stageOf(
    (input: Numbers) => ({
      out: input
        .flatMap(function* (x) {
          try {
            yield x;
            yield x;
          } finally {
            closed = true;
          }
        })
        .map(() => {
          throw new TypeError('downstream');
        }),
    }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1]), { code: 'USER_CODE_FAILED', transform: /^map/ });
  assert.equal(closed, true);
});

test('an output that does not fit its coder names the transform that made it', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.apply(
        parDo<number, string>({ process: () => [5 as never] }).withOutputs<{ main: string }>({
          main: 'main',
          tags: [],
          coders: { main: new StrUtf8Coder() },
        }),
      ).main,
    }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1]), { code: 'CODER_MISMATCH', transform: 'parDo' });
});

test('flatMap that returns nothing iterable says what it should return', async () => {
  const stage = stageOf((input: Numbers) => ({ out: input.flatMap((() => 5) as never) }), NUMBERS);
  await assert.rejects(run(stage, [1]), { code: 'USER_CODE_FAILED', hint: /array/ });
});

test('context parameters follow the element', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map(
        (x, ctx) => [x, ctx.at.lookup(), String(ctx.window.lookup()), ctx.pane.lookup().index],
        {
          at: timestampParam(),
          window: windowParam(),
          pane: paneInfoParam(),
        },
      ),
    }),
    { ...NUMBERS, windowing: windowingStrategy(fixedWindows(10)) },
  );
  const first = new IntervalWindow(0, 10_000);
  const second = new IntervalWindow(10_000, 20_000);
  const { bundle, written } = io(
    inputOf(
      stage.encodeWindowed([
        element(1, { timestamp: 5, windows: [first] }),
        element(2, { timestamp: 7, windows: [first, second] }),
      ]),
    ),
  );
  await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.deepEqual(valuesOf(stage, 'out', written), [
    [1, 5, '[0, 10000)', 0],
    [2, 7, '[0, 10000)', 0],
    [2, 7, '[10000, 20000)', 0],
  ]);
});

test('an element in several windows is processed once when nobody asks for the window', async () => {
  let calls = 0;
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map((x) => {
        calls += 1;
        return x;
      }),
    }),
    { ...NUMBERS, windowing: windowingStrategy(slidingWindows(10, 5)) },
  );
  const windows = [new IntervalWindow(0, 10_000), new IntervalWindow(5000, 15_000)];
  const { bundle, written } = io(
    inputOf(stage.encodeWindowed([element(1, { windows, timestamp: 6000 })])),
  );
  await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.equal(calls, 1);
  assert.deepEqual(stage.decode('out', written.get('out')!)[0]?.windows, windows);
});

test('a parameter that is looked up between elements is refused', async () => {
  const doFn: DoFn<number, number, { window: ReturnType<typeof windowParam> }> = {
    startBundle: ({ window }) => void window.lookup(),
    process: (x) => [x],
  };
  const stage = stageOf(
    (input: Numbers) => ({ out: input.apply(parDo(doFn, { window: windowParam() })) }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1]), { code: 'UNSUPPORTED', hint: /process\(\)/ });
});

/** Notes every call. */
function noting(notes: string[]): DoFn<number, number> {
  return {
    setup: async () => void notes.push('setup'),
    startBundle: () => void notes.push('start'),
    process: (x) => {
      notes.push(`process ${x}`);
      if (x < 0) throw new Error('negative');
      return x === 0 ? undefined : [x];
    },
    finishBundle: async function* () {
      notes.push('finish');
      yield { value: 99, timestamp: 1, windows: [GlobalWindow.INSTANCE], pane: NO_FIRING };
    } as never,
    teardown: () => void notes.push('teardown'),
  };
}

test('a DoFn is set up once, lives through bundles, and is torn down at the end', async () => {
  const notes: string[] = [];
  const stage = stageOf((input: Numbers) => ({ out: input.apply(parDo(noting(notes))) }), NUMBERS);
  const engine = engineFor(stage);
  assert.deepEqual((await run(stage, [1, 0], engine)).out, [1, 99]);
  assert.deepEqual((await run(stage, [2], engine)).out, [2, 99]);
  await engine.close();
  assert.deepEqual(notes, [
    'setup',
    'start',
    'process 1',
    'process 0',
    'finish',
    'start',
    'process 2',
    'finish',
    'teardown',
  ]);
});

test('after an error the DoFn is torn down, and the next bundle sets it up again', async () => {
  const notes: string[] = [];
  const stage = stageOf((input: Numbers) => ({ out: input.apply(parDo(noting(notes))) }), NUMBERS);
  const engine = engineFor(stage);
  await assert.rejects(run(stage, [-1], engine), { code: 'USER_CODE_FAILED' });
  assert.deepEqual((await run(stage, [3], engine)).out, [3, 99]);
  await engine.close();
  assert.deepEqual(notes, [
    'setup',
    'start',
    'process -1',
    'teardown',
    'setup',
    'start',
    'process 3',
    'finish',
    'teardown',
  ]);
});

test('a setup that fails is the error of the bundle and is tried again', async () => {
  let attempts = 0;
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.apply(
        parDo<number, number>({
          setup() {
            attempts += 1;
            if (attempts === 1) throw new Error('no model');
          },
          process: (x) => [x],
        }),
      ),
    }),
    NUMBERS,
  );
  const engine = engineFor(stage);
  await assert.rejects(run(stage, [1], engine), { code: 'USER_CODE_FAILED', message: /no model/ });
  assert.deepEqual((await run(stage, [1], engine)).out, [1]);
});

test('a DoFn that keeps something per bundle works on one bundle at a time', async () => {
  let batch: number[] = [];
  const batching: DoFn<number, number[]> = {
    startBundle() {
      batch = [];
    },
    async process(x) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      batch.push(x);
    },
    finishBundle: () => [
      { value: batch, timestamp: 0, windows: [GlobalWindow.INSTANCE], pane: NO_FIRING },
    ],
  };
  const stage = stageOf((input: Numbers) => ({ out: input.apply(parDo(batching)) }), NUMBERS);
  const engine = engineFor(stage);
  const both = await Promise.all([run(stage, [1, 2, 3], engine), run(stage, [4, 5, 6], engine)]);
  assert.deepEqual(
    both.map(({ out }) => out),
    [[[1, 2, 3]], [[4, 5, 6]]],
  );
});

test('stateless functions of one stage run in several bundles at once', async () => {
  let running = 0;
  let most = 0;
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map(async (x) => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running -= 1;
        return x;
      }),
    }),
    NUMBERS,
  );
  const engine = engineFor(stage);
  await Promise.all([run(stage, [1], engine), run(stage, [2], engine), run(stage, [3], engine)]);
  assert.equal(most, 3);
});

test('one DoFn object with bundle state cannot be two steps of one stage', async () => {
  const shared = noting([]);
  const stage = stageOf(
    (input: Numbers) => ({ out: input.apply(parDo(shared)).apply(parDo(shared)) }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1]), { code: 'UNSUPPORTED', hint: /new object/ });
});

test('finishBundle must give whole elements', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.apply(
        parDo<number, number>({ process: () => [], finishBundle: () => [7 as never] }),
      ),
    }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1]), { code: 'USER_CODE_FAILED', hint: /timestamp/ });
});

function info(result: BundleResult, urn: string, label: string) {
  return result.monitoringInfos.find(
    (i) => i.urn.includes(urn) && Object.values(i.labels).includes(label),
  );
}

test('metrics are counted per bundle and encoded as Beam does', async () => {
  const metrics = { n: counter('n'), d: distribution('d', 'mine'), g: gauge('g') };
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map(function measured(x, { n, d, g }) {
        n.increment();
        n.increment(-3);
        d.update(x);
        g.set(x);
        return x;
      }, metrics),
    }),
    NUMBERS,
  );
  const engine = engineFor(stage);
  await run(stage, [1], engine);
  const { result } = await run(stage, [5, 300], engine);
  const id = stage.idOf('map(measured)');
  const n = info(result, 'user:sum_int64', 'n')!;
  assert.deepEqual(n.labels, { PTRANSFORM: id, NAMESPACE: 'map(measured)', NAME: 'n' });
  assert.equal(n.type, 'beam:metrics:sum_int64:v1');
  assert.equal(Buffer.from(n.payload).toString('hex'), 'fcffffffffffffffff01');
  const d = info(result, 'user:distribution_int64', 'd')!;
  assert.equal(d.labels.NAMESPACE, 'mine');
  // Count 2, sum 305, least 5, greatest 300.
  assert.equal(Buffer.from(d.payload).toString('hex'), '02b10205ac02');
  assert.equal(Buffer.from(info(result, 'user:latest_int64', 'g')!.payload).at(-2), 0xac);
  const counts = result.monitoringInfos.filter((i) => i.urn === 'beam:metric:element_count:v1');
  assert.deepEqual(
    counts.map((i) => i.payload[0]),
    [2, 2],
  );
  const index = info(result, 'data_channel:read_index', 'source')!;
  assert.equal(index.payload[0], 2);
});

test('a metric that is no whole number is refused', async () => {
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map((x, n) => n.increment(0.5) ?? x, counter('halves')),
    }),
    NUMBERS,
  );
  await assert.rejects(run(stage, [1]), { code: 'INVALID_ARGUMENT', message: /"halves"/ });
});

test('finalizers that were registered come with the result', async () => {
  const stored: number[] = [];
  const stage = stageOf(
    (input: Numbers) => ({
      out: input.map((x, done) => {
        done.register(() => void stored.push(x));
        return x;
      }, bundleFinalizerParam()),
    }),
    NUMBERS,
  );
  const { result } = await run(stage, [1, 2]);
  assert.deepEqual(stored, []);
  for (const finalize of result.finalizers) await finalize();
  assert.deepEqual(stored, [1, 2]);
});

test('a key-value whose coder is one too', async () => {
  const stage = stageOf(
    (input: PCollection<{ key: string; value: number }>) => ({ out: input.map((kv) => kv.key) }),
    { input: new KVCoder(new StrUtf8Coder(), new VarIntCoder()) as never },
  );
  assert.deepEqual((await run(stage, [{ key: 'a', value: 1 }])).out, ['a']);
});
