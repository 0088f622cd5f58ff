// SPDX-License-Identifier: Apache-2.0
// PCollections put together and taken apart.

import { StrUtf8Coder } from '../../../src/coders/index.ts';
import { P } from '../../../src/pipeline/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import { create, flatten, partition, reshuffle, split } from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

export const shaping: Cases = [
  {
    name: 'flatten puts PCollections together',
    build: (root) => {
      const a = root.apply(create([1, 2]));
      const b = root.apply(create([2, 3]));
      P([a, b])
        .apply(flatten())
        .apply(assertDeepEqual([1, 2, 2, 3]));
    },
  },
  {
    name: 'flatten of PCollections with different coders',
    build: (root) => {
      const text = root.apply(create(['a'], { coder: new StrUtf8Coder() }));
      const plain = root.apply(create([1]));
      P([text, plain])
        .apply(flatten())
        .apply(reshuffle())
        .apply(assertDeepEqual<string | number>(['a', 1]));
    },
  },
  {
    name: 'flatten of one PCollection, twice of the same, and of none',
    build: (root) => {
      const a = root.apply(create([1]));
      P([a])
        .apply(flatten())
        .apply(assertDeepEqual([1]));
      P([a, a])
        .apply(flatten())
        .apply(assertDeepEqual([1, 1]));
      P([]).apply(flatten<number>(), root).apply(assertDeepEqual<number>([]));
    },
  },
  {
    name: 'partition, with an empty part',
    build: (root) => {
      const [small, none, large] = root
        .apply(create([1, 20, 3, 40]))
        .apply(partition((n) => (n < 10 ? 0 : 2), 3));
      small!.apply(assertDeepEqual([1, 3]));
      none!.apply(assertDeepEqual<number>([]));
      large!.apply(assertDeepEqual([20, 40]));
    },
  },
  {
    name: 'partition with an async function',
    build: (root) => {
      const [even, odd] = root.apply(create([1, 2])).apply(partition(async (n) => n % 2, 2));
      even!.apply(assertDeepEqual([2]));
      odd!.apply(assertDeepEqual([1]));
    },
  },
  {
    name: 'a partition that does not exist fails the run',
    build: (root) => {
      root.apply(create([1])).apply(partition((n) => n, 1));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /gave partition 1/ },
  },
  {
    name: 'split by the one field of each element',
    build: (root) => {
      const { good, bad } = root
        .apply(create(['x', '']))
        .map((line) => (line ? { good: line } : { bad: 0 }))
        .apply(split(['good', 'bad']));
      good.apply(assertDeepEqual(['x']));
      bad.apply(assertDeepEqual([0]));
    },
  },
  {
    name: 'split elements with several fields, others ignored or renamed',
    build: (root) => {
      type Element = { a?: number; b?: number; c?: number; rest?: number };
      const input = root.apply(create<Element>([{ a: 1 }, { b: 10 }, { a: 2, b: 20, c: 30 }]));
      const ignored = input.apply(
        split(['a', 'b'], { exclusive: false, unknownTagBehavior: 'ignore' }),
      );
      ignored.a.apply(assertDeepEqual([1, 2]));
      ignored.b.apply(assertDeepEqual([10, 20]));
      const renamed = input.apply(
        split(['a'], { exclusive: false, unknownTagBehavior: 'rename', unknownTagName: 'rest' }),
      );
      renamed.a.apply(assertDeepEqual([1, 2]));
      renamed.rest.apply(assertDeepEqual([10, 20, 30]));
    },
  },
  {
    name: 'split of an element with two fields fails the run while exclusive',
    build: (root) => {
      root.apply(create([{ a: 1, b: 2 }])).apply(split(['a', 'b']));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /2 fields/ },
  },
  {
    name: 'split of an element with an unknown field fails the run',
    build: (root) => {
      root.apply(create([{ c: 1 } as { a?: number }])).apply(split(['a']));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /field "c"/ },
  },
  {
    name: 'reshuffle changes nothing about elements',
    build: (root) => {
      root
        .apply(create([1, 2, 2]))
        .apply(reshuffle())
        .apply(assertDeepEqual([1, 2, 2]));
    },
  },
];
