// SPDX-License-Identifier: Apache-2.0
// Elements whose values go from step to step alone are what they are when an object is made for each of them in between.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IntervalWindow, NO_FIRING, Timing, VarIntCoder } from '../../../src/coders/index.ts';
import { BundleEngine } from '../../../src/harness/engine/index.ts';
import { Receiver, withValue } from '../../../src/harness/engine/operator.ts';
import {
  type DoFn,
  P,
  type PCollection,
  paneInfoParam,
  parDo,
  timestamped,
  timestampParam,
  type ValueState,
  valueState,
  windowingStrategy,
  windowParam,
} from '../../../src/pipeline/index.ts';
import { fixedWindows, flatten, windowInto } from '../../../src/transforms/index.ts';
import { element, inputOf, io, NO_STATE, stageOf } from './support.ts';

type Numbers = PCollection<number>;

/** Keeps something from element to element. */
class EveryThird implements DoFn<number, number> {
  private seen = 0;

  forBundle() {
    return new EveryThird();
  }

  process(x: number) {
    this.seen += 1;
    return this.seen % 3 === 0 ? undefined : [x];
  }
}

/** Steps that values are enough for, and steps between them that need more. */
const STEPS: Readonly<Record<string, (input: Numbers) => Numbers>> = {
  map: (input) => input.map((x) => x + 1),
  same: (input) => input.map((x) => x),
  later: (input) => input.map(async (x) => x + 2),
  atTimesLater: (input) =>
    input.map((x) => (x % 2 === 0 ? x : Promise.resolve(x + 1)) as unknown as number),
  filter: (input) => input.filter((x) => x % 3 !== 0),
  filterLater: (input) => input.filter(((x: number) => Promise.resolve(x % 5 !== 0)) as never),
  list: (input) => input.flatMap((x) => [x, x, x + 1]),
  generator: (input) =>
    input.flatMap(function* (x) {
      yield x;
      yield x * 2;
    }),
  generatorLater: (input) =>
    input.flatMap(async function* (x) {
      yield x;
      yield x + 3;
    }),
  moved: (input) => input.flatMap((x) => [timestamped(x, 100 + x), x] as number[]),
  timestamp: (input) => input.map((x, { at }) => x + (at.lookup() % 7), { at: timestampParam() }),
  pane: (input) => input.map((x, { at }) => x + at.lookup().index, { at: paneInfoParam() }),
  window: (input) =>
    input.map((x, { at }) => x + (at.lookup() as IntervalWindow).start, { at: windowParam() }),
  fixed: (input) => input.apply(windowInto(fixedWindows(0.05))),
  twice: (input) => P([input.map((x) => x + 5), input.filter((x) => x > 3)]).apply(flatten()),
  doFn: (input) => input.apply(parDo(new EveryThird())),
  state: (input) =>
    input
      .map((x) => ({ key: x % 2, value: x }))
      .apply(
        parDo(
          {
            async process({ key, value }, { last }: { last: ValueState<number> }) {
              const before = (await last.read()) ?? 0;
              last.write(value);
              return [before + key];
            },
          },
          { last: valueState<number>() } as never,
        ),
      ) as Numbers,
};

const windowing = windowingStrategy(fixedWindows(0.01));
const elements = fc.array(
  fc.record({
    value: fc.nat(20),
    timestamp: fc.nat(200),
    windows: fc
      .uniqueArray(fc.nat(5), { minLength: 1, maxLength: 3 })
      .map((starts) => starts.map((start) => new IntervalWindow(10 * start, 10 * start + 10))),
    pane: fc.constantFrom(NO_FIRING, {
      ...NO_FIRING,
      timing: Timing.LATE,
      index: 2,
      isFirst: false,
      onTimeIndex: 1,
    }),
  }),
  { maxLength: 8 },
);
const chains = fc.array(fc.constantFrom(...Object.keys(STEPS)), { minLength: 1, maxLength: 6 });

async function outputsOf(chain: readonly string[], given: readonly object[], isStrict = false) {
  const stage = stageOf(
    (input: Numbers) => ({ out: chain.reduce((all, name) => STEPS[name]!(all), input) }),
    { input: new VarIntCoder() as never, windowing },
  );
  const engine = new BundleEngine({ functions: stage.pipeline.functions, isStrict });
  const input = inputOf(
    stage.encodeWindowed(given.map(({ value, ...at }: { value?: unknown }) => element(value, at))),
  );
  const user = { read: async function* () {}, append: async () => {}, clear: async () => {} };
  const { bundle, written } = io(input, { ...NO_STATE, user });
  const { monitoringInfos } = await engine.start(stage.descriptor, bundle).done;
  const counts = monitoringInfos.map(({ labels, payload }) => [labels, payload]);
  return { out: stage.decode('out', written.get('out') ?? []), counts };
}

/** The same with an object for each element between any two steps. */
async function wholeElements<T>(run: () => Promise<T>): Promise<T> {
  const { receiveValue } = Receiver.prototype;
  Receiver.prototype.receiveValue = function (value, from) {
    return this.receive(withValue(from, value));
  };
  try {
    return await run();
  } finally {
    Receiver.prototype.receiveValue = receiveValue;
  }
}

test('values that go on alone come out with the time, windows and pane of their elements', async () => {
  await fc.assert(
    fc.asyncProperty(chains, elements, async (chain, given) => {
      const alone = await outputsOf(chain, given);
      assert.deepEqual(alone, await wholeElements(() => outputsOf(chain, given)));
      assert.deepEqual(alone.out, (await outputsOf(chain, given, true)).out);
    }),
    { numRuns: 300 },
  );
});
