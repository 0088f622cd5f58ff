// SPDX-License-Identifier: Apache-2.0
// State changes by writing alone: objects that are read, changed and given away are the same in one long bundle, in
// a bundle for each element, and behind a grouping.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KV, requireForSerialization } from '../../../../src/coders/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { int64, row, string } from '../../../../src/schema/index.ts';
import {
  type BagState,
  bagState,
  type CombineFn,
  type CombiningState,
  combiningState,
  create,
  type DoFn,
  fromAsyncIterable,
  groupByKey,
  type MapState,
  type MultimapState,
  mapState,
  multimapState,
  type OrderedListState,
  orderedListState,
  parDo,
  type ValueState,
  valueState,
} from '../../../../src/transforms/index.ts';

interface Box {
  n: number;
}
class Counted implements Box {
  n = 0;
}
requireForSerialization('state-copies', { Counted });
interface States {
  value: ValueState<Box>;
  bag: BagState<Box>;
  map: MapState<string, Box>;
  multimap: MultimapState<string, Box>;
  ordered: OrderedListState<Box>;
  combining: CombiningState<Box, Box[]>;
}

const listed: CombineFn<Box, Box[], Box[]> = {
  createAccumulator: () => [],
  addInput: (list, box) => [...list, box],
  mergeAccumulators: (lists) => [...lists].flat(),
  extractOutput: (list) => list,
};
const states = (): States => ({
  value: valueState(),
  bag: bagState(),
  map: mapState(),
  multimap: multimapState(),
  ordered: orderedListState(),
  combining: combiningState(listed),
});
const PAIRS = [1, 2, 3].map((value) => ({ key: 'k', value }));

/** Reads each state, changes what it read, and says what is in it then. */
const changing = (newBox: () => Box): DoFn<KV<string, number>, string, States> => ({
  async process({ value: at }, { value, bag, map, multimap, ordered, combining }) {
    const boxes = Array.from({ length: 6 }, newBox);
    if (at === 1) {
      value.write(boxes[0]!);
      bag.add(boxes[1]!);
      map.set('a', boxes[2]!);
      multimap.add('a', boxes[3]!);
      ordered.add(0, boxes[4]!);
      combining.add(boxes[5]!);
    }
    // What was written, and what is read.
    for (const box of boxes) box.n += 10;
    const read = async () =>
      [
        await value.read(),
        ...(await bag.read()),
        await map.get('a'),
        ...(await map.read()).map(([, box]) => box),
        ...(await multimap.get('a')),
        ...(await multimap.read()).flatMap(([, all]) => all),
        ...(await ordered.read()).map((timed) => timed.value),
        ...(await combining.read()),
      ] as Box[];
    for (const box of await read()) box.n += 1;
    return [(await read()).map(({ n }) => n).join()];
  },
});
/** Nobody registered it: the type that a state declares says what is kept of one. */
class Unknown implements Box {
  #out = 'of sight';
  n = 0;
  get hidden() {
    return this.#out;
  }
}
const box = row({ n: int64 });
const declaredStates = (): States => ({
  value: valueState(box),
  bag: bagState(box),
  map: mapState(string, box),
  multimap: multimapState(string, box),
  ordered: orderedListState(box),
  combining: combiningState(listed, box),
});
const BOXES: Record<string, [() => Box, () => States]> = {
  objects: [() => ({ n: 0 }), states],
  'registered instances': [() => new Counted(), states],
  'objects of a declared type': [() => ({ n: 0 }), declaredStates],
  'instances of a declared type': [() => new Unknown(), declaredStates],
};

for (const forceEncoding of [false, true]) {
  for (const [kind, [newBox, newStates]] of Object.entries(BOXES)) {
    test(`what is changed and not written is forgotten: ${kind}, in bundles of any size${forceEncoding ? ', checked' : ''}`, async () => {
      const runner = createRunner({ runner: 'node', forceEncoding });
      const found: string[] = [];
      await runner.run((root) => {
        root
          .apply(create(PAIRS))
          .apply(parDo(changing(newBox), newStates()))
          .map((all) => found.push(all));
        async function* slowly() {
          for (const pair of PAIRS) {
            yield pair;
            await new Promise((resolve) => setTimeout(resolve, 30));
          }
        }
        root
          .apply(fromAsyncIterable(slowly))
          .apply(parDo(changing(newBox), newStates()))
          .map((all) => found.push(all));
      });
      assert.deepEqual(found, Array(6).fill(Array(8).fill(0).join()));
    });
  }

  test(`what is changed, written and given away stays what it was${forceEncoding ? ', checked' : ''}`, async () => {
    const counting: DoFn<KV<string, number>, KV<string, Box>, { value: ValueState<Box> }> = {
      async process({ key }, { value }) {
        const box = (await value.read()) ?? { n: 0 };
        box.n += 1;
        value.write(box);
        return [{ key, value: box }];
      },
    };
    const found: number[][] = [];
    await createRunner({ runner: 'node', forceEncoding }).run((root) => {
      root
        .apply(create(PAIRS))
        .apply(parDo(counting, { value: valueState<Box>() }))
        .apply(groupByKey())
        .map(({ value }) => found.push([...(value as Iterable<Box>)].map(({ n }) => n).sort()));
    });
    assert.deepEqual(found, [[1, 2, 3]]);
  });
}
