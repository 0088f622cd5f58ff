// SPDX-License-Identifier: Apache-2.0
// What the node runner forgets, and what it tells, while a stream goes on.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteReader, type LogRecord, setLogSink } from '../../../../src/base/index.ts';
import {
  type Coder,
  encodeValue,
  IntervalWindow,
  IntervalWindowCoder,
  NO_FIRING,
  VarIntCoder,
  type Window,
} from '../../../../src/coders/index.ts';
import { createRunner, type MetricResults } from '../../../../src/runners/index.ts';
import { blockOf } from '../../../../src/runners/node/engine/block.ts';
import { LateReport } from '../../../../src/runners/node/engine/late-report.ts';
import type { Surroundings } from '../../../../src/runners/node/engine/node.ts';
import { SideInputView } from '../../../../src/runners/node/engine/side-input-view.ts';
import { int64 } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import {
  combinePerKey,
  fixedWindows,
  groupGlobally,
  sum,
  timestamped,
  windowInto,
  withName,
} from '../../../../src/transforms/index.ts';
import { fixed, strategyProto } from './grouping-helpers.ts';

const MINUTE = 60_000;
const COUNTERS = { namespace: 'org.apache.beam.runners.core.LateDataDroppingDoFnRunner' };

/** Runs a stream in which elements come too late; gives its metrics and the warnings. */
async function lateRun(build: Parameters<ReturnType<typeof createRunner>['run']>[0]) {
  const warnings: string[] = [];
  const restore = setLogSink(({ level, message }: LogRecord) => {
    if (level === 'warn') warnings.push(message);
  });
  try {
    const result = await createRunner({ runner: 'node', progress: false }).run(build);
    const metrics: MetricResults = await result.metrics();
    return { metrics, warnings };
  } finally {
    restore();
  }
}

const late = () =>
  testStream(int64)
    .addElements(timestamped(1, 1000))
    .advanceWatermarkTo(2 * MINUTE)
    .addElements(timestamped(2, 2000), timestamped(4, 3000), timestamped(8, 2 * MINUTE))
    .addElements(timestamped(16, 4000))
    .advanceWatermarkToInfinity();

describe('elements that are too late', () => {
  it('are counted under the transform that dropped them, with one warning', async () => {
    const { metrics, warnings } = await lateRun((root) => {
      root
        .apply(late())
        .apply(windowInto(fixedWindows(60)))
        .apply(groupGlobally());
    });
    const { counters } = metrics.query({ ...COUNTERS, name: 'droppedDueToLateness' });
    assert.equal(counters.length, 1);
    assert.equal(counters[0]!.value, 3);
    assert.match(counters[0]!.transform, /^groupGlobally/);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^groupGlobally.* drops elements/);
  });

  it('are counted under the combine that the runner took apart', async () => {
    const { metrics } = await lateRun((root) => {
      root
        .apply(late())
        .apply(windowInto(fixedWindows(60)))
        .map((value) => ({ key: 'k', value }))
        .apply(withName('sums', combinePerKey(sum)));
    });
    const { counters } = metrics.query({ ...COUNTERS, name: 'droppedDueToLateness' });
    assert.equal(counters.length, 1);
    assert.match(counters[0]!.transform, /^sums/);
    // Three are late, and what a bundle has combined before the grouping is dropped, and counted, as one.
    assert.ok(counters[0]!.value >= 1 && counters[0]!.value < 3, `${counters[0]!.value}`);
  });

  it('are counted apart from those whose trigger has finished', () => {
    const counted: string[] = [];
    const report = new LateReport('t1', 'group', {
      count: (infos) => {
        for (const { labels, payload } of infos) {
          counted.push(`${labels.NAME} ${new ByteReader(payload).signedVarint()}`);
        }
      },
    });
    const restore = setLogSink(() => {});
    for (const [late, closed] of [
      [0, 0],
      [0, 2],
      [3, 2],
      [4, 5],
    ] as const) {
      report.update({ late, closed });
    }
    restore();
    assert.deepEqual(counted, [
      'droppedDueToClosedWindow 2',
      'droppedDueToLateness 3',
      'droppedDueToLateness 1',
      'droppedDueToClosedWindow 3',
    ]);
  });

  it('are none where all come in time', async () => {
    const { metrics, warnings } = await lateRun((root) => {
      root
        .apply(testStream(int64).addElements(1).advanceWatermarkToInfinity())
        .apply(windowInto(fixedWindows(60)))
        .apply(groupGlobally());
    });
    assert.equal(metrics.counters().droppedDueToLateness, undefined);
    assert.deepEqual(warnings, []);
  });
});

describe('a side input of a stream', () => {
  const window = new IntervalWindowCoder() as unknown as Coder<Window>;
  const windowFn = fixed(10);
  let watermark = 0;
  const around = {
    watermark: () => watermark,
    now: () => 0,
    shownNow: () => 0,
    track: () => {},
    wake: () => {},
    count: () => {},
    deliver: () => undefined,
    signal: new AbortController().signal,
  } as unknown as Surroundings;
  const bytesOf = (start: number) =>
    encodeValue(window, new IntervalWindow(start, start + 10), true);

  it('is forgotten window by window, when no element of the main input can ask for it', async () => {
    const view = new SideInputView({
      pcollection: 'side',
      windowing: strategyProto(windowFn, {}),
      windowFn,
      element: new VarIntCoder() as Coder<unknown>,
      window,
      bounded: false,
      around,
      report: new LateReport('main', 'main', around),
    });
    const main = { watermark: 0 };
    view.readBy(() => main.watermark - 5);
    const elements = [3, 13, 23].map((timestamp) => ({
      value: timestamp,
      timestamp,
      windows: windowFn.assignWindows(timestamp, undefined as never),
      pane: NO_FIRING,
    }));
    view.take(blockOf(elements));
    watermark = 30;
    while (view.step()) await new Promise(setImmediate);
    const held = () =>
      [0, 10, 20].filter((start) => [...view.read(view.contents(bytesOf(start)))].length > 0);
    assert.deepEqual(held(), [0, 10, 20]);
    main.watermark = 14;
    view.step();
    assert.deepEqual(held(), [0, 10, 20]);
    main.watermark = 15;
    view.step();
    assert.deepEqual(held(), [10, 20]);
    main.watermark = 100;
    view.step();
    assert.deepEqual(held(), []);
    assert.ok(view.isReady(new IntervalWindow(0, 10)));
  });
});
