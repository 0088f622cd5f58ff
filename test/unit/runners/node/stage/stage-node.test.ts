// SPDX-License-Identifier: Apache-2.0
// Bundles of a stage whose worker may be lost: what they gave counts once, whenever that happens.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BeamBridgeError, ByteWriter } from '../../../../../src/base/index.ts';
import {
  GlobalWindow,
  GlobalWindowCoder,
  MAX_TIMESTAMP,
  NO_FIRING,
  StrUtf8Coder,
  type WindowedValue,
  WindowedValueCoder,
} from '../../../../../src/coders/index.ts';
import { blockOf } from '../../../../../src/runners/node/engine/block.ts';
import type { BundleOwner } from '../../../../../src/runners/node/engine/stage/bundle.ts';
import { limitsOf } from '../../../../../src/runners/node/engine/stage/bundle-limits.ts';
import { StageNode } from '../../../../../src/runners/node/engine/stage/stage-node.ts';
import { isWorkerLost } from '../../../../../src/runners/node/python/index.ts';

const coder = new WindowedValueCoder(new StrUtf8Coder(), new GlobalWindowCoder());
const element = (value: string): WindowedValue<string> => ({
  value,
  timestamp: 0,
  windows: [GlobalWindow.INSTANCE],
  pane: NO_FIRING,
});
const lost = () => new BeamBridgeError('WORKER_DIED', 'the worker is gone');

/** Runs one element through a stage that gives it back; says what came out and whether the run failed. */
async function pass(fails: { bundle?: unknown[] }) {
  const shown: unknown[] = [];
  const failures: unknown[] = [];
  const work: Promise<void>[] = [];
  const bundleFailures = [...(fails.bundle ?? [])];
  let runs = 0;
  const owner = {
    stage: { input: 'in', outputs: ['out'] },
    descriptor: { source: 'source', proto: {}, sinks: new Map([['sink', 'out']]) },
    executor: {
      inProcess: false,
      canRetry: true,
      workers: 1,
      mayRetry: isWorkerLost,
      start: (_: unknown, io: Parameters<BundleOwner['executor']['start']>[1]) => {
        const run = async () => {
          runs += 1;
          while (await io.input.next());
          const out = new ByteWriter();
          coder.encode(element('a'), out, true);
          await io.output.write('sink', out.take());
          const failure = bundleFailures.shift();
          if (failure) throw failure;
          return { monitoringInfos: [], residuals: [], finalizers: [] };
        };
        return { done: run(), monitoringInfos: () => [], split: () => [], abort: () => {} };
      },
    },
    wire: { windowedCoder: () => coder },
    around: {
      signal: new AbortController().signal,
      now: () => 0,
      shownNow: () => 0,
      wake: () => {},
      count: () => {},
      watermark: () => MAX_TIMESTAMP,
      track: (one: Promise<void>) => {
        work.push(one.catch((error: unknown) => void failures.push(error)));
      },
      deliver: (_: string, elements: readonly WindowedValue<unknown>[]) => {
        shown.push(...elements.map(({ value }) => value));
      },
    },
    views: [],
    viewOf: new Map(),
    mostBundles: 1,
    staysOpen: false,
    limits: limitsOf({
      inProcess: false,
      isBounded: true,
      isSplittable: false,
      hasTimers: false,
      isStateful: false,
      isScripted: false,
    }),
    inputByReference: false,
    isFinalized: false,
    finished: () => {},
    retrying: () => {},
  } as unknown as BundleOwner;
  const node = new StageNode(owner);
  node.take(blockOf([element('a')]));
  node.step();
  await Promise.all(work);
  node.step();
  return { shown, failures, runs, isOver: node.isQuiet && node.outputWatermark >= MAX_TIMESTAMP };
}

describe('a worker that is lost', () => {
  it('in a bundle: the bundle runs again, and its elements come once', async () => {
    const { shown, failures, runs, isOver } = await pass({ bundle: [lost(), lost()] });
    assert.deepEqual([shown, failures, runs, isOver], [['a'], [], 3, true]);
  });

  it('again and again: the run fails', async () => {
    const reason = lost();
    const { shown, failures, runs } = await pass({ bundle: [lost(), lost(), lost(), reason] });
    assert.deepEqual([shown, failures, runs], [[], [reason], 4]);
  });
});
