// SPDX-License-Identifier: Apache-2.0
// Random elements, windows, destinations and shards, of batches and of streams, against what each file must hold by a few
// lines of their own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import {
  assignTimestamps,
  create,
  createRunner,
  fixedWindows,
  type PCollection,
  slidingWindows,
  timestamped,
  type WindowFn,
  windowInto,
} from '../../../../src/index.ts';
import { writeToCsv } from '../../../../src/io/index.ts';
import { windowName } from '../../../../src/io/text/window-names.ts';
import { int64, row, string } from '../../../../src/schema/index.ts';
import { testStream } from '../../../../src/testing/index.ts';
import { scratch } from '../scratch.ts';
import { namesIn } from './read-tree.ts';

const element = row({ place: string, at: int64, id: int64 });
type Element = { place: string; at: number; id: number };

const windowFns: Record<string, WindowFn> = {
  fixed: fixedWindows(10) as WindowFn,
  sliding: slidingWindows(20, 10, 3) as WindowFn,
};

const plans = fc.record({
  places: fc.array(fc.constantFrom('a', 'b/c', 'b/d', 'ü 1', 'a-00000-of-00001', '', 'x=1/y=2/z'), {
    minLength: 1,
    maxLength: 5,
  }),
  count: fc.integer({ min: 0, max: 60 }),
  windows: fc.constantFrom('fixed', 'sliding'),
  windowed: fc.boolean(),
  isStream: fc.boolean(),
  gzip: fc.boolean(),
  bounds: fc.oneof(
    fc.constant({}),
    fc.record({ numShards: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ maxRecordsPerShard: fc.integer({ min: 1, max: 7 }) }),
  ),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

let runs = 0;

test('the files of all destinations and windows have all elements, and each only its own', async () => {
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const { places, count, windows, isStream, gzip, bounds, seed } = plan;
      const windowed = plan.windowed || isStream;
      const elements = Array.from({ length: count }, (_, id): Element => {
        const random = (seed + id * 7919) % 104729;
        return { place: places[random % places.length]!, at: random % 50_000, id };
      });
      const folder = `random/${runs++}`;
      const windowFn = windowFns[windows]!;
      const paths: string[] = [];
      await createRunner({ runner: 'node' }).run((root) => {
        const all: PCollection<Element> = isStream
          ? root.apply(
              testStream(element)
                .addElements(...elements.map((one) => timestamped(one, one.at)))
                .advanceWatermarkToInfinity(),
            )
          : root.apply(create(elements)).apply(assignTimestamps(({ at }) => at));
        const { filesWritten } = all.apply(windowInto(windowFn)).apply(
          writeToCsv(join(scratch, folder, 'p'), {
            schema: element,
            header: false,
            fileNameSuffix: gzip ? '.csv.gz' : '.csv',
            destination: ({ place }) => place,
            windowed,
            ...bounds,
          }),
        );
        filesWritten.map((path) => void paths.push(path));
      });
      const expected: string[] = [];
      for (const { place, at, id } of elements) {
        // Without names that hold them an element is there for each of its windows all the same.
        const of = windowFn.assignWindows(at);
        const names = of.map((window) => (windowed ? `-${windowName(window)}` : ''));
        for (const name of names) expected.push(`p${place}${name} ${id}`);
      }
      const found: string[] = [];
      for (const name of namesIn(folder)) {
        const bytes = readFileSync(join(scratch, folder, name));
        const lines = (gzip ? gunzipSync(bytes) : bytes).toString().split('\n').slice(0, -1);
        const [, begin, shard, shards] = /^(.*)-(\d{5})-of-(\d{5})\.csv(?:\.gz)?$/.exec(name)!;
        assert.ok(Number(shard) < Number(shards), name);
        if ('maxRecordsPerShard' in bounds)
          assert.ok(lines.length <= bounds.maxRecordsPerShard, name);
        if ('numShards' in bounds) assert.equal(Number(shards), bounds.numShards);
        for (const line of lines) found.push(`${begin} ${line.split(',')[2]}`);
      }
      assert.deepEqual(found.sort(), expected.sort());
      assert.deepEqual(
        paths.sort(),
        namesIn(folder)
          .map((name) => join(scratch, folder, name))
          .sort(),
      );
    }),
    { numRuns: 60 },
  );
});
