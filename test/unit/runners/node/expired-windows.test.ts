// SPDX-License-Identifier: Apache-2.0
// What a stage with state does at the end of a window and after it, in streams and in batches.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LogRecord, setLogSink } from '../../../../src/base/index.ts';
import type { KV } from '../../../../src/coders/index.ts';
import type { Root } from '../../../../src/pipeline/index.ts';
import { createRunner, type MetricResults } from '../../../../src/runners/index.ts';
import { type TestStream, testStream } from '../../../../src/testing/index.ts';
import {
  assignTimestamps,
  bagState,
  bundleFinalizerParam,
  create,
  type DoFn,
  eventTimeTimer,
  fixedWindows,
  fromAsyncIterable,
  globalWindows,
  iterableSideInput,
  parDo,
  processingTimeTimer,
  slidingWindows,
  type TimerParam,
  tagged,
  timestamped,
  timestampParam,
  type ValueState,
  valueState,
  windowInto,
  withName,
} from '../../../../src/transforms/index.ts';

type Word = KV<string, number>;
const SECOND = 1000;

interface Told {
  readonly out: string[];
  readonly warnings: string[];
  readonly metrics: MetricResults;
}

/** Runs what `build` makes, which pushes what it sees. */
async function run(build: (root: Root, out: string[]) => void): Promise<Told> {
  const out: string[] = [];
  const warnings: string[] = [];
  const restore = setLogSink(({ level, message }: LogRecord) => {
    if (level === 'warn') warnings.push(message);
  });
  try {
    const result = await createRunner({ runner: 'node', progress: false }).run((root) =>
      build(root, out),
    );
    return { out, warnings, metrics: await result.metrics() };
  } finally {
    restore();
  }
}

/** Gives each key once in a window. */
const dedupe: DoFn<Word, string, { seen: ValueState<boolean> }> = {
  async process({ key }, { seen }) {
    if (await seen.read()) return [];
    seen.write(true);
    return [key];
  },
};

describe('an element whose window is over', () => {
  const order = (at: number) => timestamped({ key: 'order-1', value: 0 }, at);
  const script = (lateness: number): TestStream<Word> =>
    testStream<Word>()
      .addElements(order(SECOND))
      .advanceWatermarkTo(5 * SECOND)
      .addElements(order(SECOND))
      .advanceWatermarkTo(10 * SECOND + lateness)
      .addElements(order(SECOND));

  it('is dropped before a DoFn with state, counted and told of', async () => {
    const { out, warnings, metrics } = await run((root, out) => {
      root
        .apply(script(0))
        .apply(windowInto(fixedWindows(10)))
        .apply(parDo(dedupe, { seen: valueState<boolean>() }))
        .map((key) => out.push(key));
    });
    assert.deepEqual(out, ['order-1']);
    const { counters } = metrics.query({ name: 'droppedDueToLateness' });
    assert.equal(counters.length, 1);
    assert.equal(counters[0]!.value, 1);
    assert.match(counters[0]!.transform, /^parDo/);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^parDo.* drops elements that came after the end of their window/);
  });

  it('is one when the lateness is over too, and finds its state until then', async () => {
    for (const past of [0, -1]) {
      const { out, metrics } = await run((root, out) => {
        root
          .apply(script(5 * SECOND + past))
          .apply(windowInto(fixedWindows(10), { allowedLateness: 5 * SECOND }))
          .apply(parDo(dedupe, { seen: valueState<boolean>() }))
          .map((key) => out.push(key));
      });
      assert.deepEqual(out, ['order-1']);
      const dropped = metrics.counters().droppedDueToLateness;
      assert.equal(dropped, past === 0 ? 1 : undefined);
    }
  });
});

describe('timers at the end of a window', () => {
  it('find the side input that the window had', async () => {
    const context = (side: Parameters<typeof iterableSideInput>[0]) => ({
      due: eventTimeTimer(),
      side: iterableSideInput(side as never),
    });
    const { out } = await run((root, out) => {
      const side = root
        .apply(testStream<number>().addElements(timestamped(7, SECOND)))
        .apply(windowInto(fixedWindows(10)));
      const doFn: DoFn<Word, string, ReturnType<typeof context>> = {
        process: (_, { due }) => due.set(10 * SECOND - 1),
        onTimer: ({ key }, { side }) => [`${key} ${[...(side.lookup() as Iterable<number>)]}`],
      };
      root
        .apply(
          testStream<Word>()
            .addElements(timestamped({ key: 'k', value: 0 }, SECOND))
            .advanceWatermarkTo(20 * SECOND),
        )
        .apply(windowInto(fixedWindows(10)))
        .apply(parDo(doFn, context(side as never)))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out, ['k 7']);
  });

  for (const kind of ['batch', 'stream']) {
    it(`are refused after it, in a ${kind}`, async () => {
      const doFn: DoFn<Word, string, { due: TimerParam }> = {
        process: (_, { due }) => due.set(60 * SECOND),
        onTimer: () => ['fired'],
      };
      const element = timestamped({ key: 'k', value: 0 }, SECOND);
      const build = (root: Root) => {
        const input =
          kind === 'batch'
            ? root.apply(create([0])).map(() => element)
            : root.apply(testStream<Word>().addElements(element));
        input.apply(windowInto(fixedWindows(10))).apply(parDo(doFn, { due: eventTimeTimer() }));
      };
      await assert.rejects(run(build), {
        code: 'INVALID_ARGUMENT',
        message: /timer due was set to 60000, when its window .* is over: that is so after 9999/,
        transform: 'parDo/process',
      });
    });
  }

  it('relative to the element end with the window', async () => {
    const doFn: DoFn<Word, string, { due: TimerParam }> = {
      process: ({ value }, { due }) => due.setRelative(value, { tag: `${value}` }),
      onTimer: ({ tag, fireTimestamp }) => [`${tag} ${fireTimestamp}`],
    };
    const { out } = await run((root, out) => {
      root
        .apply(create([2 * SECOND, 60 * SECOND]))
        .map((value) => timestamped({ key: 'k', value }, SECOND))
        .apply(windowInto(fixedWindows(10)))
        .apply(parDo(doFn, { due: eventTimeTimer() }))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out.sort(), ['2000 3000', '60000 9999']);
  });
});

describe('timers by the clock', () => {
  /** Sets itself again each time. */
  const looping: DoFn<Word, string, { due: TimerParam }> = {
    // So far that the clock cannot come first on a busy machine, which would be one firing more.
    process: (_, { due }) => due.setRelative(3600 * SECOND),
    onTimer: ({ key }, { due }) => {
      due.setRelative(60 * SECOND);
      return [key];
    },
  };

  it('that set themselves again do not keep a batch from its end', async () => {
    for (const windowFn of [globalWindows(), fixedWindows(10)]) {
      const { out, warnings } = await run((root, out) => {
        root
          .apply(create(['a', 'b']))
          .map((key) => timestamped({ key, value: 0 }, SECOND))
          .apply(windowInto(windowFn as ReturnType<typeof fixedWindows>))
          .apply(parDo(looping, { due: processingTimeTimer() }))
          .map((key) => out.push(key));
      });
      assert.deepEqual(out.sort(), ['a', 'b']);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /^parDo.*: timer due is set where its window is over/);
    }
  });

  it('bring out what waits when their window is over, in a stream as in a batch', async () => {
    const context = { due: processingTimeTimer(), held: bagState<number>() };
    const doFn: DoFn<Word, string, typeof context> = {
      process({ value }, { due, held }) {
        held.add(value);
        due.setRelative(3600 * SECOND);
      },
      onTimer: async (_, { held }) => [`${[...(await held.read())]}`],
    };
    const { out } = await run((root, out) => {
      root
        .apply(
          testStream<Word>()
            .addElements(timestamped({ key: 'k', value: 1 }, SECOND))
            .advanceWatermarkTo(20 * SECOND)
            .addElements(timestamped({ key: 'k', value: 2 }, 21 * SECOND)),
        )
        .apply(windowInto(fixedWindows(10)))
        .apply(parDo(doFn, context))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out, ['1', '2']);
  });

  it('go by the clock of a test stream', async () => {
    const doFn: DoFn<Word, string, { due: TimerParam }> = {
      process: (_, { due }) => due.set(due.now() + SECOND),
      onTimer: ({ key, fireTimestamp }, { due }) => [`${key} ${fireTimestamp} ${due.now()}`],
    };
    const { out } = await run((root, out) => {
      root
        .apply(
          testStream<Word>()
            .advanceProcessingTime(500)
            .addElements({ key: 'a', value: 0 })
            .advanceProcessingTime(900)
            .addElements({ key: 'b', value: 0 })
            .advanceProcessingTime(200),
        )
        .apply(parDo(doFn, { due: processingTimeTimer() }))
        .map((text) => out.push(text));
    });
    assert.deepEqual(out, ['a 1500 1600', 'b 2400 1600']);
  });
});

describe('a bundle finalizer that fails', () => {
  it('is told of, and the others run', async () => {
    const ran: string[] = [];
    const { warnings } = await run((root) => {
      root.apply(create([1])).map(
        (x, { stored }) => {
          stored.register(() => {
            throw new Error('the cleanup failed');
          });
          stored.register(() => void ran.push('second'));
          return x;
        },
        { stored: bundleFinalizerParam() },
      );
    });
    assert.deepEqual(ran, ['second']);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^map.*: a bundle finalizer failed/);
  });
});

describe('an element that no window takes', () => {
  it('is dropped and counted', async () => {
    const { out, metrics, warnings } = await run((root, out) => {
      root
        .apply(create([10, 90, 310]))
        .map((second) => timestamped(`${second}`, second * SECOND))
        .apply(windowInto(slidingWindows(60, 300)))
        .map((second) => out.push(second));
    });
    assert.deepEqual(out, ['10', '310']);
    assert.equal(metrics.counters().droppedInNoWindow, 1);
    assert.deepEqual(warnings, []);
  });
});

describe('a time that is none', () => {
  it('is refused where it is given, with the name of the transform', async () => {
    const at = Date.parse('garbage');
    async function* words() {
      yield 'a';
    }
    const programs: Record<string, (root: Root) => unknown> = {
      stamped: (root) =>
        root.apply(create([1])).map(withName('stamped', (x: number) => timestamped(x, at))),
      tagged: (root) =>
        root
          .apply(create([1]))
          .flatMap(withName('tagged', (x: number) => [tagged('odd', timestamped(x, 1.7e18))])),
      assignTimestamps: (root) => root.apply(create([1])).apply(assignTimestamps(() => at)),
      fromAsyncIterable: (root) =>
        root.apply(fromAsyncIterable(words, { timestamp: () => at, bounded: true })),
    };
    for (const [name, build] of Object.entries(programs)) {
      await assert.rejects(run(build as never), (error: { code: string; transform?: string }) => {
        assert.equal(error.code, 'INVALID_ARGUMENT', String(error));
        assert.match(error.transform ?? '', new RegExp(name));
        return true;
      });
    }
  });

  it('and a fraction of a millisecond is cut off', async () => {
    const { out } = await run((root, out) => {
      root
        .apply(create([5.5, -0.5]))
        .map((at) => timestamped('x', at))
        .map((_, { at }) => out.push(String(at.lookup())), { at: timestampParam() });
    });
    assert.deepEqual(out, ['5', '-1']);
  });
});
