// SPDX-License-Identifier: Apache-2.0
// Groupings by key.

import type { KV } from '../../../src/coders/index.ts';
import { P, type PCollection, type Root } from '../../../src/pipeline/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  coGroupBy,
  create,
  groupBy,
  groupByKey,
  groupGlobally,
  max,
  sum,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

function sorted<K, V>({ key, value }: { key: K; value: Iterable<V> }) {
  return { key, value: [...value].sort() };
}

const people = [
  { name: 'ada', city: 'london', born: 1815 },
  { name: 'alan', city: 'london', born: 1912 },
  { name: 'emmy', city: 'erlangen', born: 1882 },
];

/** With fields that are named as what every object inherits. */
type Odd = Record<'__proto__' | 'valueOf', number>;

export const grouping: Cases = [
  {
    name: 'groupByKey brings the values of a key together',
    build: (root) => {
      root
        .apply(
          create([
            { key: 'a', value: 1 },
            { key: 'b', value: 2 },
            { key: 'a', value: 3 },
          ]),
        )
        .apply(groupByKey())
        .map(sorted)
        .apply(
          assertDeepEqual([
            { key: 'a', value: [1, 3] },
            { key: 'b', value: [2] },
          ]),
        );
    },
  },
  {
    name: 'keys are equal in contents, whatever the order of their fields',
    build: (root) => {
      root
        .apply(
          create([
            { key: { x: 1, y: [2] } as { x: number; y: number[] }, value: 'first' },
            { key: { y: [2], x: 1 }, value: 'second' },
            { key: { x: 1, y: [3] }, value: 'third' },
          ]),
        )
        .apply(groupByKey())
        .map(sorted)
        .apply(
          assertDeepEqual([
            { key: { x: 1, y: [2] }, value: ['first', 'second'] },
            { key: { x: 1, y: [3] }, value: ['third'] },
          ]),
        );
    },
  },
  {
    name: 'null, undefined, 0 and the empty string are four keys',
    build: (root) => {
      root
        .apply(create([null, undefined, 0, '', 0, -0]))
        .map((key) => ({ key, value: 1 }))
        .apply(groupByKey())
        .map(({ key, value }) => [key, [...value].length])
        .apply(
          assertDeepEqual<unknown>([
            [null, 1],
            [undefined, 1],
            [0, 3],
            ['', 1],
          ]),
        );
    },
  },
  {
    name: 'a key with many values',
    build: (root) => {
      root
        .apply(create(Array.from({ length: 5000 }, (_, i) => ({ key: i % 2, value: i }))))
        .apply(groupByKey())
        .map(({ key, value }) => [key, [...value].length])
        .apply(
          assertDeepEqual([
            [0, 2500],
            [1, 2500],
          ]),
        );
    },
  },
  {
    name: 'groupBy a field',
    build: (root) => {
      root
        .apply(create(people))
        .apply(groupBy('city'))
        .map(({ key, value }) => `${key}: ${[...value].map((p) => p.name).sort()}`)
        .apply(assertDeepEqual(['london: ada,alan', 'erlangen: emmy']));
    },
  },
  {
    name: 'groupBy several fields',
    build: (root) => {
      root
        .apply(create([...people, { ...people[0]!, name: 'augusta' }]))
        .apply(groupBy(['city', 'born']))
        .map(({ key, value }) => ({ key, value: [...value].length }))
        .apply(
          assertDeepEqual<{ key: [string, number]; value: number }>([
            { key: ['london', 1815], value: 2 },
            { key: ['london', 1912], value: 1 },
            { key: ['erlangen', 1882], value: 1 },
          ]),
        );
    },
  },
  {
    name: 'groupBy a function, async too',
    build: (root) => {
      root
        .apply(create(['apple', 'apricot', 'banana']))
        .apply(groupBy(async (word) => word[0]))
        .map(sorted)
        .apply(
          assertDeepEqual<{ key: string | undefined; value: string[] }>([
            { key: 'a', value: ['apple', 'apricot'] },
            { key: 'b', value: ['banana'] },
          ]),
        );
    },
  },
  {
    name: 'groupBy a field that is missing fails the run',
    build: (root) => {
      root.apply(create([{ a: 1 }, {} as { a: number }])).apply(groupBy('a'));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /no field "a"/ },
  },
  {
    name: 'fields may be called as what every object inherits, and what it inherits is no field',
    build: (root) => {
      const odd = JSON.parse('[{"__proto__":7,"valueOf":1},{"__proto__":7,"valueOf":2}]');
      const rows = root.apply(create(odd as Odd[]));
      rows
        .apply(groupBy('__proto__'))
        .map(({ key, value }) => `${key} ${[...value].map((row) => row.valueOf).sort()}`)
        .apply(assertDeepEqual(['7 1,2']));
      rows
        .apply(groupBy('__proto__').combining('valueOf', sum, 'constructor'))
        .map((row) => JSON.stringify(Object.entries(row).sort()))
        .apply(assertDeepEqual(['[["__proto__",7],["constructor",3]]']));
      rows
        .apply(groupBy((_: Odd) => 'k').combining((row) => row.valueOf, max, '__proto__'))
        .map((row) => JSON.stringify(Object.entries(row).sort()))
        .apply(assertDeepEqual(['[["__proto__",2],["key","k"]]']));
    },
  },
  ...['valueOf', 'constructor', '__proto__'].map((name) => ({
    name: `groupBy ${name} of elements that only inherit it fails the run`,
    build: (root: Root) => {
      root.apply(create([{ a: 1 }])).apply(groupBy(name as 'a'));
    },
    fails: { code: 'INVALID_ARGUMENT' as const, message: new RegExp(`no field "${name}"`) },
  })),
  {
    name: 'groupGlobally gives everything at once, and nothing of nothing',
    build: (root) => {
      root
        .apply(create([3, 1, 2]))
        .apply(groupGlobally())
        .map((all) => [...all].sort())
        .apply(assertDeepEqual([[1, 2, 3]]));
      root.apply(create<number>([])).apply(groupGlobally()).apply(assertDeepEqual<never>([]));
    },
  },
  {
    name: 'grouped values can be emitted as they are',
    build: (root) => {
      root
        .apply(create([{ key: 1, value: 'a' }]))
        .apply(groupByKey())
        .map((group) => group)
        .apply(assertDeepEqual<unknown>([{ key: 1, value: ['a'] }]));
    },
  },
  {
    name: 'coGroupBy joins by a field, keys on one side included',
    build: (root) => {
      const users = root.apply(
        create([
          { id: 1, name: 'ada' },
          { id: 2, name: 'alan' },
        ]),
      );
      const orders = root.apply(
        create([
          { id: 1, item: 'engine' },
          { id: 3, item: 'lost' },
        ]),
      );
      P({ users, orders })
        .apply(coGroupBy('id'))
        .apply(
          assertDeepEqual<unknown>([
            {
              key: 1,
              values: { users: [{ id: 1, name: 'ada' }], orders: [{ id: 1, item: 'engine' }] },
            },
            { key: 2, values: { users: [{ id: 2, name: 'alan' }], orders: [] } },
            { key: 3, values: { users: [], orders: [{ id: 3, item: 'lost' }] } },
          ]),
        );
    },
  },
  {
    name: 'coGroupBy with a function',
    build: (root) => {
      const a = root.apply(create(['x', 'yy']));
      const b = root.apply(create([2]));
      P({ a, b })
        .apply(coGroupBy((e) => (typeof e === 'string' ? e.length : e)))
        .apply(
          assertDeepEqual<unknown>([
            { key: 1, values: { a: ['x'], b: [] } },
            { key: 2, values: { a: ['yy'], b: [2] } },
          ]),
        );
    },
  },
  {
    name: 'groupByKey refuses an element without a key',
    build: (root) => {
      const rows = root.apply(create([{ id: 1 }])) as PCollection<unknown>;
      (rows as PCollection<KV<string, number>>).apply(groupByKey());
    },
    fails: {
      code: 'CODER_MISMATCH',
      message:
        /an element with a key is needed here, and not Object \{id\}[\s\S]*in transform: groupByKey/,
    },
  },
];
