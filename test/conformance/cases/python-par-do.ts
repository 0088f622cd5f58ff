// SPDX-License-Identifier: Apache-2.0
// DoFns that are written in Python: what they are given, what they give, and how they fail.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ErrorCode } from '../../../src/base/index.ts';
import { P } from '../../../src/pipeline/index.ts';
import { int64, type SchemaType, string } from '../../../src/schema/index.ts';
import { assertContentsSatisfies, assertDeepEqual } from '../../../src/testing/index.ts';
import { create, fixedWindows, windowInto, withSchema } from '../../../src/transforms/index.ts';
import type { Case, Cases } from '../case.ts';
import { python, pythonMade, pythonOutputs } from './python-stage.ts';

function gives<T>(
  name: string,
  [file, transform, type]: readonly [string, string, SchemaType<T>],
  numbers: number[],
  expected: T[],
): Case {
  return {
    name: `Python: ${name}`,
    build: (root) => {
      root
        .apply(create(numbers))
        .apply(withSchema(int64))
        .apply(python(file, transform, type))
        .apply(assertDeepEqual(expected));
    },
  };
}

function failing(
  name: string,
  [file, transform]: readonly [string, string],
  message: RegExp,
  code: ErrorCode = 'PYTHON_EXCEPTION',
): Case {
  return {
    name: `Python: ${name}`,
    build: (root) => {
      root
        .apply(create([5]))
        .apply(withSchema(int64))
        .apply(python(file, transform, int64));
    },
    fails: { code, message },
  };
}

export const pythonParDo: Cases = [
  {
    name: 'Python: several outputs',
    build: (root) => {
      const types = { even: string, odd: string, all: int64 };
      const { even, odd, all } = root
        .apply(create([1, 2, 3]))
        .apply(withSchema(int64))
        .apply(pythonOutputs('par_do', 'outputs', types));
      even!.apply(assertDeepEqual<unknown>(['2']));
      odd!.apply(assertDeepEqual<unknown>(['1', '3']));
      all!.apply(assertDeepEqual<unknown>([1, 2, 3]));
    },
  },
  gives(
    'setup, and the beginning and end of a bundle',
    ['par_do', 'life_cycle', string],
    [1],
    ['setup start process', 'finish'],
  ),
  gives(
    'values are combined, for each key, all, and of nothing',
    ['par_do', 'combined', string],
    [1, 2, 3, 6],
    ['1: 2.0', '0: 4.0', 'all: 3.0', 'none: -1.0'],
  ),
  {
    name: 'Python: PCollections are joined by key',
    build: (root) => {
      const numbers = (...given: number[]) => root.apply(create(given)).apply(withSchema(int64));
      P({ left: numbers(1, 2), right: numbers(3, 5) })
        .apply(python('par_do', 'joined', string))
        .apply(assertDeepEqual(['1 [1] [3, 5]', '0 [2] []']));
    },
  },
  {
    name: 'Python: counters, distributions and gauges',
    build: (root) => {
      root
        .apply(create([1, 2, 3]))
        .apply(withSchema(int64))
        .apply(python('par_do', 'counting', int64))
        .apply(assertDeepEqual([1, 2, 3]));
    },
    after: async (result) => {
      assert.equal((await result.counters()).seen, 3);
      const { sizes } = await result.distributions();
      assert.deepEqual([sizes?.count, sizes?.sum, sizes?.min, sizes?.max], [3, 6, 1, 3]);
      assert.equal((await result.gauges()).last?.value, 7);
    },
  },
  finalized(),
  {
    name: 'Python: elements that only TypeScript can read are refused',
    build: (root) => {
      root.apply(create([{ any: 'thing' }])).apply(python('par_do', 'counting', int64));
    },
    fails: { code: 'NO_PORTABLE_TYPE', message: /only TypeScript can read[\s\S]*withRowCoder/ },
  },
  {
    name: 'Python: windows of a function in TypeScript are refused',
    build: (root) => {
      const own = { ...fixedWindows(10), toProto: () => undefined, beamName: 'own' };
      root
        .apply(create([1]))
        .apply(withSchema(int64))
        .apply(windowInto(own))
        .apply(python('par_do', 'counting', int64));
    },
    fails: { code: 'UNSUPPORTED', message: /window function written in TypeScript/ },
  },
  failing(
    'an exception is told with its transform',
    ['par_do', 'broken'],
    /^[\s\S]*ValueError: I do not like 5[\s\S]*Picky/,
  ),
];

function finalized(): Case {
  let folder = '';
  return {
    name: 'Python: a bundle is finalized once it counts',
    build: (root) => {
      folder = mkdtempSync(join(tmpdir(), 'beambridge-finalized-'));
      root
        .apply(create([1]))
        .apply(withSchema(int64))
        .apply(pythonMade('par_do', 'finalized', { path: join(folder, 'done') }, int64))
        .apply(assertDeepEqual([1]));
    },
    after: () => {
      assert.equal(readFileSync(join(folder, 'done'), 'utf8'), '1\n');
    },
    afterwards: () => rmSync(folder, { recursive: true }),
  };
}

export const pythonSideInputs: Cases = [
  {
    name: 'Python: side inputs of each kind',
    build: (root) => {
      const numbers = (...given: number[]) => root.apply(create(given)).apply(withSchema(int64));
      P({ main: numbers(10), side: numbers(1, 2, 3) })
        .apply(python('side_inputs', 'kinds', string))
        .apply(
          assertDeepEqual([
            'list [1, 2, 3]',
            'iter 6 6',
            "dict [('1', 1), ('2', 2), ('3', 3)]",
            'multimap [1, 3] []',
            'singleton 16',
            'default nothing',
          ]),
        );
    },
  },
  {
    name: 'Python: side inputs are matched by window',
    build: (root) => {
      const numbers = (...given: number[]) => root.apply(create(given)).apply(withSchema(int64));
      P({ main: numbers(1, 6, 12), side: numbers(2, 3, 15) })
        .apply(python('side_inputs', 'by_window', string))
        .apply(assertDeepEqual(['1: [2, 3] [2, 3]', '6: [2, 3] [2, 3]', '12: [15] [15]']));
    },
  },
  {
    name: 'Python: a multimap of a thousand keys',
    build: (root) => {
      const numbers = (...given: number[]) => root.apply(create(given)).apply(withSchema(int64));
      P({ main: numbers(3, 500), side: numbers(1, 2) })
        .apply(python('side_inputs', 'many_keys', string))
        .apply(assertDeepEqual(['[3, 6] [999, 1998]', '[500, 1000] [999, 1998]']));
    },
  },
];

export const pythonState: Cases = [
  gives(
    'state of every kind',
    ['state', 'everything', string],
    [1, 2, 3, 4, 5, 6],
    [
      "odd [1, 3, 5] 9 ['1'] [5, 3, 1] [3]",
      'odd then [] None 0 [5, 1]',
      "even [2, 4, 6] 12 ['0'] [6, 4, 2] [2]",
      'even then [] None 0 [6, 4, 2]',
    ],
  ),
  gives(
    'state is kept for each window',
    ['state', 'by_window', string],
    [1, 2, 11],
    ['k 1', 'k 2', 'k 1'],
  ),
  gives(
    'a timer at the end of a window',
    ['timers', 'at_the_end', string],
    [1, 2, 11],
    ['k 3 at 9999 of 0', 'k 11 at 19999 of 10000'],
  ),
  gives(
    'timers with tags, one taken back',
    ['timers', 'tagged', string],
    [1, 3],
    ['tag1 at 1000', 'tag3 at 3000'],
  ),
  gives('a timer in processing time', ['timers', 'clock', string], [1], ['k fired']),
  gives(
    'a timer that sets itself again',
    ['timers', 'loop', string],
    [5],
    ['tick 1 at 5000', 'tick 2 at 15000', 'tick 3 at 25000'],
  ),
];

const path = join(tmpdir(), `beambridge-lines-${process.pid}.txt`);

export const pythonSources: Cases = [
  gives('a splittable DoFn', ['splittable', 'offsets', int64], [7], [0, 1, 2, 3, 4, 5, 6]),
  gives(
    'an unbounded one that asks to be resumed',
    ['splittable', 'endless', int64],
    [4],
    [0, 1, 2, 3],
  ),
  {
    name: 'Python: a bounded source',
    build: (root) => {
      root.apply(python('splittable', 'countdown', int64)).apply(
        assertContentsSatisfies((all) => {
          assert.deepEqual(
            [...all].sort((a, b) => a - b),
            [...Array(30).keys()],
          );
        }),
      );
    },
  },
  {
    name: 'Python: Create and Reshuffle',
    build: (root) => {
      root.apply(python('splittable', 'created', string)).apply(assertDeepEqual(['a', 'b', 'c']));
    },
  },
  {
    name: 'Python: ReadFromText',
    build: (root) => {
      writeFileSync(path, 'one\ntwo\nthree\n');
      root
        .apply(pythonMade('read', 'ReadFromText', { file_pattern: path }, string))
        .apply(assertDeepEqual(['one', 'two', 'three']));
    },
    afterwards: () => existsSync(path) && rmSync(path),
  },
  failing('a watermark that goes backwards', ['splittable', 'backwards'], /watermark/i),
  failing('a claim outside of the restriction', ['splittable', 'outside'], /-1/),
];
