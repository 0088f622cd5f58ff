// SPDX-License-Identifier: Apache-2.0
// Random streams: scripts of elements, late ones too, watermarks and passing time, into a grouping of
// any windowing and trigger. Pane for pane the same as in the reference.

import fc, { type Arbitrary } from 'fast-check';
import { IntervalWindow, type KV } from '../../src/coders/index.ts';
import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { testStream } from '../../src/testing/index.ts';
import {
  type CombineFn,
  combinePerKey,
  groupByKey,
  paneInfoParam,
  parDo,
  sum,
  timestamped,
  timestampParam,
  windowParam,
} from '../../src/transforms/index.ts';
import { mayEndEarly } from '../../src/transforms/trigger-rules.ts';
import {
  type Element,
  type Pane,
  runReference,
  type Step,
  type Strategy,
  type Trigger,
  triggerOf,
  windowIntoOf,
} from './reference/index.ts';
import { type Oracle, runOn, sameLines } from './run.ts';

export interface Stream {
  readonly strategy: Strategy;
  readonly script: Script;
  readonly groups: 'list' | 'sum' | 'own';
}

/** Watermarks by how far they advance, that a script which lost steps is one still. */
export type Script = readonly (
  | { readonly elements: readonly Element<number>[] }
  | { readonly advance: number }
  | { readonly processingTime: number }
)[];

const plain = { noNullPrototype: true } as const;

export const scripts: Arbitrary<Script> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record(
        {
          elements: fc.array(
            fc.record(
              {
                key: fc.constantFrom('a', 'b'),
                value: fc.nat({ max: 9 }),
                timestamp: fc.nat({ max: 60 }),
              },
              plain,
            ),
            { minLength: 1, maxLength: 4 },
          ),
        },
        plain,
      ),
    },
    { weight: 2, arbitrary: fc.record({ advance: fc.integer({ min: 1, max: 20 }) }, plain) },
    { weight: 1, arbitrary: fc.record({ processingTime: fc.integer({ min: 1, max: 15 }) }, plain) },
  ),
  { minLength: 1, maxLength: 10, size: 'max' },
);

const trigger: Arbitrary<Trigger> = fc.letrec<{ any: Trigger }>((tie) => {
  const parts = fc.tuple(tie('any'), tie('any'));
  const maybe = fc.option(tie('any'), { nil: undefined });
  return {
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom<Trigger>(
        { kind: 'default' },
        { kind: 'afterWatermark' },
        { kind: 'always' },
        { kind: 'never' },
      ),
      fc.integer({ min: 1, max: 4 }).map((count): Trigger => ({ kind: 'afterCount', count })),
      fc.nat({ max: 20 }).map((delay): Trigger => ({ kind: 'afterProcessingTime', delay })),
      fc.tuple(maybe, maybe).map(
        ([early, late]): Trigger => ({
          kind: 'afterWatermark',
          ...(early ? { early } : {}),
          ...(late ? { late } : {}),
        }),
      ),
      tie('any').map((inner): Trigger => ({ kind: 'repeatedly', inner })),
      fc
        .tuple(fc.constantFrom('afterAll', 'afterAny', 'afterEach'), parts)
        .map(([kind, both]) => ({ kind, parts: both }) as Trigger),
      parts.map(([main, until]): Trigger => ({ kind: 'orFinally', main, until })),
    ),
  };
}).any;

const strategies: Arbitrary<Strategy> = fc
  .record(
    {
      windowing: fc.oneof(
        fc.record(
          {
            kind: fc.constant('fixed' as const),
            size: fc.constant(10),
            offset: fc.nat({ max: 9 }),
          },
          plain,
        ),
        fc.constant({ kind: 'global' as const }),
        fc.record(
          {
            kind: fc.constant('sliding' as const),
            size: fc.constant(10),
            period: fc.constantFrom(3, 5, 15),
          },
          plain,
        ),
        fc.record(
          { kind: fc.constant('sessions' as const), gap: fc.integer({ min: 3, max: 10 }) },
          plain,
        ),
      ),
      trigger,
      allowedLateness: fc.constantFrom(0, 5, 20, 1000),
      accumulationMode: fc.constantFrom('discarding', 'accumulating'),
      timestampCombiner: fc.constantFrom('endOfWindow', 'earliest', 'latest'),
      closingBehavior: fc.constantFrom('emitAlways', 'emitIfNonEmpty'),
      onTimeBehavior: fc.constantFrom('fireAlways', 'fireIfNonEmpty'),
    },
    plain,
  )
  .map(legal);

/** A pipeline refuses a trigger that ends, and a global window without one. */
function legal(strategy: Strategy): Strategy {
  const { trigger: given = { kind: 'default' } } = strategy;
  const isRefused = (one: Trigger) =>
    mayEndEarly(triggerOf(one).toProto(), strategy.allowedLateness ?? 0);
  if (strategy.windowing.kind === 'global' && given.kind === 'default') {
    return { ...strategy, trigger: { kind: 'always' } };
  }
  if (!isRefused(given)) return strategy;
  const again: Trigger = { kind: 'repeatedly', inner: given };
  return { ...strategy, trigger: isRefused(again) ? { kind: 'always' } : again };
}

export const streams: Arbitrary<Stream> = fc.record(
  { strategy: strategies, script: scripts, groups: fc.constantFrom('list', 'sum', 'own') },
  plain,
);

/** The script as the reference takes it. */
export function stepsOf(script: Script): Step<number>[] {
  let watermark = 0;
  return script.map((step) => {
    if (!('advance' in step)) return step;
    watermark += step.advance;
    return { watermark };
  });
}

/** The script as a source. */
export function playedBy(root: Root, script: Script): PCollection<KV<string, number>> {
  let stream = testStream<KV<string, number>>();
  for (const step of stepsOf(script)) {
    if ('watermark' in step) stream = stream.advanceWatermarkTo(step.watermark);
    else if ('processingTime' in step) stream = stream.advanceProcessingTime(step.processingTime);
    else {
      stream = stream.addElements(
        ...step.elements.map(({ key, value, timestamp }) => timestamped({ key, value }, timestamp)),
      );
    }
  }
  return root.apply(stream);
}

const PARAMS = { at: timestampParam(), window: windowParam(), pane: paneInfoParam() };
const TIMINGS = ['early', 'onTime', 'late', 'unknown'];

export async function checkStreams(all: readonly Stream[], oracle: Oracle): Promise<void> {
  for (const stream of all) {
    const lines: string[] = [];
    await runOn(oracle, (root) => {
      const input = playedBy(root, stream.script).apply(windowIntoOf(stream.strategy));
      const panes = (
        stream.groups === 'sum'
          ? input.apply(combinePerKey(sum))
          : stream.groups === 'own'
            ? input.apply(combinePerKey(ownSum))
            : input.apply(groupByKey()).map(({ key, value }) => ({ key, value: sortedText(value) }))
      ) as PCollection<KV<string, unknown>>;
      const observed = parDo<KV<string, unknown>, never, typeof PARAMS>(
        {
          process({ key, value }, { at, window, pane }) {
            const { timing, ...rest } = pane.lookup();
            const shown = window.lookup();
            const inWindow =
              shown instanceof IntervalWindow ? `${shown.start}..${shown.end}` : 'global';
            lines.push(
              lineOf({
                ...rest,
                key,
                value,
                timestamp: at.lookup(),
                inWindow,
                timing: TIMINGS[timing]!,
              }),
            );
          },
        },
        PARAMS,
      );
      panes.apply(observed);
    });
    const right = runReference(stream.strategy, stepsOf(stream.script)).panes.map((pane) =>
      referenceLine(pane, stream.groups),
    );
    sameLines(lines, right, oracle.name);
  }
}

/** A sum whose accumulators are changed, as they may be. */
const ownSum: CombineFn<number, { sum: number }, number> = {
  createAccumulator: () => ({ sum: 0 }),
  addInput(accumulator, input) {
    accumulator.sum += input;
    return accumulator;
  },
  mergeAccumulators(accumulators) {
    const [first = { sum: 0 }, ...others] = accumulators;
    for (const other of others) first.sum += other.sum;
    return first;
  },
  extractOutput: ({ sum: total }) => total,
};

const sortedText = (values: Iterable<number>) => [...values].sort((a, b) => a - b).join();

function referenceLine(pane: Pane<number>, groups: Stream['groups']): string {
  const { key, window, values, ...rest } = pane;
  const value = groups === 'list' ? sortedText(values) : values.reduce((a, b) => a + b, 0);
  const inWindow = window ? `${window.start}..${window.end}` : 'global';
  return lineOf({ ...rest, key, value, inWindow });
}

interface Shown {
  readonly key: string;
  readonly value: unknown;
  readonly inWindow: string;
  readonly timestamp: number;
  readonly timing: string;
  readonly index: number;
  readonly onTimeIndex: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

function lineOf(one: Shown): string {
  const ends = `${one.isFirst ? ' first' : ''}${one.isLast ? ' last' : ''}`;
  const at = one.timestamp > 9.22e15 ? 'the end' : one.timestamp;
  return `${one.key} [${one.value}] in ${one.inWindow} at ${at}, ${one.timing} ${one.index} ${one.onTimeIndex}${ends}`;
}
