// SPDX-License-Identifier: Apache-2.0
// Transforms of one element at a time.

import { setTimeout as delay } from 'node:timers/promises';
import { assertContentsSatisfies, assertDeepEqual } from '../../../src/testing/index.ts';
import {
  create,
  filter,
  flatMap,
  impulse,
  map,
  parDo,
  TaggedOutput,
  withName,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

export const elementwise: Cases = [
  {
    name: 'impulse gives one empty element',
    build: (root) => {
      root
        .apply(impulse())
        .map((bytes) => bytes.length)
        .apply(assertDeepEqual([0]));
    },
  },
  {
    name: 'create gives its elements, as often as they are there',
    build: (root) => root.apply(create([3, 1, 3])).apply(assertDeepEqual([1, 3, 3])),
  },
  {
    name: 'create of nothing is empty',
    build: (root) => root.apply(create<number>([])).apply(assertDeepEqual<number>([])),
  },
  {
    name: 'create without a reshuffle',
    build: (root) => root.apply(create(['a', 'b'], false)).apply(assertDeepEqual(['b', 'a'])),
  },
  {
    name: 'create of many elements in chunks',
    build: (root) => {
      root.apply(create(Array.from({ length: 20_000 }, (_, i) => i))).apply(
        assertContentsSatisfies((all) => {
          if (new Set(all).size !== 20_000) throw new Error(`${new Set(all).size} came`);
        }),
      );
    },
  },
  {
    name: 'changing an element after create changes nothing',
    build: (root) => {
      const element = { n: 1 };
      root.apply(create([element])).apply(assertDeepEqual([{ n: 1 }]));
      element.n = 2;
    },
  },
  {
    name: 'map, flatMap and filter',
    build: (root) => {
      root
        .apply(create(['a b', 'c']))
        .flatMap((line) => line.split(' '))
        .map((word) => word.toUpperCase())
        .filter((word) => word !== 'B')
        .apply(assertDeepEqual(['A', 'C']));
    },
  },
  {
    name: 'map, flatMap and filter applied by name',
    build: (root) => {
      root
        .apply(create(['a b', 'c']))
        .apply(flatMap((line) => line.split(' ')))
        .apply(
          withName(
            'shout',
            map((word: string) => word.toUpperCase()),
          ),
        )
        .apply(filter((word) => word !== 'B'))
        .apply(assertDeepEqual(['A', 'C']));
    },
  },
  {
    name: 'async functions are awaited',
    build: (root) => {
      root
        .apply(create([1, 2, 3]))
        .map(async (n) => {
          await delay(1);
          return n * 10;
        })
        .filter(async (n) => n !== 20)
        .flatMap(async (n) => [n, n + 1])
        .apply(assertDeepEqual([10, 11, 30, 31]));
    },
  },
  {
    name: 'generators give many outputs',
    build: (root) => {
      root
        .apply(create([2, 3]))
        .flatMap(function* times(n) {
          for (let i = 0; i < n; i++) yield n;
        })
        .flatMap(async function* twice(n) {
          yield n;
          await delay(1);
          yield -n;
        })
        .apply(assertDeepEqual([2, -2, 2, -2, 3, -3, 3, -3, 3, -3]));
    },
  },
  {
    name: 'a second argument is passed as it is',
    build: (root) => {
      root
        .apply(create([1, 2]))
        .map((n, add) => n + add, 100)
        .apply(assertDeepEqual([101, 102]));
    },
  },
  {
    name: 'a DoFn may output nothing, one or many',
    build: (root) => {
      root
        .apply(create([0, 1, 2]))
        .apply(
          parDo({
            process(n: number) {
              if (n === 0) return undefined;
              return Array.from({ length: n }, () => n);
            },
          }),
        )
        .apply(assertDeepEqual([1, 2, 2]));
    },
  },
  {
    name: 'tagged outputs go where they are tagged to',
    build: (root) => {
      const { even, odd } = root.apply(create([1, 2, 3, 4])).apply(
        parDo({
          *process(n: number) {
            if (n % 2 === 0) yield n;
            else yield new TaggedOutput('odd', `${n}`);
          },
        }).withOutputs<{ even: number; odd: string }>({ main: 'even', tags: ['odd'] }),
      );
      even.apply(assertDeepEqual([2, 4]));
      odd.apply(assertDeepEqual(['1', '3']));
    },
  },
  {
    name: 'an output that nobody reads is dropped',
    build: (root) => {
      const { odd } = root.apply(create([1, 2, 3])).apply(
        parDo({
          *process(n: number) {
            yield n;
            yield new TaggedOutput('odd', n);
            yield new TaggedOutput('unused', n);
          },
        }).withOutputs<{ main: number; odd: number; unused: number }>({
          main: 'main',
          tags: ['odd', 'unused'],
        }),
      );
      odd.apply(assertDeepEqual([1, 2, 3]));
    },
  },
  {
    name: 'an exception fails the run, with the transform and its message',
    build: (root) => {
      root.apply(create([1, 2, 3])).map(function explode(n) {
        if (n === 2) throw new RangeError('two is too much');
        return n;
      });
    },
    fails: { code: 'USER_CODE_FAILED', message: /two is too much[\s\S]*map\(explode\)/ },
  },
  {
    name: 'a rejected promise fails the run',
    build: (root) => {
      root.apply(create([1])).map(async () => Promise.reject(new Error('no luck')));
    },
    fails: { code: 'USER_CODE_FAILED', message: /no luck/ },
  },
  {
    name: 'an assertion that does not hold fails the run',
    build: (root) => root.apply(create([1, 2, 3])).apply(assertDeepEqual([1, 2])),
    fails: { code: 'ASSERTION_FAILED', message: /3 found, 2 expected/ },
  },
  {
    name: 'an assertion about an empty PCollection is checked',
    build: (root) => {
      root
        .apply(create([1]))
        .filter(() => false)
        .apply(assertDeepEqual([1]));
    },
    fails: { code: 'ASSERTION_FAILED', message: /0 found, 1 expected/ },
  },
];
