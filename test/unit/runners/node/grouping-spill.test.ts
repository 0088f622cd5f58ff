// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../../src/coders/index.ts';
import type { TimestampCombiner, WindowFn } from '../../../../src/pipeline/index.ts';
import type { GroupingOptions } from '../../../../src/runners/node/engine/grouping/index.ts';
import { fileError } from '../../../../src/runners/node/engine/spill/unnamed-file.ts';
import { globalWindows, slidingWindows } from '../../../../src/transforms/index.ts';
import { element, fired, fixed, groupingOf, type Pane } from './grouping-helpers.ts';

type Given = [key: unknown, value: unknown, timestamp: number];

function sorted(panes: Pane[]): string[] {
  return panes
    .map((pane) =>
      JSON.stringify({ ...pane, values: pane.values.map((v) => JSON.stringify(v)).sort() }),
    )
    .sort();
}

async function grouped(
  windowFn: WindowFn,
  timestampCombiner: TimestampCombiner,
  blocks: readonly Given[][],
  more: Partial<GroupingOptions>,
): Promise<Pane[]> {
  const grouping = groupingOf(windowFn, { timestampCombiner }, { bounded: true, ...more });
  let least = Number.POSITIVE_INFINITY;
  for (const block of blocks) {
    const elements = block.map(([key, value, at]) => element(windowFn, key, value, at));
    await grouping.add(elements, MIN_TIMESTAMP, 0);
    least = grouping.hold;
  }
  const panes = await fired(grouping, MAX_TIMESTAMP);
  assert.ok(panes.every(({ timestamp }) => timestamp >= least));
  assert.equal(grouping.hold, Number.POSITIVE_INFINITY);
  assert.equal(grouping.due(MAX_TIMESTAMP, 0), false);
  await grouping.close();
  return panes;
}

describe('a grouping larger than memory', () => {
  let folder: string;
  let asked = 0;
  const spillFolder = async () => {
    asked += 1;
    return folder;
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grouping-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('gives what one in memory gives', async () => {
    const given = fc.tuple(
      fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom('', 'a'), fc.bigInt(0n, 3n)),
      fc.oneof(fc.integer(), fc.string(), fc.array(fc.integer(), { maxLength: 3 })),
      fc.integer({ min: -100, max: 100 }),
    ) as fc.Arbitrary<Given>;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(given, { maxLength: 20 }), { maxLength: 10 }),
        fc.constantFrom<TimestampCombiner>('earliest', 'latest', 'endOfWindow'),
        fc.constantFrom(globalWindows(), fixed(50), slidingWindows(0.1, 0.05)),
        fc.constantFrom(0, 2000, 10_000),
        async (blocks, combiner, windowFn, memoryBytes) => {
          const windows = windowFn as WindowFn;
          const inMemory = await grouped(windows, combiner, blocks, {});
          const inFiles = await grouped(windows, combiner, blocks, { memoryBytes, spillFolder });
          assert.deepEqual(sorted(inFiles.map(printable)), sorted(inMemory.map(printable)));
        },
      ),
      { numRuns: 30 },
    );
    assert.deepEqual(await readdir(folder), []);
  });

  it('keeps one huge key apart from many small ones, and its values in order', async () => {
    const blocks: Given[][] = [];
    for (let i = 0; i < 20; i++) {
      blocks.push(Array.from({ length: 500 }, (_, j) => [j % 2 ? 'huge' : i * 500 + j, i, 0]));
    }
    const panes = await grouped(globalWindows() as WindowFn, 'endOfWindow', blocks, {
      memoryBytes: 50_000,
      spillFolder,
    });
    assert.equal(panes.length, 5001);
    const huge = panes.find(({ key }) => key === 'huge');
    assert.deepEqual(
      huge?.values,
      blocks.flatMap((block, i) => block.filter(([key]) => key === 'huge').map(() => i)),
    );
  });

  it('asks for a folder once, and leaves no file there however it ends', async () => {
    asked = 0;
    const windowFn = globalWindows();
    const grouping = groupingOf(windowFn, {}, { bounded: true, memoryBytes: 0, spillFolder });
    for (let i = 0; i < 3; i++) {
      await grouping.add(
        [0, 1].map((key) => element(windowFn, key, i, 0)),
        MIN_TIMESTAMP,
        0,
      );
    }
    assert.equal(asked, 1);
    // Also of a program that is killed now.
    assert.deepEqual(await readdir(folder), []);
    const panes = await fired(grouping, MAX_TIMESTAMP);
    assert.equal(panes.length, 2);
    await grouping.close();
    assert.deepEqual(await readdir(folder), []);
  });

  it('says so when the folder cannot be used', async () => {
    const windowFn = globalWindows();
    const grouping = groupingOf(
      windowFn,
      {},
      {
        bounded: true,
        memoryBytes: 0,
        spillFolder: async () => join(folder, 'missing'),
      },
    );
    const elements = [0, 1].map((key) => element(windowFn, key, 1, 0));
    await assert.rejects(
      async () => {
        await grouping.add(elements, MIN_TIMESTAMP, 0);
        await fired(grouping, MAX_TIMESTAMP);
      },
      { code: 'IO_FAILED', message: /larger than memory[\s\S]*TMPDIR/ },
    );
    await grouping.close();
  });

  it('names a full disk', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const error = fileError(full, '/somewhere');
    assert.equal(error.code, 'IO_FAILED');
    assert.match(error.message, /somewhere[\s\S]*disk is full/);
  });

  it('makes one accumulator of many where it can', async () => {
    const windowFn = globalWindows();
    const compact = (values: unknown[]) => (values as number[]).reduce((a, b) => a + b, 0);
    for (const bounded of [true, false]) {
      const grouping = groupingOf(windowFn, {}, { bounded, compact });
      const elements = Array.from({ length: 1000 }, () => element(windowFn, 'k', 1, 0));
      await grouping.add(elements, MIN_TIMESTAMP, 0);
      const [pane] = await fired(grouping, MAX_TIMESTAMP);
      assert.ok(pane && pane.values.length < 64);
      assert.equal(compact(pane.values), 1000);
    }
  });
});

/** JSON has no bigints. */
function printable(pane: Pane): Pane {
  return { ...pane, key: `${typeof pane.key} ${pane.key}` };
}
