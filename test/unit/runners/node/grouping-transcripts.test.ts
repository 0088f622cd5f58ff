// SPDX-License-Identifier: Apache-2.0
// Beam's own transcripts of triggers, against our GroupByKey. They are read as Beam's
// trigger_test.py reads them, with one unit of time for a millisecond.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../../src/coders/index.ts';
import type { TimestampCombiner, WindowFn } from '../../../../src/pipeline/index.ts';
import {
  afterCount,
  afterWatermark,
  defaultTrigger,
  globalWindows,
  sessions,
  type Trigger,
} from '../../../../src/transforms/index.ts';
import { element, fired, fixed, groupingOf, type Pane, type Strategy } from './grouping-helpers.ts';

type Expected = Partial<Pick<Pane, 'window' | 'values'>> & Record<string, unknown>;
type Step =
  | { input: number[] }
  | { watermark: number }
  | { expect: Expected[] }
  | { state: unknown };

interface Transcript {
  name: string;
  error?: string;
  window_fn?: string;
  trigger_fn?: string;
  timestamp_combiner?: string;
  accumulation_mode?: string;
  allowed_lateness?: number;
  transcript: Step[];
}

const TRIGGERS: Readonly<Record<string, Trigger>> = {
  Default: defaultTrigger(),
  'AfterCount(2)': afterCount(2),
  'AfterWatermark(early=AfterCount(2))': afterWatermark().withEarlyFirings(afterCount(2)),
  'AfterWatermark(early=AfterCount(3), late=AfterCount(1))': afterWatermark()
    .withEarlyFirings(afterCount(3))
    .withLateFirings(afterCount(1)),
  'AfterWatermark(early=AfterCount(2), late=AfterCount(3))': afterWatermark()
    .withEarlyFirings(afterCount(2))
    .withLateFirings(afterCount(3)),
};

const COMBINERS: Readonly<Record<string, TimestampCombiner>> = {
  OUTPUT_AT_EOW: 'endOfWindow',
  OUTPUT_AT_EARLIEST: 'earliest',
  OUTPUT_AT_LATEST: 'latest',
};

/** Why a transcript says nothing about us; undefined when it does. */
function reasonToSkip(transcript: Transcript): string | undefined {
  if (transcript.timestamp_combiner === 'OUTPUT_AT_EARLIEST_TRANSFORMED') {
    return 'Beam’s portable model has no timestamp combiner that transforms';
  }
  return undefined;
}

/** Windows by Python's name; a custom one there only shifts timestamps, which no runner is asked. */
function windowFnOf(name: string): WindowFn {
  if (name === 'GlobalWindows') return globalWindows() as WindowFn;
  const size = Number(/\((\d+)\)/.exec(name)?.[1]);
  if (name.startsWith('Sessions')) return sessions(size / 1000) as WindowFn;
  assert.match(name, /FixedWindows/);
  return fixed(size) as WindowFn;
}

function strategyOf(transcript: Transcript): Strategy {
  const trigger = TRIGGERS[transcript.trigger_fn ?? 'Default'];
  const timestampCombiner = COMBINERS[transcript.timestamp_combiner ?? 'OUTPUT_AT_EOW'];
  assert.ok(trigger && timestampCombiner, 'a trigger or combiner that this test does not know');
  return {
    trigger: trigger.toProto(),
    timestampCombiner,
    accumulationMode: transcript.accumulation_mode === 'discarding' ? 'discarding' : 'accumulating',
    allowedLateness: transcript.allowed_lateness ?? 0,
  };
}

function matches(pane: Pane, expected: Expected): boolean {
  const actual: Record<string, unknown> = {
    ...pane,
    values: [...(pane.values as number[])].sort((a, b) => a - b),
  };
  return Object.entries(expected).every(
    ([name, value]) => JSON.stringify(actual[name]) === JSON.stringify(value),
  );
}

async function run(transcript: Transcript): Promise<void> {
  const windowFn = windowFnOf(transcript.window_fn ?? 'GlobalWindows');
  const grouping = groupingOf(windowFn, strategyOf(transcript));
  let watermark = MIN_TIMESTAMP;
  let panes: Pane[] = [];
  for (const step of transcript.transcript) {
    if ('expect' in step) {
      for (const expected of step.expect) {
        const at = panes.findIndex((pane) => matches(pane, expected));
        assert.ok(at >= 0, `Unmatched output ${JSON.stringify({ expected, panes })}`);
        panes.splice(at, 1);
      }
      continue;
    }
    assert.deepEqual(panes, [], 'Unexpected output');
    if ('state' in step) continue;
    if ('input' in step) {
      const block = step.input.map((time) => element(windowFn, 'key', time, time));
      grouping.add(block, watermark, 0);
    } else {
      watermark = step.watermark;
    }
    const due = grouping.due(watermark, 0);
    panes = await fired(grouping, watermark);
    assert.ok(due || panes.length === 0, 'fired without being due');
  }
  assert.deepEqual(panes, [], 'Unexpected output');
  await fired(grouping, MAX_TIMESTAMP);
  assert.equal(grouping.hold, Number.POSITIVE_INFINITY);
}

const file = new URL('../../../fixtures/trigger_transcripts.yaml', import.meta.url);
const transcripts = parseAllDocuments(readFileSync(file, 'utf8')).map(
  (document) => document.toJS() as Transcript,
);

describe("Beam's trigger transcripts", () => {
  let count = 0;
  for (const transcript of transcripts) {
    it(transcript.name, async (t: TestContext) => {
      const reason = reasonToSkip(transcript);
      if (reason) {
        t.skip(reason);
        return;
      }
      count += 1;
      if (!transcript.error) await run(transcript);
      else await assert.rejects(() => run(transcript), new RegExp(transcript.error));
    });
  }

  it('were all run, but one', (t: TestContext) => {
    t.diagnostic(`${count} of ${transcripts.length} transcripts ran`);
    assert.equal(count, transcripts.length - 1);
  });
});
