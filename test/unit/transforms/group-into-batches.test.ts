// SPDX-License-Identifier: Apache-2.0
// Which timers groupIntoBatches touches: Prism fires a processing-time timer at once that is cleared, and
// would go on for ever with one that is cleared each time it fires.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pipeline, type RegisteredParDo, Root } from '../../../src/pipeline/index.ts';
import { create, groupIntoBatches } from '../../../src/transforms/index.ts';

type Calls = (element: { key: string; value: number }) => Promise<unknown[]>;

/** The DoFn of two to a batch, with a context that writes down what is done to timers. */
function batches(maxBufferingDurationMs: number) {
  const pipeline = new Pipeline();
  new Root(pipeline)
    .apply(create([{ key: 'a', value: 1 }]))
    .apply(groupIntoBatches(2, { maxBufferingDurationMs }));
  const found = [...pipeline.functions.values()].find(
    (each) => (each as RegisteredParDo).user?.kind === 'doFn',
  ) as RegisteredParDo;
  const { doFn } = found.user as unknown as {
    doFn: { process: unknown; onTimer: unknown };
  };
  const done: string[] = [];
  const held: number[] = [];
  let count: number | null = null;
  const timer = (name: string) => ({
    set: () => void done.push(`set ${name}`),
    setRelative: () => void done.push(`set ${name}`),
    clear: () => void done.push(`clear ${name}`),
  });
  const context = {
    values: {
      add: (value: number) => void held.push(value),
      read: async () => [...held],
      clear: () => void held.splice(0),
    },
    count: {
      read: async () => count,
      write: (value: number) => {
        count = value;
      },
      clear: () => {
        count = null;
      },
    },
    windowEnd: timer('windowEnd'),
    patience: timer('patience'),
    window: { lookup: () => ({ maxTimestamp: () => 9 }) },
  };
  const process: Calls = (element) =>
    (doFn.process as (...args: unknown[]) => Promise<unknown[]>).call(doFn, element, context);
  const fire = (timer: string): Promise<unknown[]> =>
    (doFn.onTimer as (...args: unknown[]) => Promise<unknown[]>).call(
      doFn,
      { key: 'a', timer },
      context,
    );
  return { process, fire, taken: () => done.splice(0) };
}

test('without a duration the processing-time timer is never touched', async () => {
  const { process, fire, taken } = batches(0);
  await process({ key: 'a', value: 1 });
  assert.deepEqual(taken(), ['set windowEnd']);
  assert.deepEqual(await process({ key: 'a', value: 2 }), [{ key: 'a', value: [1, 2] }]);
  assert.deepEqual(taken(), ['clear windowEnd']);
  await process({ key: 'a', value: 3 });
  taken();
  assert.deepEqual(await fire('windowEnd'), [{ key: 'a', value: [3] }]);
  assert.deepEqual(taken(), []);
});

test('with a duration a timer that fires clears the other one, and not itself', async () => {
  const { process, fire, taken } = batches(50);
  await process({ key: 'a', value: 1 });
  assert.deepEqual(taken(), ['set windowEnd', 'set patience']);
  assert.deepEqual(await fire('patience'), [{ key: 'a', value: [1] }]);
  assert.deepEqual(taken(), ['clear windowEnd']);
  await process({ key: 'a', value: 2 });
  taken();
  assert.deepEqual(await fire('windowEnd'), [{ key: 'a', value: [2] }]);
  assert.deepEqual(taken(), ['clear patience']);
  await process({ key: 'a', value: 3 });
  taken();
  assert.deepEqual(await process({ key: 'a', value: 4 }), [{ key: 'a', value: [3, 4] }]);
  assert.deepEqual(taken(), ['clear windowEnd', 'clear patience']);
});
