// SPDX-License-Identifier: Apache-2.0
// What a DoFn reads from a state of a declared type is what the type says of it, in the bundle that wrote it as in
// any later one, so that it does not depend on how fast elements come.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KV } from '../../../../src/coders/index.ts';
import type { ParDoParam } from '../../../../src/pipeline/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import {
  array,
  coderOf,
  float32,
  int64,
  nullable,
  row,
  type SchemaType,
  string,
} from '../../../../src/schema/index.ts';
import {
  type BagState,
  bagState,
  type CombiningState,
  combiningState,
  create,
  type DoFn,
  fromAsyncIterable,
  type MapState,
  type MultimapState,
  mapState,
  multimapState,
  type OrderedListState,
  orderedListState,
  parDo,
  type SetState,
  setState,
  sum,
  type ValueState,
  valueState,
} from '../../../../src/transforms/index.ts';

const PAIRS = [1, 2].map((value) => ({ key: 'k', value }));

/** What a DoFn gives for {@link PAIRS} in one bundle, and in one for each. */
async function inBundles<C extends Record<string, ParDoParam>>(
  doFn: DoFn<KV<string, number>, unknown, C>,
  states: () => C,
): Promise<{ together: unknown[]; apart: unknown[] }> {
  const found = { together: [] as unknown[], apart: [] as unknown[] };
  async function* slowly() {
    for (const pair of PAIRS) {
      yield pair;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
  await createRunner({ runner: 'node', progress: false }).run((root) => {
    root
      .apply(create(PAIRS))
      .apply(parDo(doFn, states()))
      .map((one) => found.together.push(one));
    root
      .apply(fromAsyncIterable(slowly))
      .apply(parDo(doFn, states()))
      .map((one) => found.apart.push(one));
  });
  return found;
}

const VALUES: Record<string, [type: SchemaType<unknown>, given: unknown, stored: unknown]> = {
  'a float32': [float32, 0.1, Math.fround(0.1)],
  'a negative zero as an integer': [int64, -0, 0],
  'a row without a field': [row({ a: int64, b: nullable(string) }), { a: 1 }, { a: 1, b: null }],
  'fields in another order': [row({ a: int64, b: int64 }), { b: 2, a: 1 }, { a: 1, b: 2 }],
  'a typed array': [array(float32), Float32Array.of(1, 2), [1, 2]],
  'an undefined value': [nullable(string), undefined, null],
};

interface States extends Record<string, ParDoParam> {
  value: ValueState<unknown>;
  bag: BagState<unknown>;
  map: MapState<string, unknown>;
  multimap: MultimapState<string, unknown>;
  ordered: OrderedListState<unknown>;
}

for (const [name, [type, given, stored]] of Object.entries(VALUES)) {
  test(`${name} is read as its type has it`, async () => {
    const reading: DoFn<KV<string, number>, unknown, States> = {
      async process({ value: at }, { value, bag, map, multimap, ordered }) {
        if (at === 1) {
          value.write(given);
          bag.add(given);
          map.set('a', given);
          multimap.add('a', given);
          ordered.add(0, given);
        }
        const read = [
          await value.read(),
          ...(await bag.read()),
          await map.get('a'),
          ...(await map.read()).map(([, one]) => one),
          ...(await multimap.get('a')),
          ...(await ordered.read()).map((timed) => timed.value),
        ];
        return [read.map((one) => `${JSON.stringify(one)} ${Object.is(one, -0)}`).join()];
      },
    };
    const { together, apart } = await inBundles(reading, () => ({
      value: valueState(type),
      bag: bagState(type),
      map: mapState(string, type),
      multimap: multimapState(string, type),
      ordered: orderedListState(type),
    }));
    const right = Array(6)
      .fill(`${JSON.stringify(stored)} false`)
      .join();
    assert.deepEqual(together, [right, right]);
    assert.deepEqual(apart, [right, right]);
  });
}

test('a sum in float32 grows by what the type says, however many come together', async () => {
  const adding: DoFn<
    KV<string, number>,
    unknown,
    { total: ValueState<number>; combined: CombiningState<number, number> }
  > = {
    async process(_, { total, combined }) {
      total.write(((await total.read()) ?? 0) + 0.1);
      combined.add(0.1);
      return [[await total.read(), await combined.read()]];
    },
  };
  const { together, apart } = await inBundles(adding, () => ({
    total: valueState(float32),
    combined: combiningState(sum, float32),
  }));
  const once = Math.fround(0.1);
  const right = [
    [once, once],
    [Math.fround(once + 0.1), once + once],
  ];
  assert.deepEqual(together, right);
  assert.deepEqual(apart, right);
});

test('an accumulator that was read is what its coder says of it from then on', async () => {
  const float32Sum = {
    createAccumulator: () => 0,
    addInput: (total: number, x: number) => total + x,
    mergeAccumulators: (all: Iterable<number>) => [...all].reduce((total, x) => total + x, 0),
    extractOutput: (total: number) => total,
    accumulatorCoder: () => coderOf(float32),
  };
  const doFn: DoFn<KV<string, number>, unknown, { total: CombiningState<number, number> }> = {
    async process(_, { total }) {
      total.add(0.1);
      total.add(0.2);
      return [await total.read()];
    },
  };
  const { together, apart } = await inBundles(doFn, () => ({
    total: combiningState(float32Sum, float32),
  }));
  const once = Math.fround(0.1) + Math.fround(0.2);
  assert.deepEqual(together, [once, Math.fround(once) + once]);
  assert.deepEqual(apart, together);
});

test('what does not fit the type of a state fails where it is written, and leaves what was there', async () => {
  const doFn: DoFn<KV<string, number>, unknown, { one: ValueState<{ a: number }> }> = {
    async process({ value: at }, { one }) {
      if (at === 1) {
        one.write({ a: 1 });
        return [];
      }
      const wrong = { a: 1, extra: 1 };
      assert.throws(() => one.write(wrong), { code: 'ROW_MISMATCH' });
      return [await one.read()];
    },
  };
  const { together, apart } = await inBundles(doFn, () => ({ one: valueState(row({ a: int64 })) }));
  assert.deepEqual(together, [{ a: 1 }]);
  assert.deepEqual(apart, [{ a: 1 }]);
});

test('a key of a map that is changed after it was removed or asked for stays the key that it was', async () => {
  interface Key {
    id: number;
  }
  const doFn: DoFn<
    KV<string, number>,
    unknown,
    { map: MapState<Key, string>; set: SetState<Key> }
  > = {
    async process({ value: at }, { map, set }) {
      if (at === 2) return [[await map.read(), await set.read()]];
      for (const id of [1, 2]) {
        map.set({ id }, `number ${id}`);
        set.add({ id });
      }
      const key = { id: 1 };
      const asked = map.get(key);
      map.remove(key);
      set.remove(key);
      key.id = 2;
      assert.equal(await asked, 'number 1');
      return [];
    },
  };
  const key = row({ id: int64 });
  const { together, apart } = await inBundles(doFn, () => ({
    map: mapState(key, string),
    set: setState(key),
  }));
  const right = [[[[{ id: 2 }, 'number 2']], [{ id: 2 }]]];
  assert.deepEqual(together, right);
  assert.deepEqual(apart, right);
});
