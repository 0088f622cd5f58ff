// SPDX-License-Identifier: Apache-2.0
// Our grouping and the reference, on random strategies and scripts: the same panes.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  type Coder,
  IntervalWindow,
  JsCoder,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  NO_FIRING,
  Timing,
  type WindowedValue,
} from '../../../src/coders/index.ts';
import type { WindowFn } from '../../../src/pipeline/index.ts';
import { Grouping } from '../../../src/runners/node/engine/grouping/index.ts';
import {
  fixedWindows,
  globalWindows,
  sessions,
  slidingWindows,
} from '../../../src/transforms/index.ts';
import { mayEndEarly } from '../../../src/transforms/trigger-rules.ts';
import {
  type Element,
  type Pane,
  runReference,
  runReferenceBatch,
  type Step,
  type Strategy,
  type Trigger,
  triggerOf,
  type Windowing,
} from '../../fuzz/reference/index.ts';
import { strategyProto } from '../runners/node/grouping-helpers.ts';

const CASES = Number(process.env.BEAMBRIDGE_FUZZ_CASES ?? 400);

/** Numbers that are the same each time (mulberry32). */
function randomOf(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Maker {
  private readonly random: () => number;
  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  int(least: number, most: number): number {
    return least + Math.floor(this.random() * (most - least + 1));
  }

  one<T>(...from: T[]): T {
    return from[this.int(0, from.length - 1)]!;
  }

  trigger(depth = 0): Trigger {
    const inner = () => this.trigger(depth + 1);
    const simple: (() => Trigger)[] = [
      () => ({ kind: 'default' }),
      () => ({ kind: 'afterCount', count: this.int(1, 4) }),
      () => ({ kind: 'afterProcessingTime', delay: this.int(0, 20) }),
      () => ({ kind: 'afterWatermark' }),
      () => ({ kind: 'never' }),
      () => ({ kind: 'always' }),
    ];
    if (depth > 2) return this.one(...simple)();
    const composite: (() => Trigger)[] = [
      () => ({ kind: 'afterWatermark', early: inner(), late: inner() }),
      () => ({ kind: 'afterWatermark', early: inner() }),
      () => ({ kind: 'afterWatermark', late: inner() }),
      () => ({ kind: 'repeatedly', inner: inner() }),
      () => ({ kind: 'repeatedly', inner: inner() }),
      () => ({ kind: 'afterAll', parts: [inner(), inner()] }),
      () => ({ kind: 'afterAny', parts: [inner(), inner()] }),
      () => ({ kind: 'afterEach', parts: [inner(), inner()] }),
      () => ({ kind: 'orFinally', main: inner(), until: inner() }),
    ];
    return this.one(...simple, ...composite)();
  }

  windowing(): Windowing {
    return this.one<Windowing>(
      { kind: 'fixed', size: 10, offset: this.int(0, 9) },
      { kind: 'global' },
      { kind: 'sliding', size: 10, period: this.one(3, 5, 15) },
      { kind: 'sessions', gap: this.int(3, 10) },
    );
  }

  strategy(): Strategy {
    for (;;) {
      const strategy: Strategy = {
        windowing: this.windowing(),
        trigger: this.trigger(),
        allowedLateness: this.one(0, 0, 5, 20, 1000),
        accumulationMode: this.one('discarding', 'accumulating'),
        timestampCombiner: this.one('earliest', 'latest', 'endOfWindow'),
        closingBehavior: this.one('emitAlways', 'emitIfNonEmpty'),
        onTimeBehavior: this.one('fireAlways', 'fireIfNonEmpty'),
      };
      const message = triggerOf(strategy.trigger!).toProto();
      if (!mayEndEarly(message, strategy.allowedLateness!)) return strategy;
    }
  }

  elements(): Element<number>[] {
    return Array.from({ length: this.int(1, 4) }, () => ({
      key: this.one('a', 'b'),
      value: this.int(0, 99),
      timestamp: this.int(0, 60),
    }));
  }

  script(): Step<number>[] {
    let watermark = 0;
    return Array.from({ length: this.int(1, 12) }, () => {
      const which = this.random();
      if (which < 0.5) return { elements: this.elements() };
      if (which < 0.75) return { processingTime: this.int(1, 15) };
      watermark += this.int(1, 20);
      return { watermark };
    });
  }
}

function windowFnOf(windowing: Windowing): WindowFn {
  switch (windowing.kind) {
    case 'global':
      return globalWindows() as WindowFn;
    case 'fixed':
      return fixedWindows(windowing.size / 1000, (windowing.offset ?? 0) / 1000) as WindowFn;
    case 'sliding':
      return slidingWindows(windowing.size / 1000, windowing.period / 1000) as WindowFn;
    case 'sessions':
      return sessions(windowing.gap / 1000) as WindowFn;
  }
}

const TIMINGS = { [Timing.EARLY]: 'early', [Timing.ON_TIME]: 'onTime', [Timing.LATE]: 'late' };

class Engine {
  private readonly windowFn: WindowFn;
  readonly grouping: Grouping;
  private watermark = MIN_TIMESTAMP;
  private now = 0;
  private stepNumber = -1;

  constructor(strategy: Strategy, bounded = false) {
    const { windowing, trigger, ...rest } = strategy;
    this.windowFn = windowFnOf(windowing);
    this.grouping = new Grouping({
      windowing: strategyProto(this.windowFn, { ...rest, trigger: triggerOf(trigger!).toProto() }),
      windowFn: this.windowFn,
      keyCoder: new JsCoder() as Coder<unknown>,
      valueCoder: new JsCoder() as Coder<unknown>,
      windowCoder: this.windowFn.windowCoder() as Coder<unknown>,
      bounded,
      spillFolder: async () => {
        throw new Error('nothing is to be spilled');
      },
    });
  }

  async step(step: Step<number>): Promise<Omit<Pane<number>, 'values'>[]> {
    this.stepNumber += 1;
    if ('elements' in step) {
      const block = step.elements.flatMap(({ key, value, timestamp }): WindowedValue<unknown>[] => {
        const windows = this.windowFn.assignWindows(timestamp);
        if (windows.length === 0) return [];
        return [{ value: { key, value }, timestamp, windows, pane: NO_FIRING }];
      });
      if (block.length > 0) await this.grouping.add(block, this.watermark, this.now);
    } else if ('watermark' in step) this.watermark = step.watermark;
    else this.now += step.processingTime;
    const panes: Pane<number>[] = [];
    for (let round = 0; this.grouping.due(this.watermark, this.now); round++) {
      assert.ok(round < 50, 'it never comes to rest');
      for await (const block of this.grouping.fire(this.watermark, this.now)) {
        for (const { value, timestamp, windows, pane } of block) {
          const { key, value: values } = value as { key: string; value: Iterable<number> };
          const [window] = windows;
          panes.push({
            key,
            window:
              window instanceof IntervalWindow
                ? { start: window.start, end: window.end }
                : undefined,
            values: [...values],
            timestamp,
            timing: TIMINGS[pane.timing as keyof typeof TIMINGS] as Pane['timing'],
            index: pane.index,
            onTimeIndex: pane.onTimeIndex,
            isFirst: pane.isFirst,
            isLast: pane.isLast,
            step: this.stepNumber,
          });
        }
      }
    }
    this.grouping.pass(this.watermark);
    return panes;
  }
}

/** Panes in an order of their own, with sorted values. */
function canonical(panes: readonly Omit<Pane<number>, never>[]): string[] {
  return panes
    .map((pane) => JSON.stringify({ ...pane, values: [...pane.values].sort((a, b) => a - b) }))
    .sort();
}

it('our grouping gives the panes of the reference, whatever the strategy and the script', async () => {
  for (let seed = 1; seed <= CASES; seed++) {
    const maker = new Maker(seed);
    const strategy = maker.strategy();
    const script = maker.script();
    const engine = new Engine(strategy);
    const panes: Pane<number>[] = [];
    for (const step of [...script, { watermark: MAX_TIMESTAMP }]) {
      panes.push(...((await engine.step(step)) as Pane<number>[]));
    }
    const expected = runReference(strategy, script);
    const told = `seed ${seed}: ${JSON.stringify({ strategy, script }, undefined, 1)}`;
    assert.deepEqual(canonical(panes), canonical(expected.panes), told);
    const { late, closed } = expected.dropped;
    assert.deepEqual(engine.grouping.dropped, { late, closed }, told);
  }
});

it('and those of a batch', async () => {
  for (let seed = 1; seed <= CASES; seed++) {
    const maker = new Maker(seed);
    const strategy = maker.strategy();
    const elements = maker.elements();
    const engine = new Engine(strategy, true);
    const panes = [
      ...(await engine.step({ elements })),
      ...(await engine.step({ watermark: MAX_TIMESTAMP })),
    ] as Pane<number>[];
    const any = (given: readonly Pane<number>[]) =>
      canonical(given.map((pane) => ({ ...pane, step: 0 })));
    const told = `seed ${seed}: ${JSON.stringify({ strategy, elements }, undefined, 1)}`;
    assert.deepEqual(any(panes), any(runReferenceBatch(strategy, elements).panes), told);
  }
});

// A window that grew holds the watermark back at its new end, so that another key's late one is late.
it('a pane is late once what held the watermark has moved, although nothing came out', async () => {
  const strategy: Strategy = {
    windowing: { kind: 'sessions', gap: 3 },
    trigger: {
      kind: 'repeatedly',
      inner: {
        kind: 'afterAll',
        parts: [{ kind: 'default' }, { kind: 'afterProcessingTime', delay: 1 }],
      },
    },
    allowedLateness: 20,
    accumulationMode: 'discarding',
    timestampCombiner: 'endOfWindow',
    closingBehavior: 'emitAlways',
    onTimeBehavior: 'fireAlways',
  };
  const element = (key: string, timestamp: number) => ({
    elements: [{ key, value: 0, timestamp }],
  });
  const script: Step<number>[] = [
    element('b', 0),
    { watermark: 3 },
    element('a', 0),
    element('b', 1),
    { watermark: 5 },
  ];
  const engine = new Engine(strategy);
  const panes: Pane<number>[] = [];
  for (const step of [...script, { watermark: MAX_TIMESTAMP }]) {
    panes.push(...((await engine.step(step)) as Pane<number>[]));
  }
  assert.deepEqual(canonical(panes), canonical(runReference(strategy, script).panes));
  assert.deepEqual(
    panes.map(({ key, timing }) => [key, timing]),
    [
      ['a', 'late'],
      ['b', 'onTime'],
    ],
  );
});
