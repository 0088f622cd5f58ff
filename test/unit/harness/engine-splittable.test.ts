// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import {
  DoubleCoder,
  IntervalWindow,
  JsCoder,
  KVCoder,
  MIN_TIMESTAMP,
  type WindowedValue,
} from '../../../src/coders/index.ts';
import {
  type Application,
  BundleEngine,
  type DesiredSplit,
  type RunningBundle,
} from '../../../src/harness/engine/index.ts';
import { application, delayedApplication } from '../../../src/harness/worker/applications.ts';
import {
  FUNCTION_URNS,
  ManualWatermarkEstimator,
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  type PCollection,
  parDo,
  type RestrictionTracker,
  resume,
  splittableDoFn,
  windowingStrategy,
  windowParam,
} from '../../../src/pipeline/index.ts';
import { fromBinary, pb, toBinary, urns } from '../../../src/proto/index.ts';
import { slidingWindows } from '../../../src/transforms/index.ts';
import {
  element,
  inputOf,
  io,
  NO_STATE,
  SOURCE,
  type Stage,
  stageOf,
  valuesOf,
} from './support.ts';

const URNS = urns.StandardPTransforms_SplittableParDoComponents;
const JS = new JsCoder();
const PAIRED = new KVCoder(JS, new KVCoder(JS, JS));
const SIZED = new KVCoder(PAIRED, new DoubleCoder());

type Offsets = RestrictionTracker<OffsetRange, number>;

const upTo = {
  initialRestriction: (n: number) => offsetRange(0, n),
  newTracker: (range: OffsetRange) => new OffsetRangeTracker(range),
};

/** The stage of one step of a splittable DoFn, as a runner makes it. */
function stepOf(
  urn: string,
  coder: unknown,
  doFn: Parameters<typeof parDo<number, unknown, OffsetRange, number, unknown>>[0],
  options: { context?: unknown; sliding?: boolean; out?: unknown } = {},
): Stage {
  const stage = stageOf(
    (input: PCollection<number>) => {
      const out = input.apply(parDo(doFn, options.context));
      out.node.coder = (options.out ?? JS) as never;
      return { out };
    },
    {
      input: coder as never,
      ...(options.sliding ? { windowing: windowingStrategy(slidingWindows(2, 1)) } : {}),
    },
  );
  const transform = stage.descriptor.transforms[stage.idOf('parDo')];
  assert.ok(transform?.spec);
  transform.spec.urn = urn;
  return stage;
}

function sized(n: number, start: number, stop: number, state: unknown = undefined) {
  const key = { key: n, value: { key: { start, stop }, value: state } };
  return { key, value: stop - start };
}

const engineFor = (stage: Stage) => new BundleEngine({ functions: stage.pipeline.functions });

async function run(stage: Stage, values: readonly unknown[]) {
  const { bundle, written } = io(inputOf(stage.encode(values)));
  const result = await engineFor(stage).start(stage.descriptor, bundle).done;
  return { result, out: valuesOf(stage, 'out', written) };
}

/** What a residual or primary says, read as the source reads it. */
function partOf(stage: Stage, { element: bytes }: Application): WindowedValue<unknown> {
  assert.ok(bytes instanceof Uint8Array);
  const [part, another] = stage.decodeInput(bytes);
  assert.ok(part && !another);
  return part;
}

test('pair and split give elements their restrictions, estimator states and sizes', async () => {
  const doFn = splittableDoFn({
    ...upTo,
    *splitRestriction(_: number, { stop }: OffsetRange) {
      yield offsetRange(0, 1);
      yield offsetRange(1, stop);
    },
    initialWatermarkState: (n: number, { start }: OffsetRange) => n * 100 + start,
    process: () => undefined,
  });
  const pair = await run(
    stepOf(URNS.PAIR_WITH_RESTRICTION, JS, doFn as never, { out: PAIRED }),
    [3],
  );
  assert.deepEqual(pair.out, [{ key: 3, value: { key: { start: 0, stop: 3 }, value: 300 } }]);
  const split = await run(
    stepOf(URNS.SPLIT_AND_SIZE_RESTRICTIONS, PAIRED, doFn as never, { out: SIZED }),
    pair.out,
  );
  assert.deepEqual(split.out, [sized(3, 0, 1, 300), sized(3, 1, 3, 301)]);
});

test('a drain keeps bounded restrictions, or what the DoFn says', async () => {
  const process = () => undefined;
  const urn = URNS.TRUNCATE_SIZED_RESTRICTION;
  const all = stepOf(urn, SIZED, { ...upTo, process } as never, { out: SIZED });
  assert.deepEqual((await run(all, [sized(3, 1, 3)])).out, [sized(3, 1, 3)]);
  const truncateRestriction = (_: number, { start }: OffsetRange) =>
    start > 0 ? undefined : offsetRange(0, 1);
  const some = stepOf(urn, SIZED, { ...upTo, process, truncateRestriction } as never, {
    out: SIZED,
  });
  assert.deepEqual((await run(some, [sized(3, 1, 3), sized(3, 0, 3)])).out, [sized(3, 0, 1)]);
});

const PROCESS = URNS.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS;

test('where a drain has no step of its own, process is given what the restriction is truncated to', async () => {
  const stage = stepOf(
    PROCESS,
    SIZED,
    splittableDoFn({
      ...upTo,
      truncateRestriction: (_: number, { start }: OffsetRange) =>
        start > 0 ? undefined : offsetRange(0, 2),
      *process(_: number, tracker) {
        for (let at = tracker.currentRestriction().start; tracker.tryClaim(at); at++) yield at;
      },
    }) as never,
  );
  let isDraining = false;
  const drained = async (...values: unknown[]) => {
    const { bundle, written } = io(inputOf(stage.encode(values)));
    const asked = { ...bundle, isDraining: () => isDraining };
    const { residuals } = await engineFor(stage).start(stage.descriptor, asked).done;
    assert.deepEqual(residuals, []);
    return valuesOf(stage, 'out', written);
  };
  assert.deepEqual(await drained(sized(4, 1, 4), sized(4, 0, 4)), [1, 2, 3, 0, 1, 2, 3]);
  isDraining = true;
  assert.deepEqual(await drained(sized(4, 1, 4), sized(4, 0, 4)), [0, 1]);
});

test('process that resumes leaves a residual with its delay and its watermark', async () => {
  const stage = stepOf(
    PROCESS,
    SIZED,
    splittableDoFn({
      ...upTo,
      newWatermarkEstimator: (state?: number) => new ManualWatermarkEstimator(state),
      *process(_: number, tracker, __: undefined, { watermark }) {
        const { start } = tracker.currentRestriction();
        if (!tracker.tryClaim(start)) return undefined;
        yield start;
        watermark.setWatermark(watermark.currentWatermark() + 1000);
        return resume(250);
      },
    }) as never,
  );
  const { result, out } = await run(stage, [sized(9, 4, 9, 50)]);
  assert.deepEqual(out, [4]);
  const [residual, another] = result.residuals;
  assert.ok(residual && !another);
  assert.equal(residual.transformId, stage.idOf('parDo'));
  assert.equal(residual.inputId, 'main');
  assert.equal(residual.delayMillis, 250);
  assert.deepEqual([...residual.watermarks], [['main', 1050]]);
  assert.deepEqual(partOf(stage, residual).value, sized(9, 5, 9, 1050));
  const { application: sent, requestedTimeDelay } = delayedApplication(residual);
  assert.deepEqual(requestedTimeDelay, { seconds: 0n, nanos: 250_000_000 });
  assert.equal(sent?.outputWatermarks?.main?.seconds, 1n);
});

/** The process step as a runner is given it that does not go on with what is left. */
function wholeOf(doFn: unknown, options: Parameters<typeof stepOf>[3] = {}): Stage {
  const stage = stepOf(PROCESS, SIZED, doFn as never, options);
  const { spec } = stage.descriptor.transforms[stage.idOf('parDo')]!;
  const payload = fromBinary(pb.ParDoPayloadSchema, spec!.payload);
  payload.doFn!.urn = FUNCTION_URNS.wholeDoFn;
  spec!.payload = toBinary(pb.ParDoPayloadSchema, payload);
  return stage;
}

test('where the runner would not go on with what process leaves, the bundle does, window by window', async () => {
  const starts: unknown[] = [];
  const stage = wholeOf(
    splittableDoFn({
      ...upTo,
      newWatermarkEstimator: (state?: number) => new ManualWatermarkEstimator(state),
      async *process(_: number, tracker, __: unknown, { watermark }) {
        const { start } = tracker.currentRestriction();
        starts.push([start, watermark.currentWatermark()]);
        if (!tracker.tryClaim(start)) return undefined;
        yield start;
        watermark.setWatermark(watermark.currentWatermark() + 1);
        return resume(start % 2);
      },
    }),
    { context: { window: windowParam() }, sliding: true },
  );
  const windows = [new IntervalWindow(0, 2000), new IntervalWindow(1000, 3000)];
  const one = element(sized(6, 4, 6, 50), { timestamp: 1000, windows });
  const { bundle, written } = io(inputOf(stage.encodeWindowed([one])));
  const { residuals } = await engineFor(stage).start(stage.descriptor, bundle).done;
  assert.deepEqual(residuals, []);
  assert.deepEqual(valuesOf(stage, 'out', written), [4, 5, 4, 5]);
  const calls = [
    [4, 50],
    [5, 51],
  ];
  assert.deepEqual(starts, [...calls, ...calls]);
});

test('what waits to go on in its bundle is not split off, and ends when the bundle is aborted', async () => {
  let left = () => {};
  const waits = new Promise<void>((resolve) => {
    left = resolve;
  });
  const stage = wholeOf({
    ...upTo,
    *process(_: number, tracker: Offsets) {
      const { start } = tracker.currentRestriction();
      if (!tracker.tryClaim(start)) return undefined;
      yield start;
      setImmediate(left);
      return resume(3_600_000);
    },
  });
  const { bundle } = io(inputOf(stage.encode([sized(9, 0, 9)])));
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await waits;
  assert.equal(splitOf(running, 0)?.residualRoots.length ?? 0, 0);
  running.abort(new BeamBridgeError('ABORTED', 'enough'));
  await assert.rejects(running.done, { code: 'ABORTED' });
});

/** A process that stops before each offset until it is let go on. */
function stepwise() {
  let go = () => {};
  let arrived = () => {};
  let signal: AbortSignal | undefined;
  const doFn = {
    ...upTo,
    async *process(_: number, tracker: Offsets, __: unknown, call: { signal: AbortSignal }) {
      signal = call.signal;
      for (let i = tracker.currentRestriction().start; tracker.tryClaim(i); i++) {
        arrived();
        await new Promise<void>((resolve) => {
          go = resolve;
          call.signal.addEventListener('abort', () => resolve(), { once: true });
        });
        yield i;
      }
    },
  };
  return {
    doFn: doFn as never,
    isInterrupted: () => signal?.aborted,
    next: () => {
      const there = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      go();
      return there;
    },
    go: () => go(),
  };
}

function splitOf(bundle: RunningBundle, fractionOfRemainder: number, elements = 1) {
  const wish: DesiredSplit = {
    fractionOfRemainder,
    estimatedInputElements: elements,
    allowedSplitPoints: [],
  };
  return bundle.split(new Map([[SOURCE, wish]]))[0];
}

async function letRun(bundle: RunningBundle, steps: { go(): void }): Promise<void> {
  let over = false;
  void bundle.done.finally(() => {
    over = true;
  });
  while (!over) {
    steps.go();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a split cuts the element under way: the bundle keeps the primary', async () => {
  const steps = stepwise();
  const stage = stepOf(PROCESS, SIZED, steps.doFn);
  const { bundle, written } = io(inputOf(stage.encode([sized(10, 0, 10), sized(20, 0, 2)])));
  const begun = steps.next();
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await begun;
  await steps.next();
  const split = splitOf(running, 0.25, 2);
  assert.ok(split);
  assert.deepEqual([split.lastPrimaryElement, split.firstResidualElement], [-1, 1]);
  const [primary] = split.primaryRoots;
  const [residual] = split.residualRoots;
  assert.ok(primary && residual);
  const kept = (partOf(stage, primary).value as ReturnType<typeof sized>).key.value.key;
  const left = (partOf(stage, residual).value as ReturnType<typeof sized>).key.value.key;
  assert.equal(kept.start, 0);
  assert.equal(left.stop, 10);
  assert.equal(kept.stop, left.start);
  await letRun(running, steps);
  assert.deepEqual(
    valuesOf(stage, 'out', written),
    Array.from({ length: kept.stop }, (_, i) => i),
  );
  assert.deepEqual((await running.done).residuals, []);
});

test('a split that keeps nothing is a checkpoint, and what waits is told', async () => {
  const steps = stepwise();
  const stage = stepOf(PROCESS, SIZED, steps.doFn);
  const { bundle, written } = io(inputOf(stage.encode([sized(10, 0, 10)])));
  const begun = steps.next();
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await begun;
  assert.ok(
    running
      .monitoringInfos()
      .some(({ urn }) => urn === urns.MonitoringInfoSpecs_Enum.WORK_REMAINING),
  );
  const split = splitOf(running, 0);
  assert.ok(split?.residualRoots[0]);
  assert.deepEqual(partOf(stage, split.residualRoots[0]).value, sized(10, 1, 10));
  assert.equal(steps.isInterrupted(), true);
  await running.done;
  assert.deepEqual(valuesOf(stage, 'out', written), [0]);
});

test('between elements the cut is at a boundary, as for any DoFn', async () => {
  const steps = stepwise();
  const stage = stepOf(PROCESS, SIZED, steps.doFn);
  const { bundle } = io(inputOf(stage.encode([1, 2, 3, 4].map(() => sized(1, 0, 1)))));
  const begun = steps.next();
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await begun;
  const split = splitOf(running, 0.5, 4);
  assert.deepEqual(
    [split?.lastPrimaryElement, split?.firstResidualElement, split?.residualRoots],
    [1, 2, []],
  );
  await letRun(running, steps);
});

test('windows that were not begun go away with the rest', async () => {
  const steps = stepwise();
  const stage = stepOf(PROCESS, SIZED, steps.doFn, {
    context: { window: windowParam() },
    sliding: true,
  });
  const windows = [new IntervalWindow(0, 2000), new IntervalWindow(1000, 3000)];
  const one = element(sized(3, 0, 3), { timestamp: 1000, windows });
  const { bundle, written } = io(inputOf(stage.encodeWindowed([one])));
  const begun = steps.next();
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await begun;
  const split = splitOf(running, 0);
  const [rest, other] = split!.residualRoots.map((root) => partOf(stage, root));
  assert.deepEqual([rest?.value, rest?.windows], [sized(3, 1, 3), [windows[0]]]);
  assert.deepEqual([other?.value, other?.windows], [sized(3, 0, 3), [windows[1]]]);
  await running.done;
  assert.deepEqual(valuesOf(stage, 'out', written), [0]);
});

test('elements that stay in this process come back as they are', async () => {
  const stage = stepOf(PROCESS, SIZED, {
    ...upTo,
    *process(_: number, tracker: Offsets) {
      const { start } = tracker.currentRestriction();
      if (tracker.tryClaim(start)) yield start;
      return resume();
    },
  } as never);
  const source = stage.descriptor.transforms[SOURCE]!;
  source.spec!.payload = new Uint8Array();
  const chunks = [{ transformId: SOURCE, elements: [element(sized(2, 0, 2))] }];
  const { output } = io(inputOf());
  const bundle = { input: { next: () => chunks.shift() }, output, state: NO_STATE };
  const { residuals } = await engineFor(stage).start(stage.descriptor, bundle).done;
  const [residual] = residuals;
  assert.deepEqual(residual?.element, element(sized(2, 1, 2)));
  assert.equal(residual?.watermarks.size, 0);
  assert.throws(() => application(residual!), BeamBridgeError);
});

test('an abort ends a process that waits', async () => {
  const steps = stepwise();
  const stage = stepOf(PROCESS, SIZED, steps.doFn);
  const { bundle } = io(inputOf(stage.encode([sized(10, 0, 10)])));
  const begun = steps.next();
  const running = engineFor(stage).start(stage.descriptor, bundle);
  await begun;
  running.abort(new BeamBridgeError('ABORTED', 'enough'));
  await assert.rejects(running.done, /enough/);
  assert.equal(steps.isInterrupted(), true);
});

test('an estimator of the user that goes backwards is found', async () => {
  let at = 10;
  const stage = stepOf(PROCESS, SIZED, {
    ...upTo,
    newWatermarkEstimator: () => ({ currentWatermark: () => at, state: () => at }),
    process(_: number, tracker: Offsets) {
      tracker.tryClaim(0);
      at = 5;
      return resume();
    },
  } as never);
  await assert.rejects(run(stage, [sized(2, 0, 2)]), (error: BeamBridgeError) => {
    assert.match(error.message, /went from 10 back to 5/);
    assert.equal(error.transform, 'parDo');
    return true;
  });
});

test('watermarks at the beginning of time travel exactly', () => {
  const { application: sent } = delayedApplication({
    transformId: 't',
    inputId: 'i',
    element: new Uint8Array(),
    delayMillis: 0,
    watermarks: new Map([['main', MIN_TIMESTAMP]]),
    isBounded: false,
  });
  assert.equal(sent?.outputWatermarks?.main?.seconds, -9223372036855n);
  assert.equal(sent?.outputWatermarks?.main?.nanos, 225_000_000);
});
