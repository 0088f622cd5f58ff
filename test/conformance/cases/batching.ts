// SPDX-License-Identifier: Apache-2.0
// Elements once, the latest ones, and values in batches.

import { MIN_TIMESTAMP } from '../../../src/coders/index.ts';
import { int64, row, string } from '../../../src/schema/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  assignTimestamps,
  create,
  distinct,
  fixedWindows,
  groupIntoBatches,
  latestGlobally,
  latestPerKey,
  sessions,
  slidingWindows,
  timestampParam,
  windowInto,
  windowParam,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

/** Temperatures of sensors, at as many seconds. */
const READINGS = [
  { sensor: 'a', second: 1, value: 10 },
  { sensor: 'a', second: 70, value: 30 },
  { sensor: 'b', second: 5, value: 50 },
  { sensor: 'a', second: 50, value: 20 },
  { sensor: 'b', second: 2, value: 40 },
];

const readings = () => create(READINGS);
const timed = () => assignTimestamps<(typeof READINGS)[0]>(({ second }) => second * 1000);

export const batching: Cases = [
  {
    name: 'distinct gives each element once',
    build: (root) => {
      root
        .apply(create(['b', 'a', 'b', 'c', 'a', 'b']))
        .apply(distinct())
        .apply(assertDeepEqual(['a', 'b', 'c']));
      root
        .apply(create([{ x: 1, y: [2] }, { y: [2], x: 1 }, { x: 1 }, null, null, undefined]))
        .apply(distinct())
        .apply(assertDeepEqual([{ x: 1, y: [2] }, { x: 1 }, null, undefined]));
      root.apply(create<string>([])).apply(distinct()).apply(assertDeepEqual<string>([]));
    },
  },
  {
    name: 'distinct keeps windows apart, and the declared type',
    build: (root) => {
      root
        .apply(readings())
        .apply(timed())
        .map(({ sensor }) => ({ sensor }))
        .apply(windowInto(fixedWindows(60)))
        .apply(distinct())
        .map(({ sensor }, { window }) => `${sensor} ${window.lookup().maxTimestamp()}`, {
          window: windowParam(),
        })
        .apply(assertDeepEqual(['a 59999', 'a 119999', 'b 59999']));
      root
        .apply(create(READINGS, { schema: row({ sensor: string, second: int64, value: int64 }) }))
        .apply(timed())
        .apply(windowInto(slidingWindows(120, 60)))
        .map(({ sensor }) => sensor)
        .apply(distinct())
        .apply(assertDeepEqual(['a', 'a', 'a', 'b', 'b']));
      root
        .apply(readings())
        .apply(timed())
        .apply(windowInto(sessions(30)))
        .map(({ sensor }) => sensor)
        .apply(distinct())
        .apply(assertDeepEqual(['a', 'a', 'b']));
    },
  },
  {
    name: 'latestPerKey gives the value with the greatest timestamp, in each window',
    build: (root) => {
      const values = root
        .apply(readings())
        .apply(timed())
        .map(({ sensor, value }) => ({ key: sensor, value }));
      values.apply(latestPerKey()).apply(
        assertDeepEqual([
          { key: 'a', value: 30 },
          { key: 'b', value: 50 },
        ]),
      );
      values
        .apply(windowInto(fixedWindows(60)))
        .apply(latestPerKey())
        .apply(
          assertDeepEqual([
            { key: 'a', value: 20 },
            { key: 'a', value: 30 },
            { key: 'b', value: 50 },
          ]),
        );
    },
  },
  {
    name: 'latestGlobally gives one element, or undefined of none',
    build: (root) => {
      root
        .apply(readings())
        .apply(timed())
        .apply(latestGlobally())
        .apply(assertDeepEqual<(typeof READINGS)[0] | undefined>([READINGS[1]]));
      root
        .apply(create<string>([]))
        .apply(latestGlobally())
        .apply(assertDeepEqual<string | undefined>([undefined]));
      root
        .apply(create([undefined, null]))
        .apply(assignTimestamps((value) => (value === null ? 1 : 2)))
        .apply(latestGlobally())
        .apply(assertDeepEqual<null | undefined>([undefined]));
    },
  },
  {
    name: 'of values that are equally late the same one is taken in any order',
    build: (root) => {
      for (const values of [
        ['x', 'z', 'y'],
        ['z', 'y', 'x'],
        ['y', 'x', 'z'],
      ]) {
        const same = root.apply(create(values)).apply(assignTimestamps(() => 7));
        same.apply(latestGlobally()).apply(assertDeepEqual<string | undefined>(['z']));
        same
          .map((value) => ({ key: 1, value }))
          .apply(latestPerKey())
          .apply(assertDeepEqual([{ key: 1, value: 'z' }]));
      }
      root
        .apply(create([2, 1]))
        .map((value, { at }) => at.lookup() === MIN_TIMESTAMP && value, { at: timestampParam() })
        .apply(latestGlobally())
        .apply(assertDeepEqual<number | false | undefined>([2]));
    },
  },
  {
    name: 'groupIntoBatches gives full batches and one of the rest, of each key',
    build: (root) => {
      const pairs = Array.from({ length: 23 }, (_, i) => ({ key: i < 20 ? 'a' : 'b', value: i }));
      const batches = root.apply(create(pairs)).apply(groupIntoBatches(6));
      batches
        .map(({ key, value }) => `${key} ${value.length}`)
        .apply(assertDeepEqual(['a 6', 'a 6', 'a 6', 'a 2', 'b 3']));
      batches
        .flatMap(({ key, value }) => value.map((one) => ({ key, value: one })))
        .apply(assertDeepEqual(pairs));
      root
        .apply(create(pairs.slice(0, 3)))
        .apply(groupIntoBatches(1, { maxBufferingDurationMs: 60_000 }))
        .apply(assertDeepEqual([0, 1, 2].map((i) => ({ key: 'a', value: [i] }))));
    },
  },
  {
    name: 'groupIntoBatches keeps windows apart',
    build: (root) => {
      root
        .apply(readings())
        .apply(timed())
        .apply(windowInto(fixedWindows(60)))
        .map(({ sensor, value }) => ({ key: sensor, value }))
        .apply(groupIntoBatches(2))
        .map(({ key, value }) => `${key} ${[...value].sort()}`)
        .apply(assertDeepEqual(['a 10,20', 'a 30', 'b 40,50']));
    },
  },
  {
    name: 'groupIntoBatches of windows that merge is refused',
    build: (root) => {
      root
        .apply(create([{ key: 'a', value: 1 }]))
        .apply(windowInto(sessions(60)))
        .apply(groupIntoBatches(2));
    },
    fails: { code: 'UNSUPPORTED', message: /merg/ },
  },
];
