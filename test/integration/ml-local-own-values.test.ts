// SPDX-License-Identifier: Apache-2.0
// Models of this process that fill a value of their own in each call: each row has what it was given.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  modelHandler,
  RunInference,
  sklearn,
  type TypeScriptModelHandler,
  withTestModel,
} from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  float64,
  int64,
  iterable,
  map,
  row,
  type SchemaType,
  string,
} from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';

const runner = createRunner({ runner: 'node' });

class Scored {
  #score: unknown = 0;
  get score() {
    return this.#score;
  }
  set(score: unknown) {
    this.#score = score;
    return this;
  }
}
class Table extends Map<string, number> {}
class Scores {
  held: number[] = [];
  *[Symbol.iterator]() {
    yield* this.held;
  }
}

/** Gives one value in each call, of one row each. */
function filling(inference: SchemaType, fill: (x: number) => unknown) {
  return modelHandler({
    name: 'filling',
    example: int64,
    inference: inference as SchemaType<unknown>,
    batching: { maxSize: 1 },
    loadModel: () => 1,
    runInference: ([x]: readonly number[]) => [fill(x!)],
  });
}

const one = { scored: new Scored(), table: new Table(), scores: new Scores() };
const cases: [string, SchemaType, (x: number) => unknown, (x: number) => unknown][] = [
  ['an instance', row({ score: float64 }), (x) => one.scored.set(x), (score) => ({ score })],
  [
    'one in a row',
    row({ of: row({ score: float64 }) }),
    (x) => ({ of: one.scored.set(x) }),
    (score) => ({ of: { score } }),
  ],
  [
    'a class that extends Map',
    map(string, int64),
    (x) => one.table.set('x', x),
    (x) => new Map([['x', x]]),
  ],
  [
    'an iterable of a class',
    iterable(int64),
    (x) => {
      one.scores.held[0] = x;
      return one.scores;
    },
    (x) => [x],
  ],
];
for (const [what, type, fill, wanted] of cases) {
  test(`${what} that a model fills again in each call, and beside dead letters`, async () => {
    const found = new Map<number, unknown>();
    const lucky = new Map<number, unknown>();
    const failing = (x: number) => {
      if (x === 2) throw new Error('two');
      return fill(x);
    };
    await runner.run((root) => {
      root
        .apply(create([1, 2, 3]))
        .apply(RunInference.of(filling(type, fill)))
        .map(({ example, inference }) => void found.set(example, inference));
    });
    await runner.run((root) => {
      root
        .apply(create([1, 2, 3]))
        .apply(RunInference.of(filling(type, failing)).withDeadLetters())
        .predictions.map(({ example, inference }) => void lucky.set(example, inference));
    });
    assert.deepEqual(found, new Map([1, 2, 3].map((x) => [x, wanted(x)])));
    assert.deepEqual(lucky, new Map([1, 3].map((x) => [x, wanted(x)])));
  });
}

test('one that does not fit fails, alone, though it is filled with what fits afterwards', async () => {
  const scored = new Scored();
  const type = row({ score: float64 });
  const fill = (x: number) => scored.set(x === 2 ? 'two' : x);
  const refused = {
    code: 'INFERENCE_MISMATCH',
    message: /score is declared float64 but holds string "two"/,
  };
  await assert.rejects(
    runner.run((root) => {
      root.apply(create([1, 2, 3])).apply(RunInference.of(filling(type, fill)));
    }),
    refused,
  );
  const good: unknown[] = [];
  const bad: unknown[] = [];
  await runner.run((root) => {
    const { predictions, failed } = root
      .apply(create([1, 2, 3]))
      .apply(RunInference.of(filling(type, fill)).withDeadLetters());
    predictions.map(({ inference }) => void good.push(inference));
    failed.map(({ element, step, errorType }) => void bad.push([element, step, errorType]));
  });
  assert.deepEqual(good, [{ score: 1 }, { score: 3 }]);
  assert.deepEqual(bad, [[2, 'prediction', 'INFERENCE_MISMATCH']]);
});

test('a call that is at work when its run is aborted shares its array with nobody', async () => {
  const controller = new AbortController();
  const own = new Float64Array(1);
  let calls = 0;
  const handler = modelHandler({
    name: 'at work',
    example: int64,
    inference: array(float64),
    loadModel: () => own,
    runInference: async (batch: readonly number[], array) => {
      calls += 1;
      const found: number[][] = [];
      for (const x of batch) {
        for (let i = 0; i < 10; i++) {
          array[0] = x;
          await delay(10);
        }
        found.push([...array]);
      }
      return found;
    },
  });
  const scored = (examples: readonly number[], found: Map<number, unknown>, signal?: AbortSignal) =>
    runner.run(
      (root) => {
        root
          .apply(create(examples))
          .apply(RunInference.of(handler))
          .map(({ example, inference }) => void found.set(example, [...inference]));
      },
      { signal },
    );
  const first = assert.rejects(scored([1000, 1001, 1002], new Map(), controller.signal), {
    code: 'ABORTED',
  });
  const found = new Map<number, unknown>();
  const second = scored([1, 2, 3], found);
  while (calls === 0) await delay(5);
  controller.abort();
  await Promise.all([first, second]);
  assert.deepEqual(found, new Map([1, 2, 3].map((x) => [x, [x]])));
});

test('models whose calls wait for one another are told of', async () => {
  const asking = (name: string, other: () => typeof a) =>
    modelHandler({
      name,
      example: int64,
      inference: int64,
      loadModel: () => 1,
      runInference: async (batch: readonly number[]) => {
        await delay(20);
        await runner.run((root) => {
          root.apply(create(batch)).apply(RunInference.of(other()));
        });
        return batch;
      },
    });
  const a: TypeScriptModelHandler<number, number, number> = asking('a', () => b);
  const b: typeof a = asking('b', () => a);
  const ended = await Promise.allSettled(
    [a, b].map((handler) =>
      runner.run((root) => {
        root.apply(create([1])).apply(RunInference.of(handler));
      }),
    ),
  );
  const errors = ended.map((one) => (one.status === 'rejected' ? `${one.reason}` : 'done'));
  assert.match(errors.join(), /the model of [ab] is used in a call that its own call waits for/);
});

test('a test model that fills an array of its own, in two branches: its calls follow each other', async () => {
  const own = [0];
  const digits = sklearn({ modelUri: 'x.pkl', example: int64, inference: array(float64) });
  const found = new Map<number, unknown>();
  const examples = Array.from({ length: 20 }, (_, i) => i);
  await withTestModel(
    async (batch: readonly number[]) => {
      const all: number[][] = [];
      for (const x of batch) {
        own[0] = x;
        await delay(1);
        all.push([...own]);
      }
      return all;
    },
    () =>
      runner.run((root) => {
        for (const start of [0, 1000]) {
          root
            .apply(create(examples.map((i) => start + i)))
            .apply(RunInference.of(digits))
            .map(({ example, inference }) => void found.set(example, [...inference]));
        }
      }),
  );
  assert.equal(found.size, 40);
  for (const [example, inference] of found) assert.deepEqual(inference, [example]);
});
