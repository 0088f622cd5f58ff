// SPDX-License-Identifier: Apache-2.0
// Side inputs of every kind, matched by window.

import type { KV } from '../../../src/coders/index.ts';
import type { PCollection } from '../../../src/pipeline/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';
import {
  assignTimestamps,
  combineGlobally,
  create,
  fixedWindows,
  globalWindows,
  iterableSideInput,
  listSideInput,
  mapSideInput,
  multimapSideInput,
  singletonSideInput,
  slidingWindows,
  sum,
  windowInto,
} from '../../../src/transforms/index.ts';
import type { Cases } from '../case.ts';

export const sideInputs: Cases = [
  {
    name: 'an iterable, of many, of one and of none',
    build: (root) => {
      const main = root.apply(create([1]));
      for (const contents of [[1, 2, 3], [7], []]) {
        const side = root.apply(create<number>(contents));
        main
          .map((n, { side }) => n + [...side.lookup()].length, { side: iterableSideInput(side) })
          .apply(assertDeepEqual([1 + contents.length]));
      }
    },
  },
  {
    name: 'a list, and a side input as the whole context',
    build: (root) => {
      const side = root.apply(create(['a', 'b']));
      root
        .apply(create([1]))
        .map((_, list) => [...list.lookup()].sort().join(), listSideInput(side))
        .apply(assertDeepEqual(['a,b']));
    },
  },
  {
    name: 'a singleton, and a default for none',
    build: (root) => {
      const input = root.apply(create([1, 2, 1]));
      const total = input.apply(combineGlobally(sum));
      const none = root.apply(create<number>([]));
      input
        .map((n, { total, none }) => n / total.lookup() + none.lookup(), {
          total: singletonSideInput(total),
          none: singletonSideInput(none, 10),
        })
        .apply(assertDeepEqual([10.25, 10.5, 10.25]));
    },
  },
  {
    name: 'a singleton of two elements fails the run',
    build: (root) => {
      const side = root.apply(create([1, 2]));
      root.apply(create([1])).map((n, s) => n + s.lookup(), singletonSideInput(side));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /found 2 elements/ },
  },
  {
    name: 'a singleton of nothing without a default fails the run',
    build: (root) => {
      const side = root.apply(create<number>([]));
      root.apply(create([1])).map((n, s) => n + s.lookup(), singletonSideInput(side));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /found 0 elements/ },
  },
  {
    name: 'a map and a multimap',
    build: (root) => {
      const prices = root.apply(
        create([
          { key: 'apple', value: 2 },
          { key: 'pear', value: 3 },
        ]),
      );
      const shops = root.apply(
        create([
          { key: 'apple', value: 'x' },
          { key: 'apple', value: 'y' },
        ]),
      );
      root
        .apply(create(['apple', 'pear', 'plum']))
        .map(
          (fruit, { price, shop }) =>
            `${fruit} ${price.lookup().get(fruit)} ${shop.lookup().get(fruit)?.toSorted()}`,
          { price: mapSideInput(prices), shop: multimapSideInput(shops) },
        )
        .apply(assertDeepEqual(['apple 2 x,y', 'pear 3 undefined', 'plum undefined undefined']));
    },
  },
  {
    name: 'a map with two values for a key fails the run',
    build: (root) => {
      const side = root.apply(
        create([
          { key: 'a', value: 1 },
          { key: 'a', value: 2 },
        ]),
      );
      root.apply(create(['a'])).map((k, m) => m.lookup().get(k), mapSideInput(side));
    },
    fails: { code: 'INVALID_ARGUMENT', message: /two values for the key string "a"/ },
  },
  {
    name: 'flatMap, filter and DoFns have side inputs too',
    build: (root) => {
      const stop = root.apply(create(['the', 'a']));
      root
        .apply(create(['the cat', 'a dog']))
        .flatMap((line, { stop }) => line.split(' ').filter((w) => !stop.lookup().includes(w)), {
          stop: listSideInput(stop),
        })
        .filter((word, stop) => !stop.lookup().includes(word), listSideInput(stop))
        .apply(assertDeepEqual(['cat', 'dog']));
    },
  },
  {
    name: 'one side input object in two transforms under two names',
    build: (root) => {
      const side = iterableSideInput(root.apply(create([5])));
      const main = root.apply(create([1]));
      main
        .map((n, { first }) => n + [...first.lookup()][0]!, { first: side })
        .apply(assertDeepEqual([6]));
      main
        .map((n, { second }) => n - [...second.lookup()][0]!, { second: side })
        .apply(assertDeepEqual([-4]));
    },
  },
  {
    name: 'a window sees the side input of its own window',
    build: (root) => {
      const at = (seconds: number[]) =>
        root
          .apply(create(seconds))
          .apply(assignTimestamps((s) => s * 1000))
          .apply(windowInto(fixedWindows(10)));
      at([1, 11, 21])
        .map((n, side) => `${n}: ${[...side.lookup()].sort()}`, listSideInput(at([2, 3, 12])))
        .apply(assertDeepEqual(['1: 2,3', '11: 12', '21: ']));
    },
  },
  {
    name: 'windows of the main input see a side input in the global window',
    build: (root) => {
      const side = root.apply(create([100])).apply(windowInto(globalWindows()));
      root
        .apply(create([1, 11]))
        .apply(assignTimestamps((s) => s * 1000))
        .apply(windowInto(fixedWindows(10)))
        .map((n, side) => n + side.lookup(), singletonSideInput(side))
        .apply(assertDeepEqual([101, 111]));
    },
  },
  {
    name: 'an element in several windows sees the side input of each',
    build: (root) => {
      const side = root
        .apply(create([2, 7]))
        .apply(assignTimestamps((s) => s * 1000))
        .apply(windowInto(fixedWindows(5)));
      root
        .apply(create(['x']))
        .apply(assignTimestamps(() => 6000))
        .apply(windowInto(slidingWindows(10, 5)))
        .map((x, side) => `${x} ${side.lookup()}`, listSideInput(side))
        // The windows [0, 10) and [5, 15) end in the fixed windows [5, 10) and [10, 15).
        .apply(assertDeepEqual(['x 7', 'x ']));
    },
  },
  {
    name: 'a map of elements without a key is refused',
    build: (root) => {
      const rows = root.apply(create([{ id: 1 }])) as PCollection<unknown>;
      const side = mapSideInput(rows as PCollection<KV<number, number>>);
      root.apply(create([1])).map((n, { side }) => n + side.lookup().size, { side });
    },
    fails: {
      code: 'CODER_MISMATCH',
      message:
        /an element with a key is needed here, and not Object \{id\}[\s\S]*in transform: map/,
    },
  },
];
