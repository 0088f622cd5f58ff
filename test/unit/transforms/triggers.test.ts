// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { windowingFromProto } from '../../../src/external/windowing-from-proto.ts';
import { create as message, pb, toBinary } from '../../../src/proto/index.ts';
import {
  afterAll,
  afterAny,
  afterCount,
  afterEach,
  afterProcessingTime,
  afterSynchronizedProcessingTime,
  afterWatermark,
  always,
  combinePerKey,
  create,
  defaultTrigger,
  fixedWindows,
  groupByKey,
  never,
  repeatedly,
  reshuffle,
  sum,
  type Trigger,
  type WindowingOptions,
  windowInto,
} from '../../../src/transforms/index.ts';
import {
  continuationTrigger,
  mayEndEarly,
  mayLoseData,
} from '../../../src/transforms/trigger-rules.ts';
import { build, newRoot } from './graph.ts';

interface Golden {
  trigger: string;
  continuation: string;
  mayLoseData: [boolean, boolean];
}

const GOLDEN = JSON.parse(
  readFileSync(new URL('../../fixtures/python-triggers.json', import.meta.url), 'utf8'),
) as Record<string, Golden>;

const OURS: Record<string, Trigger> = {
  default: defaultTrigger(),
  never: never(),
  always: always(),
  count: afterCount(7),
  'processing time': afterProcessingTime(90),
  'processing time without delay': afterProcessingTime(),
  'synchronized processing time': afterSynchronizedProcessingTime(),
  watermark: afterWatermark(),
  'watermark early': afterWatermark().withEarlyFirings(afterCount(3)),
  'watermark late': afterWatermark().withLateFirings(afterProcessingTime(5)),
  'watermark early and late': afterWatermark()
    .withLateFirings(afterCount(1))
    .withEarlyFirings(afterProcessingTime(5)),
  repeatedly: repeatedly(afterCount(3)),
  each: afterEach(afterCount(1), afterWatermark()),
  all: afterAll(afterCount(2), afterProcessingTime(1)),
  any: afterAny(afterCount(2), afterWatermark()),
  'or finally': repeatedly(afterCount(2)).orFinally(afterWatermark()),
  nested: repeatedly(
    afterEach(afterAll(afterCount(2), always()), never().orFinally(afterProcessingTime(3))),
  ),
};

const base64 = (trigger: Parameters<typeof continuationTrigger>[0]) =>
  Buffer.from(toBinary(pb.TriggerSchema, message(pb.TriggerSchema, trigger))).toString('base64');

describe('as Python writes it, and with what Python says of it', () => {
  test('every trigger of the fixture is here', () => {
    assert.deepEqual(Object.keys(OURS), Object.keys(GOLDEN));
  });
  for (const [name, golden] of Object.entries(GOLDEN)) {
    test(name, () => {
      const ours = OURS[name]!.toProto();
      assert.equal(base64(ours), golden.trigger);
      assert.equal(base64(continuationTrigger(ours)), golden.continuation, 'continuation');
      assert.deepEqual([mayLoseData(ours, 0), mayLoseData(ours, 1)], golden.mayLoseData);
    });
  }
});

test('a part that would fire again, where only its first firing counts, ends the trigger', () => {
  const lateToo = afterWatermark().withLateFirings(afterCount(1));
  const early = afterWatermark().withEarlyFirings(afterCount(1));
  const ends: [Trigger, [withoutLateness: boolean, withLateness: boolean]][] = [
    [afterAny(always(), afterWatermark()), [true, true]],
    [afterAny(defaultTrigger(), never()), [false, true]],
    [afterAny(repeatedly(afterCount(2)), never()), [true, true]],
    [afterAny(early, never()), [true, true]],
    [afterAll(defaultTrigger(), afterCount(1)), [false, true]],
    [afterAll(never(), afterCount(1)), [false, false]],
    [defaultTrigger().orFinally(lateToo), [false, true]],
    [defaultTrigger().orFinally(always()), [true, true]],
    [defaultTrigger().orFinally(afterEach(always(), never())), [true, true]],
    [repeatedly(afterCount(2)).orFinally(afterWatermark()), [false, true]],
    [repeatedly(afterAny(always(), lateToo)), [false, false]],
    [afterEach(afterAny(always(), never()), afterCount(1)), [true, true]],
    [afterEach(afterCount(1), repeatedly(afterCount(1))), [false, false]],
    [lateToo, [false, false]],
    [afterSynchronizedProcessingTime(), [true, true]],
    [afterEach(afterSynchronizedProcessingTime(), afterCount(1)), [true, true]],
    [afterSynchronizedProcessingTime().orFinally(never()), [true, true]],
    [repeatedly(afterSynchronizedProcessingTime()), [false, false]],
  ];
  for (const [trigger, expected] of ends) {
    const message = trigger.toProto();
    const found = [mayEndEarly(message, 0), mayEndEarly(message, 1)];
    assert.deepEqual(found, expected, trigger.text);
  }
});

test('what a grouping takes the next one takes: behind it no part that had no say has one', () => {
  const inTurn = afterEach(never(), afterCount(2));
  for (const trigger of [
    always().orFinally(inTurn),
    afterAny(afterWatermark(), afterEach(afterWatermark(), repeatedly(afterCount(2)))),
    afterAll(afterProcessingTime(1), afterEach(never(), afterWatermark())),
    afterAny(never(), repeatedly(inTurn).orFinally(inTurn)),
    afterAny(never(), afterWatermark().withEarlyFirings(inTurn)),
  ]) {
    const message = trigger.toProto();
    const next = continuationTrigger(message);
    const found = [mayEndEarly(message, 0), mayEndEarly(next, 0)];
    assert.deepEqual(found, [false, false], trigger.text);
  }
});

test('an alignment is a second transform of the time', () => {
  const { trigger } = afterProcessingTime(0.5, { period: 60, offset: 1.5 }).toProto();
  assert.ok(trigger.case === 'afterProcessingTime');
  assert.deepEqual(
    trigger.value.timestampTransforms.map(({ timestampTransform: { case: kind, value } }) => ({
      kind,
      ...(value as object),
    })),
    [
      { kind: 'delay', ...message(pb.TimestampTransform_DelaySchema, { delayMillis: 500n }) },
      {
        kind: 'alignTo',
        ...message(pb.TimestampTransform_AlignToSchema, { period: 60_000n, offset: 1500n }),
      },
    ],
  );
});

test('a trigger reads as it was written', () => {
  assert.equal(
    String(
      repeatedly(afterAny(afterCount(2), afterProcessingTime(3))).orFinally(
        afterWatermark().withEarlyFirings(always()).withLateFirings(afterCount(1)),
      ),
    ),
    'repeatedly(afterAny(afterCount(2), afterProcessingTime(3))).orFinally(afterWatermark().withEarlyFirings(always()).withLateFirings(afterCount(1)))',
  );
});

const wrong = (value: unknown) => value as never;

const REFUSED: [string, () => unknown, RegExp][] = [
  ['a count of nothing', () => afterCount(0), /count is 0/],
  ['half an element', () => afterCount(1.5), /count is 1.5/],
  ['more than Beam can count', () => afterCount(2 ** 31), /count is/],
  ['a negative delay', () => afterProcessingTime(-1), /delay is -1 seconds/],
  ['a delay that is text', () => afterProcessingTime(wrong('5')), /delay is/],
  ['an alignment to nothing', () => afterProcessingTime(1, { period: 0 }), /period is 0/],
  ['nothing to choose from', () => afterAny(), /afterAny was given no triggers/],
  ['a trigger that was not called', () => repeatedly(wrong(always)), /function always/],
  ['no trigger', () => afterAll(afterCount(1), wrong(undefined)), /undefined, which is no trigger/],
  ['early firings of nothing', () => afterWatermark().withEarlyFirings(wrong(3)), /3, which is/],
  ['late firings of nothing', () => afterWatermark().withLateFirings(wrong({})), /no trigger/],
  ['an end of nothing', () => always().orFinally(wrong(null)), /null, which is no trigger/],
];

for (const [name, make, says] of REFUSED) {
  test(`refused: ${name}`, () => {
    assert.throws(make, { code: 'INVALID_ARGUMENT', message: says });
  });
}

const windowed = (options: WindowingOptions) => () => windowInto(fixedWindows(1), options);
const OPTIONS: [string, () => unknown, RegExp][] = [
  [
    'a trigger without a mode',
    windowed({ trigger: always() }),
    /always\(\) has no accumulationMode/,
  ],
  ['a message as a trigger', windowed({ trigger: wrong({ trigger: {} }) }), /no trigger/],
  [
    'a mode that there is not',
    windowed({ accumulationMode: wrong('both') }),
    /accumulationMode is both/,
  ],
  [
    'a combiner that there is not',
    windowed({ timestampCombiner: wrong('first') }),
    /timestampCombiner/,
  ],
  ['a closing that there is not', windowed({ closingBehavior: wrong('never') }), /closingBehavior/],
  ['an on time that there is not', windowed({ onTimeBehavior: wrong('never') }), /onTimeBehavior/],
];

for (const [name, make, says] of OPTIONS) {
  test(`windowInto refuses ${name}`, () => {
    assert.throws(make, { code: 'INVALID_ARGUMENT', message: says });
  });
}

test('windowInto takes the default trigger and options that are undefined', () => {
  windowed({ trigger: defaultTrigger() })();
  const { proto } = build((root) =>
    root
      .apply(create([1]))
      .apply(
        windowInto(fixedWindows(1), { trigger: undefined, onTimeBehavior: undefined } as never),
      ),
  );
  const [, strategy] = Object.values(proto.components!.windowingStrategies);
  assert.equal(strategy!.trigger!.trigger.case, 'default');
  assert.equal(strategy!.onTimeBehavior, pb.OnTimeBehavior_Enum.FIRE_ALWAYS);
});

test('the strategy holds all options, and comes back from the message', () => {
  const { proto } = build((root) =>
    root.apply(create([1])).apply(
      windowInto(fixedWindows(1), {
        trigger: afterWatermark().withLateFirings(afterCount(1)),
        accumulationMode: 'accumulating',
        allowedLateness: { milliseconds: 5 },
        timestampCombiner: 'earliest',
        closingBehavior: 'emitAlways',
        onTimeBehavior: 'fireIfNonEmpty',
      }),
    ),
  );
  const { windowingStrategies, coders } = proto.components!;
  const found = Object.values(windowingStrategies).find((one) => one.allowedLateness === 5n)!;
  assert.equal(found.closingBehavior, pb.ClosingBehavior_Enum.EMIT_ALWAYS);
  assert.equal(found.onTimeBehavior, pb.OnTimeBehavior_Enum.FIRE_IF_NONEMPTY);
  assert.equal(found.accumulationMode, pb.AccumulationMode_Enum.ACCUMULATING);
  assert.equal(found.outputTime, pb.OutputTime_Enum.EARLIEST_IN_PANE);
  const { windowFn: _, trigger, ...options } = windowingFromProto(found, coders);
  assert.deepEqual(options, {
    accumulationMode: 'accumulating',
    allowedLateness: 5,
    timestampCombiner: 'earliest',
    closingBehavior: 'emitAlways',
    onTimeBehavior: 'fireIfNonEmpty',
  });
  assert.equal(trigger.trigger?.case, 'afterEndOfWindow');
});

const keyed = (options: WindowingOptions) =>
  newRoot()
    .apply(create([{ key: 1, value: 1 }]))
    .apply(windowInto(fixedWindows(1), { accumulationMode: 'discarding', ...options }));

test('what a grouping gives has the continuation of its trigger', () => {
  const trigger = repeatedly(afterProcessingTime(9));
  const grouped = keyed({ trigger }).apply(groupByKey());
  const combined = keyed({ trigger }).apply(combinePerKey(sum));
  const wanted = base64(continuationTrigger(trigger.toProto()));
  assert.equal(base64(grouped.node.windowing.trigger), wanted);
  assert.equal(base64(combined.node.windowing.trigger), wanted);
});

test('a trigger that would lose elements is refused by groupings, but not by a reshuffle', () => {
  const refusal = { code: 'INVALID_ARGUMENT', message: /drop the rest[\s\S]*repeatedly/ };
  const once = { trigger: afterCount(2) };
  assert.throws(() => keyed(once).apply(groupByKey()), refusal);
  assert.throws(() => keyed(once).apply(combinePerKey(sum)), refusal);
  keyed(once).apply(reshuffle());
  const late = { trigger: afterWatermark(), allowedLateness: 1000 };
  assert.throws(() => keyed(late).apply(groupByKey()), refusal);
  keyed({ ...late, allowedLateness: 0 }).apply(groupByKey());
  keyed({ ...late, trigger: afterWatermark().withLateFirings(always()) }).apply(groupByKey());
});
