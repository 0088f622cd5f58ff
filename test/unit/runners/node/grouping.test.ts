// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type IntervalWindow, MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../../src/coders/index.ts';
import type { WindowFn } from '../../../../src/pipeline/index.ts';
import { pb } from '../../../../src/proto/index.ts';
import type { Grouping } from '../../../../src/runners/node/engine/grouping/index.ts';
import {
  afterAll,
  afterAny,
  afterCount,
  afterEach,
  afterProcessingTime,
  afterSynchronizedProcessingTime,
  afterWatermark,
  always,
  defaultTrigger,
  never,
  repeatedly,
  sessions,
  slidingWindows,
  type Trigger,
} from '../../../../src/transforms/index.ts';
import {
  element,
  fired,
  fixed,
  groupingOf,
  type Pane,
  type Strategy,
  strategyProto,
  text,
} from './grouping-helpers.ts';

const TEN = fixed(10) as WindowFn;
/** Sessions of ten milliseconds. */
const SESSIONS = sessions(0.01) as WindowFn;

/** A grouping with one key, whose values are their timestamps. */
class Run {
  readonly grouping: Grouping;
  watermark = MIN_TIMESTAMP;
  now = 1000;

  constructor(
    private readonly windowFn: WindowFn,
    trigger: Trigger,
    strategy: Strategy = {},
    bounded = false,
  ) {
    this.grouping = groupingOf(windowFn, { trigger: trigger.toProto(), ...strategy }, { bounded });
  }

  async add(...timestamps: number[]): Promise<string[]> {
    const block = timestamps.map((time) => element(this.windowFn, 'k', time, time));
    await this.grouping.add(block, this.watermark, this.now);
    return this.fire();
  }

  async advance(watermark: number): Promise<string[]> {
    this.watermark = watermark;
    return this.fire();
  }

  async clock(now: number): Promise<string[]> {
    this.now = now;
    return this.fire();
  }

  private async fire(): Promise<string[]> {
    const { grouping, watermark, now } = this;
    if (!grouping.due(watermark, now)) return [];
    const panes = await fired(grouping, watermark, now);
    assert.equal(grouping.due(watermark, now), false);
    return panes.map(text);
  }
}

describe('a batch', () => {
  const batch = async (trigger: Trigger, strategy: Strategy = {}, windowFn = TEN) => {
    const run = new Run(windowFn, trigger, strategy, true);
    assert.deepEqual([...(await run.add(1, 2)), ...(await run.add(3, 11))], []);
    assert.deepEqual(await run.advance(50), []);
    assert.equal(run.grouping.nextProcessingTime, undefined);
    return (await run.advance(MAX_TIMESTAMP)).sort();
  };

  it('has one pane for each window by the default trigger', async () => {
    for (const trigger of [defaultTrigger(), never(), afterWatermark()]) {
      assert.deepEqual(await batch(trigger, { allowedLateness: 5 }), [
        '[1,2,3] on time 0 0 first last @9',
        '[11] on time 0 0 first last @19',
      ]);
    }
  });

  it('has early panes, and one on time', async () => {
    const trigger = afterWatermark().withEarlyFirings(afterCount(2));
    assert.deepEqual(await batch(trigger), [
      '[1,2,3] early 0 -1 first @9',
      '[11] on time 0 0 first last @19',
      '[] on time 1 0 last @9',
    ]);
    assert.deepEqual(await batch(trigger, { accumulationMode: 'accumulating' }), [
      '[1,2,3] early 0 -1 first @9',
      '[1,2,3] on time 1 0 last @9',
      '[11] on time 0 0 first last @19',
    ]);
    assert.deepEqual(await batch(trigger, { onTimeBehavior: 'fireIfNonEmpty' }), [
      '[1,2,3] early 0 -1 first @9',
      '[11] on time 0 0 first last @19',
    ]);
  });

  it('gives what a count did not reach when the window is over', async () => {
    assert.deepEqual(await batch(repeatedly(afterCount(3))), [
      '[1,2,3] early 0 -1 first @9',
      '[11] on time 0 0 first last @19',
    ]);
  });

  it('counts the elements of merged sessions', async () => {
    assert.deepEqual(await batch(repeatedly(afterCount(4)), {}, SESSIONS), [
      '[1,2,3,11] early 0 -1 first @20',
    ]);
    const run = new Run(SESSIONS, defaultTrigger(), {}, true);
    for (let i = 0; i < 500; i++) await run.add(i * 20, 5000 + i * 5);
    const panes = await run.advance(MAX_TIMESTAMP);
    assert.equal(panes.length, 250 + 1 + 124);
  });

  it('loses and doubles no element, whatever the trigger', async () => {
    for (const trigger of [
      always(),
      afterWatermark().withEarlyFirings(afterProcessingTime(60)).withLateFirings(afterCount(1)),
      repeatedly(afterSynchronizedProcessingTime()),
      repeatedly(afterProcessingTime(60, { period: 60 })),
      repeatedly(afterAny(afterCount(99), afterWatermark())),
      repeatedly(afterAll(afterCount(1), afterWatermark())),
      repeatedly(afterEach(afterCount(1), afterWatermark())),
      repeatedly(afterCount(2)).orFinally(afterWatermark()),
    ]) {
      for (const windowFn of [TEN, SESSIONS]) {
        const panes = await batch(trigger, {}, windowFn);
        const values = panes
          .flatMap((pane) => /\[(.*)\]/.exec(pane)![1]!.split(','))
          .filter(Boolean);
        assert.deepEqual(
          values.map(Number).sort((a, b) => a - b),
          [1, 2, 3, 11],
          `${trigger}`,
        );
      }
    }
  });

  it('takes each element into all of its windows', async () => {
    const panes = await batch(defaultTrigger(), {}, slidingWindows(0.01, 0.005) as WindowFn);
    assert.deepEqual(panes, [
      '[1,2,3] on time 0 0 first last @4',
      '[1,2,3] on time 0 0 first last @9',
      '[11] on time 0 0 first last @14',
      '[11] on time 0 0 first last @19',
    ]);
  });
});

describe('triggers of a stream', () => {
  it('default: on time, then for each late element until the lateness is over', async () => {
    const run = new Run(TEN, defaultTrigger(), { allowedLateness: 10 });
    assert.deepEqual(await run.add(1, 2), []);
    assert.equal(run.grouping.hold, 9);
    assert.deepEqual(await run.advance(9), []);
    assert.deepEqual(await run.advance(10), ['[1,2] on time 0 0 first @9']);
    assert.deepEqual(await run.add(3), ['[3] late 1 1 @9']);
    assert.deepEqual(await run.advance(20), []);
    assert.deepEqual(await run.add(4), []);
    assert.equal(run.grouping.dropped.late, 1);
    assert.equal(run.grouping.hold, Number.POSITIVE_INFINITY);
  });

  it('a count that is not repeated: one pane, then all is dropped', async () => {
    const run = new Run(TEN, afterCount(2));
    assert.deepEqual(await run.add(1), []);
    assert.deepEqual(await run.add(2, 3), ['[1,2,3] early 0 -1 first last @9']);
    assert.deepEqual(await run.add(4), []);
    assert.deepEqual(await run.advance(10), []);
    assert.equal(run.grouping.dropped.closed, 1);
  });

  it('processing time: so long after the first element of a pane', async () => {
    const run = new Run(TEN, repeatedly(afterProcessingTime(2)));
    await run.add(1);
    assert.equal(run.grouping.nextProcessingTime, 3000);
    await run.clock(2999);
    assert.deepEqual(await run.add(2), []);
    assert.deepEqual(await run.clock(3000), ['[1,2] early 0 -1 first @9']);
    assert.equal(run.grouping.nextProcessingTime, undefined);
    assert.deepEqual(await run.clock(9000), []);
    await run.add(3);
    assert.equal(run.grouping.nextProcessingTime, 11_000);
    assert.deepEqual(await run.advance(10), ['[3] on time 1 0 last @9']);
    assert.deepEqual(await run.clock(11_000), []);
    assert.equal(run.grouping.nextProcessingTime, undefined);
  });

  it('processing time that is aligned', async () => {
    const run = new Run(TEN, afterProcessingTime(1, { period: 60, offset: 5 }));
    await run.add(1);
    assert.equal(run.grouping.nextProcessingTime, 5000);
    const later = new Run(TEN, afterProcessingTime(1, { period: 60, offset: 5 }));
    later.now = 4001;
    await later.add(1);
    assert.equal(later.grouping.nextProcessingTime, 65_000);
  });

  it('synchronized processing time: at once', async () => {
    const run = new Run(TEN, repeatedly(afterSynchronizedProcessingTime()));
    assert.deepEqual(await run.add(1, 2), ['[1,2] early 0 -1 first @9']);
    assert.deepEqual(await run.add(3), ['[3] early 1 -1 @9']);
  });

  it('always: for each block', async () => {
    const run = new Run(TEN, always());
    assert.deepEqual(await run.add(1, 2), ['[1,2] early 0 -1 first @9']);
    assert.deepEqual(await run.add(3), ['[3] early 1 -1 @9']);
    assert.deepEqual(await run.advance(10), ['[] on time 2 0 last @9']);
  });

  it('never: when the window is over, lateness included', async () => {
    const run = new Run(TEN, never(), { allowedLateness: 10 });
    await run.add(1);
    assert.deepEqual(await run.advance(19), []);
    assert.equal(run.grouping.hold, 9);
    assert.deepEqual(await run.advance(20), ['[1] on time 0 0 first last @9']);
  });

  it('all of some', async () => {
    const run = new Run(TEN, afterAll(afterCount(2), afterProcessingTime(1)));
    assert.deepEqual(await run.add(1), []);
    assert.deepEqual(await run.clock(2000), []);
    assert.deepEqual(await run.add(2), ['[1,2] early 0 -1 first last @9']);
  });

  it('any of some', async () => {
    const trigger = repeatedly(afterAny(afterCount(2), afterProcessingTime(1)));
    const run = new Run(TEN, trigger);
    await run.add(1);
    assert.deepEqual(await run.clock(2000), ['[1] early 0 -1 first @9']);
    assert.deepEqual(await run.add(2), []);
    assert.deepEqual(await run.add(3), ['[2,3] early 1 -1 @9']);
  });

  it('each in turn', async () => {
    const run = new Run(TEN, afterEach(afterCount(1), afterCount(2), afterWatermark()));
    assert.deepEqual(await run.add(1), ['[1] early 0 -1 first @9']);
    assert.deepEqual(await run.add(2), []);
    assert.deepEqual(await run.add(3), ['[2,3] early 1 -1 @9']);
    assert.deepEqual(await run.add(4, 5, 6), []);
    assert.deepEqual(await run.advance(10), ['[4,5,6] on time 2 0 last @9']);
  });

  it('one until another', async () => {
    const run = new Run(TEN, repeatedly(afterCount(2)).orFinally(afterCount(3)));
    assert.deepEqual(await run.add(1, 2), ['[1,2] early 0 -1 first @9']);
    assert.deepEqual(await run.add(3), ['[3] early 1 -1 last @9']);
    assert.deepEqual(await run.add(4), []);
    assert.equal(run.grouping.dropped.closed, 1);
  });

  it('end of window with early and late firings', async () => {
    const trigger = afterWatermark()
      .withEarlyFirings(afterProcessingTime(1))
      .withLateFirings(afterCount(2));
    const run = new Run(TEN, trigger, { allowedLateness: 50, accumulationMode: 'accumulating' });
    await run.add(1);
    assert.deepEqual(await run.clock(2000), ['[1] early 0 -1 first @9']);
    // The on-time pane may still come: the watermark waits for it.
    assert.equal(run.grouping.hold, 9);
    assert.deepEqual(await run.advance(30), ['[1] on time 1 0 @9']);
    assert.deepEqual(await run.add(2), []);
    assert.deepEqual(await run.add(3), ['[1,2,3] late 2 1 @9']);
    assert.deepEqual(await run.add(4), []);
    assert.deepEqual(await run.advance(60), ['[1,2,3,4] late 3 2 last @9']);
  });

  it('an empty last pane where it is asked for', async () => {
    const strategy: Strategy = { allowedLateness: 10, closingBehavior: 'emitAlways' };
    const run = new Run(TEN, defaultTrigger(), strategy);
    await run.add(1);
    assert.deepEqual(await run.advance(10), ['[1] on time 0 0 first @9']);
    assert.equal(run.grouping.hold, 19);
    assert.deepEqual(await run.advance(20), ['[] late 1 1 last @9']);
  });

  it('timestamps: the latest, and the earliest that is not late', async () => {
    const latest = new Run(TEN, defaultTrigger(), { timestampCombiner: 'latest' });
    await latest.add(1, 5, 3);
    assert.equal(latest.grouping.hold, 5);
    assert.deepEqual(await latest.advance(10), ['[1,3,5] on time 0 0 first last @5']);
    const earliest = new Run(TEN, defaultTrigger(), { timestampCombiner: 'earliest' });
    await earliest.advance(4);
    await earliest.add(2, 5, 7);
    assert.equal(earliest.grouping.hold, 5);
    assert.deepEqual(await earliest.advance(10), ['[2,5,7] on time 0 0 first last @5']);
  });
});

describe('windows that merge', () => {
  it('count together, and start to count panes anew', async () => {
    const trigger = afterWatermark().withEarlyFirings(afterCount(3));
    const run = new Run(SESSIONS, trigger, { accumulationMode: 'accumulating' });
    assert.deepEqual(await run.add(1), []);
    assert.deepEqual(await run.add(15), []);
    assert.deepEqual(await run.add(8), ['[1,8,15] early 0 -1 first @24']);
    assert.deepEqual(await run.add(2, 3), []);
    assert.deepEqual(await run.add(20), ['[1,2,3,8,15,20] early 0 -1 first @29']);
    assert.deepEqual(await run.advance(25), []);
    assert.deepEqual(await run.advance(30), ['[1,2,3,8,15,20] on time 1 0 last @29']);
    assert.equal(run.grouping.hold, Number.POSITIVE_INFINITY);
  });

  it('keep the watermark back for all of them', async () => {
    const run = new Run(SESSIONS, defaultTrigger(), { timestampCombiner: 'earliest' });
    await run.add(4);
    await run.add(10);
    assert.equal(run.grouping.hold, 4);
    assert.deepEqual(await run.advance(20), ['[4,10] on time 0 0 first last @4']);
  });

  it('wait for the earliest clock', async () => {
    const run = new Run(SESSIONS, repeatedly(afterProcessingTime(1)));
    await run.add(1);
    run.now = 1500;
    await run.add(5);
    assert.deepEqual(await run.clock(2000), ['[1,5] early 0 -1 first @14']);
    await run.clock(5000);
    assert.equal(run.grouping.nextProcessingTime, undefined);
  });

  it('late elements join a session that came out on time', async () => {
    const run = new Run(SESSIONS, defaultTrigger(), { allowedLateness: 100 });
    await run.add(10);
    assert.deepEqual(await run.advance(30), ['[10] on time 0 0 first @19']);
    assert.deepEqual(await run.add(5), ['[5] late 0 0 first @19']);
    assert.deepEqual(await run.add(50), []);
    assert.deepEqual(await run.advance(200), ['[50] on time 0 0 first last @59']);
  });

  it('an element of a window that is there goes where another of its block makes that grow', async () => {
    const run = new Run(SESSIONS, defaultTrigger(), { allowedLateness: 100 });
    await run.add(10);
    assert.deepEqual(await run.add(10, 15), []);
    assert.deepEqual(await run.advance(40), ['[10,10,15] on time 0 0 first @24']);
  });
});

describe('refusals', () => {
  it('names a window function that merges without a function for it', () => {
    const broken = { ...SESSIONS, beamName: 'mine' } as { mergeWindows?: unknown } & WindowFn;
    delete broken.mergeWindows;
    assert.throws(() => groupingOf(broken), {
      code: 'INVALID_ARGUMENT',
      message: /windows of mine merge[\s\S]*mergeWindows/,
    });
  });

  it('takes no retractions', () => {
    const windowing = strategyProto(TEN, {});
    windowing.accumulationMode = pb.AccumulationMode_Enum.RETRACTING;
    assert.throws(() => groupingOf(TEN, {}, { windowing }), { code: 'UNSUPPORTED' });
  });
});

const ENDLESS: fc.Arbitrary<Trigger> = fc.constantFrom(
  defaultTrigger(),
  never(),
  always(),
  repeatedly(afterCount(2)),
  repeatedly(afterProcessingTime(1)),
  repeatedly(afterAny(afterCount(3), afterProcessingTime(2))),
  repeatedly(afterAll(afterCount(2), afterWatermark())),
  repeatedly(afterEach(afterCount(1), afterCount(2))),
  afterWatermark().withEarlyFirings(afterCount(2)).withLateFirings(afterCount(1)),
  afterWatermark().withEarlyFirings(afterProcessingTime(1)).withLateFirings(afterCount(2)),
);

describe('whatever comes', () => {
  it('no element is lost or doubled, and no pane but a late one is behind the watermark', async () => {
    const step = fc.oneof(
      fc.record({
        add: fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 60 })), {
          maxLength: 6,
        }),
      }),
      fc.record({ advance: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ wait: fc.integer({ min: 0, max: 3000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        ENDLESS,
        fc.constantFrom<WindowFn>(TEN, SESSIONS, slidingWindows(0.01, 0.005) as WindowFn),
        fc.constantFrom('earliest' as const, 'latest' as const, 'endOfWindow' as const),
        fc.constantFrom(0, 15),
        fc.constantFrom('emitAlways' as const, 'emitIfNonEmpty' as const),
        fc.array(step, { maxLength: 25 }),
        async (trigger, windowFn, timestampCombiner, allowedLateness, closingBehavior, steps) => {
          const grouping = groupingOf(windowFn, {
            trigger: trigger.toProto(),
            timestampCombiner,
            allowedLateness,
            closingBehavior,
          });
          let watermark = 0;
          let now = 0;
          let output = MIN_TIMESTAMP;
          let taken = 0;
          const panes: Pane[] = [];
          const fire = async () => {
            output = Math.max(output, Math.min(watermark, grouping.hold));
            if (!grouping.due(watermark, now)) return;
            for (const pane of await fired(grouping, watermark, now)) {
              assert.ok(pane.late || pane.timestamp >= output, `${text(pane)} behind ${output}`);
              assert.ok(pane.timestamp <= pane.window[1]);
              panes.push(pane);
            }
            assert.equal(grouping.due(watermark, now), false);
          };
          for (const one of [...steps, { advance: MAX_TIMESTAMP }]) {
            if ('add' in one) {
              const block = one.add.map(([key, time]) => element(windowFn, key, time, time));
              for (const { windows } of block) taken += windows.length;
              grouping.add(block, watermark, now);
            } else if ('advance' in one) {
              watermark = Math.min(watermark + one.advance, MAX_TIMESTAMP);
            } else {
              now += one.wait;
            }
            await fire();
          }
          const given = panes.reduce((sum, { values }) => sum + values.length, 0);
          assert.equal(given + grouping.dropped.late + grouping.dropped.closed, taken);
          assert.equal(grouping.hold, Number.POSITIVE_INFINITY);
          for (const pane of panes) {
            const { window, values } = pane;
            const inside = (value: unknown) =>
              windowFn.assignWindows(value as number).some((own) => {
                const { start, end } = own as IntervalWindow;
                return start >= window[0] && end - 1 <= window[1];
              });
            assert.ok(values.every(inside));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
