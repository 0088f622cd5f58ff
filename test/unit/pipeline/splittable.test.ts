// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BeamBridgeError } from '../../../src/base/index.ts';
import {
  GrowableOffsetRangeTracker,
  ManualWatermarkEstimator,
  MonotonicWatermarkEstimator,
  type OffsetRange,
  OffsetRangeTracker,
  offsetRange,
  type PCollection,
  Pipeline,
  parDo,
  pipelineToProto,
  type RestrictionTracker,
  Root,
  resume,
  type SplittableDoFn,
  splitOffsetRange,
  splittableDoFn,
  valueState,
  WallTimeWatermarkEstimator,
} from '../../../src/pipeline/index.ts';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import { impulse } from '../../../src/transforms/index.ts';

const upTo = {
  initialRestriction: (_: Uint8Array) => offsetRange(0, 9),
  newTracker: (range: OffsetRange) => new OffsetRangeTracker(range),
  process: () => undefined,
};

function failsWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof BeamBridgeError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

function rooted() {
  const pipeline = new Pipeline();
  return { pipeline, input: new Root(pipeline).apply(impulse()) };
}

test('types of a declaration are found from its methods', () => {
  const { input } = rooted();
  const out: PCollection<string> = input.apply(
    parDo(
      splittableDoFn({
        initialRestriction: (_: Uint8Array) => offsetRange(0, 1),
        newTracker: (range) => new OffsetRangeTracker(range),
        newWatermarkEstimator: (state?: number) => new ManualWatermarkEstimator(state),
        *process(_, tracker, __: undefined, { watermark }) {
          watermark.setWatermark(tracker.currentRestriction().start);
          yield `${tracker.tryClaim(1)}`;
          return resume(1);
        },
      }),
    ),
  );
  const direct: PCollection<number> = input.apply(
    parDo({
      ...upTo,
      *process(_: Uint8Array, tracker: RestrictionTracker<OffsetRange, number>) {
        if (tracker.tryClaim(0)) yield 1;
      },
    }),
  );
  assert.ok(out.isBounded && direct.isBounded);
});

test('the message names the coder of restriction and estimator state, and the requirement', () => {
  const { pipeline, input } = rooted();
  const out = input.apply(parDo({ ...upTo, bounded: false }));
  assert.equal(out.isBounded, false);
  const { components, requirements } = pipelineToProto(pipeline, { urn: 'test' });
  assert.deepEqual(requirements, ['beam:requirement:pardo:splittable_dofn:v1']);
  const transform = Object.values(components!.transforms).find(({ uniqueName }) =>
    uniqueName.endsWith('parDo'),
  );
  const { restrictionCoderId } = fromBinary(pb.ParDoPayloadSchema, transform!.spec!.payload);
  const coder = components!.coders[restrictionCoderId];
  assert.equal(coder?.spec?.urn, 'beam:coder:kv:v1');
});

test('what a splittable DoFn lacks, and state, are refused when it is applied', () => {
  const { input } = rooted();
  assert.throws(
    () => input.apply(parDo({ ...upTo, newTracker: undefined } as never)),
    failsWith('INVALID_ARGUMENT', /no method newTracker/),
  );
  const stateful: SplittableDoFn<Uint8Array, number, OffsetRange, number, object> = upTo;
  assert.throws(
    () => input.apply(parDo(stateful, { seen: valueState() })),
    failsWith('UNSUPPORTED', /splittable DoFn was given a state/),
  );
  assert.throws(() => resume(-1), failsWith('INVALID_ARGUMENT', /-1 ms/));
});

test('ranges have whole ends in order, and are cut in parts', () => {
  assert.throws(() => offsetRange(2, 1), failsWith('INVALID_ARGUMENT', /no range from 2 to 1/));
  assert.throws(() => offsetRange(0.5, 1), failsWith('INVALID_ARGUMENT', /from 0.5 to 1/));
  assert.deepEqual(
    [...splitOffsetRange(offsetRange(1, 6), 2)],
    [offsetRange(1, 3), offsetRange(3, 5), offsetRange(5, 6)],
  );
  assert.deepEqual([...splitOffsetRange(offsetRange(1, Infinity), 2)], [offsetRange(1, Infinity)]);
});

test('however an offset range is cut, each offset belongs to one part', () => {
  fc.assert(
    fc.property(
      fc.nat(20),
      fc.nat(20),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
      (start, length, fractions) => {
        const all = offsetRange(start, start + length);
        const tracker = new OffsetRangeTracker(all);
        const residuals: OffsetRange[] = [];
        let next = start;
        let claimed = 0;
        for (const fraction of fractions) {
          if (next < all.stop && tracker.tryClaim(next)) claimed++;
          next++;
          const split = tracker.trySplit(fraction);
          if (!split) continue;
          assert.equal(split.primary.stop, split.residual.start);
          residuals.unshift(split.residual);
        }
        while (next <= all.stop && tracker.tryClaim(next)) {
          claimed++;
          next++;
        }
        tracker.checkDone();
        const left = residuals.reduce((sum, range) => sum + range.stop - range.start, 0);
        assert.equal(claimed + left, length);
      },
    ),
  );
});

test('a tracker says how far it is', () => {
  const tracker = new OffsetRangeTracker(offsetRange(10, 20));
  assert.deepEqual(tracker.progress(), { completed: 0, remaining: 10 });
  assert.equal(tracker.tryClaim(14), true);
  assert.deepEqual(tracker.progress(), { completed: 4, remaining: 6 });
  assert.throws(() => tracker.checkDone(), failsWith('USER_CODE_FAILED', /it claimed 14 last/));
  assert.throws(() => tracker.tryClaim(0.5), failsWith('USER_CODE_FAILED', /0.5 is no offset/));
  assert.equal(tracker.tryClaim(20), false);
  assert.deepEqual(tracker.progress(), { completed: 10, remaining: 0 });
  tracker.checkDone();
});

test('a range that grows is cut at what is claimed, or within what is there', () => {
  const endless = new GrowableOffsetRangeTracker(offsetRange(0, Infinity));
  assert.equal(endless.isBounded(), false);
  assert.equal(endless.tryClaim(4), true);
  assert.throws(() => endless.checkDone(), failsWith('USER_CODE_FAILED', /return resume\(\)/));
  assert.deepEqual(endless.trySplit(0), {
    primary: offsetRange(0, 5),
    residual: offsetRange(5, Infinity),
  });
  endless.checkDone();
  assert.equal(endless.isBounded(), true);

  const estimated = new GrowableOffsetRangeTracker(offsetRange(0, Infinity), () => 100);
  assert.deepEqual(estimated.progress(), { completed: 0, remaining: 100 });
  assert.equal(estimated.tryClaim(9), true);
  assert.deepEqual(estimated.trySplit(0.5)?.residual, offsetRange(54, Infinity));

  const ended = new GrowableOffsetRangeTracker(offsetRange(0, Infinity));
  assert.equal(ended.tryClaim(Infinity), false);
  ended.checkDone();
  assert.deepEqual(ended.progress(), { completed: 1, remaining: 0 });
  assert.equal(ended.trySplit(0), undefined);
});

test('watermarks go up and never down', () => {
  const manual = new ManualWatermarkEstimator(5);
  manual.setWatermark(5);
  manual.setWatermark(6);
  assert.throws(() => manual.setWatermark(5), failsWith('USER_CODE_FAILED', /from 6 back to 5/));
  assert.throws(
    () => manual.setWatermark(Number.NaN),
    failsWith('INVALID_ARGUMENT', /is number NaN/),
  );
  assert.equal(new ManualWatermarkEstimator(manual.state()).currentWatermark(), 6);
  const monotonic = new MonotonicWatermarkEstimator(3);
  monotonic.observeTimestamp(9);
  monotonic.observeTimestamp(4);
  assert.equal(monotonic.currentWatermark(), 9);
  const later = Date.now() + 1e9;
  assert.equal(new WallTimeWatermarkEstimator(later).currentWatermark(), later);
});
