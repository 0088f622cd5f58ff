// SPDX-License-Identifier: Apache-2.0
// Sources that go on over time: the clock, async iterables, files that appear.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchFiles } from '../../../src/io/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  fixedWindows,
  fromAsyncIterable,
  groupByKey,
  periodicImpulse,
  timestampParam,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Case, Cases } from '../case.ts';

async function* seconds(upTo: number) {
  for (let i = 0; i < upTo; i++) {
    if (i % 3 === 0) await sleep(30);
    yield i * 1000;
  }
}

/** Files that are there, and one that comes while the pipeline runs or before it begins. */
function watching(): Case {
  let folder = '';
  return {
    name: 'watchFiles gives each file once, as it appears',
    build: (root) => {
      folder = mkdtempSync(join(tmpdir(), 'beambridge-watch-'));
      writeFileSync(join(folder, 'a.txt'), '');
      writeFileSync(join(folder, 'b.csv'), '');
      setTimeout(() => writeFileSync(join(folder, 'c.txt'), ''), 100);
      root
        .apply(watchFiles(join(folder, '*.txt'), { interval: 40, stopAfter: 1000 }))
        .map((path) => basename(path))
        .apply(assertDeepEqual(['a.txt', 'c.txt']));
    },
    afterwards: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A file that changes as soon as it was found: its contents first, then only its time. */
function watchingUpdates(matchUpdatedFiles: boolean, expected: string[]): Case {
  let folder = '';
  const changes = [
    (path: string) => writeFileSync(path, 'more'),
    (path: string) => utimesSync(path, 7, 7),
  ];
  return {
    name: `watchFiles ${matchUpdatedFiles ? 'gives a file again when it has changed' : 'forgives changes'}`,
    build: (root) => {
      folder = mkdtempSync(join(tmpdir(), 'beambridge-watch-'));
      writeFileSync(join(folder, 'a.txt'), '');
      writeFileSync(join(folder, 'b.txt'), '');
      const left = [...changes];
      root
        .apply(
          watchFiles(join(folder, '*.txt'), { interval: 40, stopAfter: 3000, matchUpdatedFiles }),
        )
        .map((path) => {
          const name = basename(path);
          if (name === 'a.txt') left.shift()?.(path);
          return name;
        })
        .apply(assertDeepEqual(expected));
    },
    afterwards: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** An iterable that fails, and says whether it was told to end. */
function failing(): Case {
  let ended = false;
  const source = async function* (signal: AbortSignal) {
    signal.addEventListener('abort', () => {
      ended = true;
    });
    yield 1;
    await sleep(10_000, undefined, { signal });
  };
  return {
    name: 'fromAsyncIterable ends its iterable when the run fails',
    build: (root) => {
      ended = false;
      root.apply(fromAsyncIterable(source)).map(() => {
        throw new RangeError('no such number');
      });
    },
    fails: { code: 'USER_CODE_FAILED', message: /no such number/ },
    afterwards: () => assert.equal(ended, true),
  };
}

export const sources: Cases = [
  {
    name: 'periodicImpulse gives the times that have passed, in order',
    build: (root) => {
      root
        .apply(periodicImpulse({ start: 1000, stop: 4000, interval: 1000 }))
        .map((time, at) => `${time} at ${at.lookup()}`, timestampParam())
        .apply(assertDeepEqual(['1000 at 1000', '2000 at 2000', '3000 at 3000']));
    },
  },
  {
    name: 'periodicImpulse waits for times that have not come',
    build: (root) => {
      const start = Date.now() + 100;
      root
        .apply(periodicImpulse({ start, stop: start + 250, interval: 100 }))
        .map((time) => `${time - start} ${Date.now() >= time}`)
        .apply(assertDeepEqual(['0 true', '100 true', '200 true']));
    },
  },
  {
    name: 'fromAsyncIterable reads to the end, with times of its own',
    build: (root) => {
      root
        .apply(fromAsyncIterable(() => seconds(7), { timestamp: (time) => time, bounded: true }))
        .map((time) => ({ key: 'all', value: time }))
        .apply(windowInto(fixedWindows(3)))
        .apply(groupByKey())
        .map(({ value }) => [...value].sort().join())
        .apply(assertDeepEqual(['0,1000,2000', '3000,4000,5000', '6000']));
    },
  },
  {
    name: 'fromAsyncIterable that throws fails the run',
    build: (root) => {
      const source = async function* () {
        yield 1;
        throw new RangeError('the stream broke');
      };
      root.apply(fromAsyncIterable(source));
    },
    fails: { code: 'USER_CODE_FAILED', message: /the stream broke/ },
  },
  failing(),
  watching(),
  watchingUpdates(true, ['a.txt', 'a.txt', 'a.txt', 'b.txt']),
  watchingUpdates(false, ['a.txt', 'b.txt']),
];
