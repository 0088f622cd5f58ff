// SPDX-License-Identifier: Apache-2.0
// The oracle itself: against Beam's transcripts, the examples of its documentation, and the engine.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../src/coders/index.ts';
import {
  GREATEST_TIME,
  LEAST_TIME,
  type Pane,
  Reference,
  runReference,
  runReferenceBatch,
  type Strategy,
  type Trigger,
  type Windowing,
  windowsAt,
} from '../../fuzz/reference/index.ts';

interface Transcript {
  name: string;
  error?: string;
  window_fn?: string;
  trigger_fn?: string;
  timestamp_combiner?: string;
  accumulation_mode?: string;
  allowed_lateness?: number;
  transcript: Record<string, unknown>[];
}

const TRIGGERS: Readonly<Record<string, Trigger>> = {
  Default: { kind: 'default' },
  'AfterCount(2)': { kind: 'afterCount', count: 2 },
  'AfterWatermark(early=AfterCount(2))': {
    kind: 'afterWatermark',
    early: { kind: 'afterCount', count: 2 },
  },
  'AfterWatermark(early=AfterCount(3), late=AfterCount(1))': {
    kind: 'afterWatermark',
    early: { kind: 'afterCount', count: 3 },
    late: { kind: 'afterCount', count: 1 },
  },
  'AfterWatermark(early=AfterCount(2), late=AfterCount(3))': {
    kind: 'afterWatermark',
    early: { kind: 'afterCount', count: 2 },
    late: { kind: 'afterCount', count: 3 },
  },
};

const COMBINERS = {
  OUTPUT_AT_EOW: 'endOfWindow',
  OUTPUT_AT_EARLIEST: 'earliest',
  OUTPUT_AT_LATEST: 'latest',
} as const;

function windowingOf(name = 'GlobalWindows'): Windowing {
  const size = Number(/\((\d+)\)/.exec(name)?.[1]);
  if (name === 'GlobalWindows') return { kind: 'global' };
  return name.startsWith('Sessions') ? { kind: 'sessions', gap: size } : { kind: 'fixed', size };
}

/** A pane by the names that transcripts use. */
function asExpected(pane: Pane<number>): Record<string, unknown> {
  const { window, values, timing, isLast, onTimeIndex, ...rest } = pane;
  return {
    ...rest,
    window: window && [window.start, window.end - 1],
    values: [...values].sort((a, b) => a - b),
    early: timing === 'early',
    late: timing === 'late',
    final: isLast,
    nonspeculative_index: onTimeIndex,
  };
}

function play({ transcript, ...about }: Transcript): void {
  const trigger = TRIGGERS[about.trigger_fn ?? 'Default'];
  assert.ok(trigger, about.trigger_fn);
  const reference = new Reference<number>({
    windowing: windowingOf(about.window_fn),
    trigger,
    accumulationMode: about.accumulation_mode === 'discarding' ? 'discarding' : 'accumulating',
    allowedLateness: about.allowed_lateness ?? 0,
    timestampCombiner:
      COMBINERS[(about.timestamp_combiner ?? 'OUTPUT_AT_EOW') as keyof typeof COMBINERS],
  });
  let panes: Record<string, unknown>[] = [];
  for (const step of transcript) {
    if (step.expect) {
      for (const expected of step.expect as Record<string, unknown>[]) {
        const at = panes.findIndex((pane) =>
          Object.entries(expected).every(
            ([name, value]) => JSON.stringify(pane[name]) === JSON.stringify(value),
          ),
        );
        assert.ok(at >= 0, `Unmatched output ${JSON.stringify({ expected, panes })}`);
        panes.splice(at, 1);
      }
      continue;
    }
    assert.deepEqual(panes, [], 'Unexpected output');
    if (step.input) {
      const elements = (step.input as number[]).map((timestamp) => ({
        key: 'k',
        value: timestamp,
        timestamp,
      }));
      panes = reference.step({ elements }).map(asExpected);
    } else if (step.watermark !== undefined) {
      panes = reference.step({ watermark: step.watermark as number }).map(asExpected);
    }
  }
  assert.deepEqual(panes, [], 'Unexpected output');
}

describe("the reference plays Beam's trigger transcripts", () => {
  const file = new URL('../../fixtures/trigger_transcripts.yaml', import.meta.url);
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const transcript = document.toJS() as Transcript;
    // No timestamp combiner of the portable model transforms.
    if (transcript.timestamp_combiner === 'OUTPUT_AT_EARLIEST_TRANSFORMED') continue;
    it(transcript.name, () => {
      if (!transcript.error) play(transcript);
      else assert.throws(() => play(transcript), new RegExp(transcript.error));
    });
  }
});

/** Panes as text: `key [start, end) values timing#index @timestamp`, a last one with a full stop. */
function texts(panes: readonly Pane[]): string[] {
  return panes.map(
    ({ key, window, values, timing, index, timestamp, isLast }) =>
      `${key} ${window ? `[${window.start}, ${window.end})` : 'all'} ${values.join()} ${timing}#${index} @${timestamp}${isLast ? '.' : ''}`,
  );
}

const at = (timestamp: number, value: unknown = timestamp, key = 'k') => ({
  key,
  value,
  timestamp,
});

function outcome(strategy: Strategy, ...script: Parameters<typeof runReference>[1]): string[] {
  return texts(runReference(strategy, script).panes);
}

describe('the reference', () => {
  const fixed: Windowing = { kind: 'fixed', size: 10 };

  it("has Beam's time", () => {
    assert.deepEqual([LEAST_TIME, GREATEST_TIME], [MIN_TIMESTAMP, MAX_TIMESTAMP]);
  });

  it('assigns windows by their definition', () => {
    const text = (windowing: Windowing, time: number) =>
      windowsAt(windowing, time).map(({ start, last }) => `${start}..${last}`);
    assert.deepEqual(text({ kind: 'fixed', size: 10, offset: 3 }, -1), ['-7..2']);
    assert.deepEqual(text({ kind: 'sliding', size: 10, period: 5 }, 7), ['0..9', '5..14']);
    assert.deepEqual(text({ kind: 'sliding', size: 10, period: 30 }, 15), []);
    assert.deepEqual(text({ kind: 'sessions', gap: 5 }, 7), ['7..11']);
  });

  it('drops what comes after the lateness, what a trigger has closed, and what has no window', () => {
    const late: Strategy = { windowing: fixed, allowedLateness: 5 };
    const script = [
      { watermark: 15 },
      { elements: [at(9)] },
      { watermark: 16 },
      { elements: [at(8)] },
    ];
    const { panes, dropped } = runReference(late, script);
    // The window's last instant is 9: it takes elements up to the watermark 14.
    assert.deepEqual(texts(panes), []);
    assert.deepEqual(dropped, { late: 2, closed: 0, windowless: 0 });
    const once: Strategy = { windowing: fixed, trigger: { kind: 'afterCount', count: 1 } };
    const closed = runReference(once, [{ elements: [at(1)] }, { elements: [at(2)] }]);
    assert.deepEqual(texts(closed.panes), ['k [0, 10) 1 early#0 @9.']);
    assert.equal(closed.dropped.closed, 1);
    const gaps: Strategy = { windowing: { kind: 'sliding', size: 10, period: 30 } };
    assert.equal(runReference(gaps, [{ elements: [at(15)] }]).dropped.windowless, 1);
  });

  it('takes a late element within the lateness', () => {
    assert.deepEqual(
      outcome(
        { windowing: fixed, allowedLateness: 5, accumulationMode: 'accumulating' },
        { elements: [at(1)] },
        { watermark: 10 },
        { elements: [at(9)] },
      ),
      ['k [0, 10) 1 onTime#0 @9', 'k [0, 10) 1,9 late#1 @9'],
    );
  });

  it('fires after processing time, counted from the first element of a pane', () => {
    const trigger: Trigger = {
      kind: 'repeatedly',
      inner: { kind: 'afterProcessingTime', delay: 100 },
    };
    assert.deepEqual(
      outcome(
        { windowing: { kind: 'global' }, trigger },
        { elements: [at(1)] },
        { processingTime: 99 },
        { elements: [at(2)] },
        { processingTime: 1 },
        { elements: [at(3)] },
        { processingTime: 50 },
      ),
      [
        `k all 1,2 early#0 @${GREATEST_TIME - 86_400_000}`,
        `k all 3 onTime#1 @${GREATEST_TIME - 86_400_000}.`,
      ],
    );
  });

  it('merges sessions, whose panes are counted anew', () => {
    const trigger: Trigger = { kind: 'afterWatermark', early: { kind: 'afterCount', count: 2 } };
    assert.deepEqual(
      outcome(
        { windowing: { kind: 'sessions', gap: 10 }, trigger, timestampCombiner: 'earliest' },
        { elements: [at(1), at(5)] },
        { elements: [at(25)] },
        { elements: [at(14)] },
        { elements: [at(20), at(40, 40, 'other')] },
      ),
      [
        'k [1, 15) 1,5 early#0 @1',
        // 14 joins the first, 20 both: of 14, 25 and 20.
        'k [1, 35) 14,25,20 early#0 @14',
        'k [1, 35)  onTime#1 @34.',
        'other [40, 50) 40 onTime#0 @40.',
      ],
    );
  });

  it('gives a batch one look at its triggers, and the rest at the end', () => {
    const trigger: Trigger = {
      kind: 'afterWatermark',
      early: { kind: 'afterCount', count: 2 },
      late: { kind: 'afterCount', count: 1 },
    };
    const strategy: Strategy = { windowing: fixed, trigger, allowedLateness: 100 };
    assert.deepEqual(texts(runReferenceBatch(strategy, [at(1), at(2), at(3), at(11)]).panes), [
      'k [0, 10) 1,2,3 early#0 @9',
      'k [0, 10)  onTime#1 @9.',
      'k [10, 20) 11 onTime#0 @19.',
    ]);
  });
});
