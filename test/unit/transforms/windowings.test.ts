// SPDX-License-Identifier: Apache-2.0
// The standard window functions.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  GlobalWindow,
  IntervalWindow,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
} from '../../../src/coders/index.ts';
import type { WindowFn } from '../../../src/pipeline/index.ts';
import { create, pb } from '../../../src/proto/index.ts';
import {
  fixedWindows,
  globalWindows,
  sessions,
  slidingWindows,
  standardWindowFn,
} from '../../../src/transforms/index.ts';

const instants = fc.integer({ min: -4e15, max: 4e15 });
const sizes = fc.integer({ min: 1, max: 10 ** 9 });

test('a fixed window holds its timestamp and begins at a multiple of its size', () => {
  fc.assert(
    fc.property(
      instants,
      sizes,
      fc.integer({ min: -(10 ** 9), max: 10 ** 9 }),
      (at, size, offset) => {
        const [window, ...others] = fixedWindows(size / 1000, offset / 1000).assignWindows(at);
        assert.equal(others.length, 0);
        assert.ok(window!.start <= at && at < window!.end);
        assert.equal(window!.end - window!.start, size);
        assert.equal(Math.abs((window!.start - offset) % size), 0);
      },
    ),
  );
});

test('sliding windows are all that hold the timestamp, a period apart', () => {
  fc.assert(
    fc.property(
      instants,
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 1000 }),
      (at, size, period) => {
        const windows = slidingWindows(size / 1000, period / 1000).assignWindows(at);
        for (const { start, end } of windows) {
          assert.ok(start <= at && at < end);
          assert.equal(Math.abs(start % period), 0);
        }
        const starts = new Set(windows.map(({ start }) => start));
        assert.equal(starts.size, windows.length);
        assert.ok(Math.abs(windows.length - size / period) <= 1);
      },
    ),
  );
});

test('windows at the ends of time are cut short', () => {
  const [first] = fixedWindows(10).assignWindows(MIN_TIMESTAMP);
  assert.equal(first!.start, MIN_TIMESTAMP);
  const [last] = sessions(10).assignWindows(MAX_TIMESTAMP);
  assert.equal(last!.end, MAX_TIMESTAMP);
});

test('sessions that overlap merge, those that touch do not', () => {
  const merge = sessions(1).mergeWindows!;
  const window = (start: number, end: number) => new IntervalWindow(start, end);
  assert.deepEqual(merge([window(5, 8), window(0, 5)]), []);
  const [merged, ...others] = merge([window(4, 9), window(20, 21), window(0, 5), window(1, 2)]);
  assert.equal(others.length, 0);
  assert.deepEqual(merged!.to, window(0, 9));
  assert.equal(merged!.from.length, 3);
});

test('merging leaves windows that do not overlap and cover the same time', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 50 }))), (spans) => {
      const windows = spans.map(([start, size]) => new IntervalWindow(start, start + size));
      const groups = sessions(1).mergeWindows!(windows);
      const gone = new Set(groups.flatMap(({ from }) => from));
      const left = [...windows.filter((w) => !gone.has(w)), ...groups.map(({ to }) => to)];
      left.sort((a, b) => a.start - b.start);
      for (let i = 1; i < left.length; i++) assert.ok(left[i - 1]!.end <= left[i]!.start);
      for (const { from, to } of groups) {
        assert.equal(to.start, Math.min(...from.map((w) => w.start)));
        assert.equal(to.end, Math.max(...from.map((w) => w.end)));
      }
    }),
  );
});

test('a window function read from its message assigns the same windows', () => {
  const functions: WindowFn<IntervalWindow>[] = [
    fixedWindows(2.5, 0.25),
    fixedWindows(10, -3.001),
    slidingWindows(10, 2.5, 1),
    sessions(0.001),
  ];
  for (const windowFn of functions) {
    const again = standardWindowFn(create(pb.FunctionSpecSchema, windowFn.toProto()!))!;
    assert.equal(again.beamName, windowFn.beamName);
    for (const at of [-7001, -1, 0, 1249, 1_700_000_000_123]) {
      assert.deepEqual(again.assignWindows(at), windowFn.assignWindows(at));
    }
  }
  const global = standardWindowFn(create(pb.FunctionSpecSchema, globalWindows().toProto()!))!;
  assert.deepEqual(global.assignWindows(0), [GlobalWindow.INSTANCE]);
  assert.equal(standardWindowFn({ urn: 'beam:window_fn:other:v1' }), undefined);
});

test('offsets that differ by whole periods are one, as Python writes them: its answer is compared with ours', () => {
  const payload = (windowFn: WindowFn<IntervalWindow>) => [...windowFn.toProto()!.payload!];
  assert.deepEqual(payload(fixedWindows(10, -3.001)), payload(fixedWindows(10, 6.999)));
  assert.deepEqual(payload(fixedWindows(1, 3)), payload(fixedWindows(1)));
  assert.deepEqual(payload(slidingWindows(10, 2, 5)), payload(slidingWindows(10, 2, 1)));
});

test('tiny sliding windows are finitely many at the ends of time, and none comes twice', () => {
  for (const time of [MIN_TIMESTAMP, MAX_TIMESTAMP, 0]) {
    for (const windowFn of [slidingWindows(0.01, 0.001), slidingWindows(0.01, 0.003, 0.001)]) {
      const windows = windowFn.assignWindows(time);
      assert.ok(windows.length > 0 && windows.length <= 10, `${windows.length} at ${time}`);
      const names = windows.map(({ start, end }) => `${start} ${end}`);
      assert.equal(new Set(names).size, names.length);
      if (time < MAX_TIMESTAMP) for (const { start, end } of windows) assert.ok(start < end);
    }
  }
  const [least] = fixedWindows(0.001).assignWindows(MIN_TIMESTAMP);
  assert.ok(least!.end > least!.start);
});

test('sliding windows with gaps take no element between them', () => {
  assert.deepEqual(slidingWindows(60, 300).assignWindows(90_000), []);
  assert.equal(slidingWindows(60, 300).assignWindows(310_000).length, 1);
});
