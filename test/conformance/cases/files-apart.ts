// SPDX-License-Identifier: Apache-2.0
// Files by destination and window, of what has an end and of streams.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { writeToAvro, writeToCsv, writeToText } from '../../../src/io/index.ts';
import { int64, row, string } from '../../../src/schema/index.ts';
import { assertDeepEqual, testStream } from '../../../src/testing/index.ts';
import {
  afterCount,
  afterProcessingTime,
  afterWatermark,
  assignTimestamps,
  create,
  fixedWindows,
  globalWindows,
  periodicImpulse,
  repeatedly,
  sessions,
  slidingWindows,
  timestamped,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-apart-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));

const MINUTE = 60_000;
const at = (text: string, second: number) => timestamped(text, second * 1000);
const FIRST = '19700101T000000Z-19700101T000100Z';
const SECOND = '19700101T000100Z-19700101T000200Z';
const ONE = '-00000-of-00001';

/** By name, the lines of each file below a folder, sorted; files that are hidden, too. Taken away, for the next run. */
function taken(folder: string): Record<string, string[]> {
  const root = join(scratch, folder);
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const lines = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1).sort();
  const found = Object.fromEntries(files.map((path) => [relative(root, path), lines(path)]));
  rmSync(root, { recursive: true });
  return found;
}

/** Elements with the second that they are of. */
const timed = [
  { kind: 'a', second: 1 },
  { kind: 'b', second: 2 },
  { kind: 'a', second: 59 },
  { kind: 'a', second: 61 },
];
const kind = row({ kind: string, second: int64 });

export const filesApart: Cases = [
  {
    name: 'each destination has files of its own',
    build: (root) => {
      const { filesWritten } = root.apply(create(['a1', 'b2', 'a3'])).apply(
        writeToText(`${join(scratch, 'by')}/`, {
          destination: (line) => `kind=${line.slice(0, 1)}/part`,
        }),
      );
      filesWritten
        .map((path) => relative(join(scratch, 'by'), path))
        .apply(assertDeepEqual([`kind=a/part${ONE}`, `kind=b/part${ONE}`]));
    },
    after: () =>
      assert.deepEqual(taken('by'), {
        [`kind=a/part${ONE}`]: ['a1', 'a3'],
        [`kind=b/part${ONE}`]: ['b2'],
      }),
  },
  {
    name: 'windows and destinations have files of their own, with the rows of each',
    build: (root) => {
      root
        .apply(create(timed, { schema: kind }))
        .apply(assignTimestamps(({ second }) => second * 1000))
        .apply(windowInto(fixedWindows(60)))
        .apply(
          writeToCsv(join(scratch, 'windows/of-'), {
            schema: kind,
            windowed: true,
            destination: (one) => one.kind,
          }),
        );
    },
    after: () =>
      assert.deepEqual(taken('windows'), {
        [`of-a-${FIRST}${ONE}.csv`]: ['a,1', 'a,59', 'kind,second'],
        [`of-a-${SECOND}${ONE}.csv`]: ['a,61', 'kind,second'],
        [`of-b-${FIRST}${ONE}.csv`]: ['b,2', 'kind,second'],
      }),
  },
  {
    name: 'an element of several windows is in the files of each',
    build: (root) => {
      root
        .apply(create([65]))
        .apply(assignTimestamps((second) => second * 1000))
        .map(String)
        .apply(windowInto(slidingWindows(120, 60)))
        .apply(writeToText(join(scratch, 'sliding/out'), { windowed: true }));
    },
    after: () =>
      assert.deepEqual(taken('sliding'), {
        [`out-19700101T000000Z-19700101T000200Z${ONE}`]: ['65'],
        [`out-19700101T000100Z-19700101T000300Z${ONE}`]: ['65'],
      }),
  },
  {
    name: 'files by session are of the sessions of each destination',
    build: (root) => {
      root
        .apply(create(timed))
        .apply(assignTimestamps(({ second }) => second * 1000))
        .map((one) => `${one.kind}${one.second}`)
        .apply(windowInto(sessions(10)))
        .apply(
          writeToText(`${join(scratch, 'sessions')}/`, {
            windowed: true,
            destination: (line) => line.slice(0, 1),
          }),
        );
    },
    after: () =>
      assert.deepEqual(taken('sessions'), {
        [`a-19700101T000001Z-19700101T000011Z${ONE}`]: ['a1'],
        [`a-19700101T000059Z-19700101T000111Z${ONE}`]: ['a59', 'a61'],
        [`b-19700101T000002Z-19700101T000012Z${ONE}`]: ['b2'],
      }),
  },
  {
    name: 'a stream of a source has files by window',
    build: (root) => {
      root
        .apply(periodicImpulse({ interval: 20, start: 0, stop: 100, bounded: false }))
        .map((time) => ({ time }))
        .apply(windowInto(fixedWindows(0.04)))
        .apply(
          writeToCsv(join(scratch, 'source/out'), {
            schema: row({ time: int64 }),
            header: false,
            windowed: true,
          }),
        );
    },
    after: () =>
      assert.deepEqual(taken('source'), {
        [`out-19700101T000000.040Z-19700101T000000.080Z${ONE}.csv`]: ['40', '60'],
        [`out-19700101T000000.080Z-19700101T000000.120Z${ONE}.csv`]: ['80'],
        [`out-19700101T000000Z-19700101T000000.040Z${ONE}.csv`]: ['0', '20'],
      }),
  },
  {
    name: 'a destination that leads to another folder fails the run',
    build: (root) => {
      root
        .apply(create(['../a']))
        .apply(writeToText(`${join(scratch, 'refused')}/`, { destination: (line) => line }));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /leads to another folder/ },
  },
];

const panes = () =>
  testStream(string)
    .addElements(at('a', 1), at('b', 2))
    .addElements(at('c', 3))
    .advanceWatermarkTo(MINUTE)
    .addElements(at('late', 4))
    .addElements(at('next', 61))
    .advanceWatermarkToInfinity();
const trigger = afterWatermark().withEarlyFirings(afterCount(2)).withLateFirings(afterCount(1));

/** Those with a clock of their own. */
export const streamsOfFiles: Cases = [
  ...(['discarding', 'accumulating'] as const).map((accumulationMode) => ({
    name: `each pane of a stream has files of its own, ${accumulationMode}`,
    build: (root: Parameters<Cases[number]['build']>[0]) => {
      root
        .apply(panes())
        .apply(
          windowInto(fixedWindows(60), {
            trigger,
            accumulationMode,
            allowedLateness: { seconds: 120 },
          }),
        )
        .apply(writeToText(join(scratch, accumulationMode, 'out'), { windowed: true }));
    },
    after: () => {
      const before = (...lines: string[]) => (accumulationMode === 'accumulating' ? lines : []);
      assert.deepEqual(taken(accumulationMode), {
        [`out-${FIRST}-pane-0${ONE}`]: ['a', 'b'],
        [`out-${FIRST}-pane-1${ONE}`]: [...before('a', 'b'), 'c'],
        [`out-${FIRST}-pane-2${ONE}`]: [...before('a', 'b', 'c'), 'late'],
        [`out-${SECOND}-pane-0${ONE}`]: ['next'],
      });
    },
    alone: true,
  })),
  {
    name: 'files of a stream by the clock',
    build: (root) => {
      root
        .apply(
          testStream(string)
            .addElements(at('a', 1))
            .advanceProcessingTime(30_000)
            .addElements(at('b', 90))
            .advanceProcessingTime(40_000)
            .addElements(at('c', 2))
            .advanceProcessingTime(61_000)
            .advanceWatermarkToInfinity(),
        )
        .apply(
          windowInto(globalWindows(), {
            trigger: repeatedly(afterProcessingTime(60)),
            accumulationMode: 'discarding',
          }),
        )
        .apply(writeToText(join(scratch, 'moments/out'), { windowed: true }));
    },
    after: () =>
      assert.deepEqual(taken('moments'), {
        [`out-pane-0${ONE}`]: ['a', 'b'],
        [`out-pane-1${ONE}`]: ['c'],
      }),
    alone: true,
  },
  {
    name: 'rows of a stream are in the files of their destination, in each of its windows',
    build: (root) => {
      root
        .apply(
          testStream(kind)
            .addElements(...timed.map((one) => timestamped(one, one.second * 1000)))
            .advanceWatermarkToInfinity(),
        )
        .apply(windowInto(fixedWindows(60)))
        .apply(
          writeToAvro(`${join(scratch, 'rows')}/`, {
            schema: kind,
            windowed: true,
            destination: (one) => one.kind,
          }),
        );
    },
    after: () =>
      assert.deepEqual(Object.keys(taken('rows')), [
        `a-${FIRST}${ONE}.avro`,
        `a-${SECOND}${ONE}.avro`,
        `b-${FIRST}${ONE}.avro`,
      ]),
    alone: true,
  },
];
