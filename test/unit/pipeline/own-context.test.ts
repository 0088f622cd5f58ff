// SPDX-License-Identifier: Apache-2.0
// Functions and DoFns that bring their context along.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  counter,
  create,
  createRunner,
  extractContext,
  extractName,
  map,
  parDo,
  withContext,
} from '../../../src/index.ts';
import { assertDeepEqual } from '../../../src/testing/index.ts';

test('a function is applied with the context that it brings, and keeps its name', async () => {
  const add = (x: number, { by }: { by: number }) => x + by;
  const two = withContext(add, { by: 2 });
  const three = withContext(add, { by: 3 });
  assert.equal(extractName(two), 'add');
  assert.deepEqual([extractContext(two), extractContext(add)], [{ by: 2 }, undefined]);
  await createRunner().run((root) => {
    const numbers = root.apply(create([1]));
    numbers.apply(map(two as (x: number) => number)).apply(assertDeepEqual([3]));
    numbers.apply(map(three as (x: number) => number)).apply(assertDeepEqual([4]));
    // A context that is given where it is applied comes first.
    numbers.map(three, { by: 10 }).apply(assertDeepEqual([11]));
  });
});

test('a DoFn with private fields keeps them', async () => {
  class Count {
    #seen = 0;
    *process(element: string, { all }: { all: ReturnType<typeof counter> }) {
      this.#seen++;
      all.increment();
      yield `${element}${this.#seen}`;
    }
  }
  const result = await createRunner().run((root) => {
    root
      .apply(create(['a', 'b']))
      .apply(parDo(withContext(new Count(), { all: counter('all') })))
      .apply(assertDeepEqual(['a1', 'b2']));
  });
  assert.deepEqual(await result.counters(), { all: 2 });
});

test('what is neither is refused', () => {
  assert.throws(() => withContext(3 as unknown as object, {}), { code: 'INVALID_ARGUMENT' });
});
