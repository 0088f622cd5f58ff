// SPDX-License-Identifier: Apache-2.0
// What a model of this process does to the batch that it is given. Predictions belong to rows by their places.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ModelHandler,
  modelHandler,
  RunInference,
  withTestModel,
} from '../../../../src/ml/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import {
  array,
  float64,
  int64,
  row,
  type SchemaType,
  string,
} from '../../../../src/schema/index.ts';
import { create } from '../../../../src/transforms/index.ts';

const runner = createRunner({ runner: 'node' });
type Infer<E> = (batch: E[]) => readonly number[] | Promise<readonly number[]>;

function handlerOf<E>(example: SchemaType<E>, runInference: Infer<E>, maxSize = 100) {
  return modelHandler({
    name: 'tenfold',
    example,
    inference: float64,
    batching: { minSize: maxSize, maxSize },
    loadModel: () => null,
    runInference: runInference as (batch: readonly E[]) => readonly number[],
  });
}

async function scored<E>(example: SchemaType<E>, values: readonly E[], infer: Infer<E>) {
  const found: unknown[] = [];
  const handler: ModelHandler<unknown, unknown> = handlerOf(example, infer);
  await runner.run((root) => {
    root
      .apply(create<unknown>([...values]))
      .apply(RunInference.of(handler))
      .map(({ example, inference }) => found.push([example, inference]));
  });
  return found;
}

const REORDERED: Record<string, Infer<number>> = {
  sorted: (batch) => batch.sort().map((n) => n * 10),
  reversed: (batch) => batch.reverse().map((n) => n * 10),
  'sorted after a wait': async (batch) => {
    await null;
    return batch.sort().map((n) => n * 10);
  },
  swapped: (batch) => {
    [batch[0], batch[1]] = [batch[1]!, batch[0]!];
    return batch.map((n) => n * 10);
  },
  emptied: (batch) => {
    const out: number[] = [];
    while (batch.length) out.push(batch.pop()! * 10);
    return out;
  },
  grown: (batch) => {
    batch.unshift(7);
    return batch.map((n) => n * 10).slice(0, -1);
  },
  'given back sorted': (batch) => batch.sort(),
  'sorted and filled up': (batch) => filledUp(batch.sort()).slice(0, 3),
  'filled up and sorted': (batch) => filledUp(batch).sort().slice(-3),
  'filled up by one and sorted': (batch) => {
    batch.push(2.5);
    return batch.sort().slice(0, 3);
  },
  'freed of an entry and filled up': (batch) => {
    batch.shift();
    return filledUp(batch).slice(0, 3);
  },
  'filled up at both ends': (batch) => {
    batch.unshift(0);
    return filledUp(batch).slice(0, 3);
  },
};

test('a batch may be filled up at its end, as to a fixed size', async () => {
  const padded: Infer<number> = (batch) => {
    const { length } = batch;
    while (batch.length < 8) batch.push(0);
    return batch.map((n) => n * 10).slice(0, length);
  };
  assert.deepEqual(await scored(int64, [3, 1, 2], padded), [
    [3, 30],
    [1, 10],
    [2, 20],
  ]);
});

test('rows that were taken out have moved the others, whatever fills the batch up', async () => {
  for (const size of [3, 8]) {
    const usable: Infer<number[]> = (batch) => {
      batch.splice(0, 1);
      while (batch.length < size) batch.push([0]);
      return batch.slice(0, 3).map(([n]) => n!);
    };
    await assert.rejects(scored(array(int64), [[3], [1], [2]], usable), {
      code: 'INFERENCE_MISMATCH',
      message: /is in another order/,
    });
  }
});

const OVERWRITTEN: Record<string, [number[], Infer<number>]> = {
  'negated, a zero alone': [[0], (batch) => inPlace(batch, (n) => -n)],
  'negated, zeros of both signs': [[0, -0, 0], (batch) => inPlace(batch, (n) => -n)],
  'made positive': [[-0, 0], (batch) => inPlace(batch, (n) => Math.max(0, n))],
  'filled up and scaled': [
    [3, 1, 2],
    (batch) => inPlace(filledUp(batch), (n) => n / 2).slice(0, 3),
  ],
  'scaled and filled up': [
    [3, 1, 2],
    (batch) => filledUp(inPlace(batch, (n) => n / 2)).slice(0, 3),
  ],
  'counted on and filled up, one row like what fills it': [
    [0],
    (batch) => filledUp(inPlace(batch, (n) => n + 1)).slice(0, 1),
  ],
};

function inPlace(batch: number[], change: (n: number) => number): number[] {
  batch.forEach((n, place) => {
    batch[place] = change(n);
  });
  return batch;
}

function filledUp(batch: number[]): number[] {
  while (batch.length < 8) batch.push(0);
  return batch;
}

for (const [how, [values, infer]] of Object.entries(OVERWRITTEN)) {
  test(`entries may be overwritten where they stand: ${how}`, async () => {
    const wanted = await infer([...values]);
    const found = await scored(float64, values, infer);
    assert.deepEqual(
      found,
      values.map((value, i) => [value, wanted[i]]),
    );
  });
}

for (const [how, infer] of Object.entries(REORDERED)) {
  test(`a batch that was ${how} is refused`, async () => {
    await assert.rejects(scored(int64, [3, 1, 2], infer), {
      code: 'INFERENCE_MISMATCH',
      shortMessage:
        /the model handler tenfold changed the batch .* which (is in another order|has \d entries for 3)/,
      hint: /\[\.\.\.batch\]/,
    });
  });

  test(`one that was ${how} is no failed row with dead letters, keys or a test model`, async () => {
    const refused = { code: 'INFERENCE_MISMATCH', message: /changed the batch/ };
    const handler = handlerOf(int64, infer);
    const pairs = [3, 1, 2].map((value) => ({ key: `${value}`, value }));
    await assert.rejects(
      runner.run((root) => {
        root.apply(create([3, 1, 2])).apply(RunInference.of(handler).withDeadLetters());
      }),
      refused,
    );
    await assert.rejects(
      runner.run((root) => {
        root.apply(create(pairs)).apply(RunInference.ofKVs(handler, string));
      }),
      refused,
    );
    await assert.rejects(
      withTestModel(infer, () =>
        runner.run((root) => {
          const types = { example: int64, inference: int64 };
          root.apply(create([3, 1, 2])).apply(RunInference.of('any.Handler', types));
        }),
      ),
      refused,
    );
  });
}

test('rows and texts that were sorted are refused', async () => {
  const rows = [{ at: 2 }, { at: 1 }];
  await assert.rejects(
    scored(row({ at: int64 }), rows, (batch) =>
      batch.sort((a, b) => a.at - b.at).map(({ at }) => at),
    ),
    { code: 'INFERENCE_MISMATCH' },
  );
  await assert.rejects(
    scored(string, ['bb', 'a'], (batch) => batch.sort().map(({ length }) => length)),
    { code: 'INFERENCE_MISMATCH' },
  );
});

test('a batch whose entries stayed in their places is right', async () => {
  const tenfold = [
    [3, 30],
    [3, 30],
    [1, 10],
  ];
  const fine: Record<string, Infer<number>> = {
    'a sorted copy': (batch) => {
      const sorted = [...batch].sort();
      return batch.map((n) => sorted[sorted.indexOf(n)]! * 10);
    },
    overwritten: (batch) => {
      batch.forEach((n, at) => {
        batch[at] = n * 10;
      });
      return batch;
    },
    'equal ones swapped': (batch) => {
      [batch[0], batch[1]] = [batch[1]!, batch[0]!];
      return batch.map((n) => n * 10);
    },
    'in order already': (batch) => batch.sort((a, b) => b - a).map((n) => n * 10),
  };
  for (const [how, infer] of Object.entries(fine)) {
    assert.deepEqual(await scored(int64, [3, 3, 1], infer), tenfold, how);
  }
});

test('a batch of one may be sorted, and not be emptied', async () => {
  assert.deepEqual(await scored(int64, [3], REORDERED.sorted!), [[3, 30]]);
  await assert.rejects(scored(int64, [3], REORDERED.emptied!), { code: 'INFERENCE_MISMATCH' });
});

test('NaN and zeros of both signs are entries like others', async () => {
  const values = [Number.NaN, -0, 0];
  assert.equal((await scored(float64, values, (batch) => batch.map(() => 1))).length, 3);
  await assert.rejects(
    scored(float64, values, (batch) => batch.reverse().map(() => 1)),
    { code: 'INFERENCE_MISMATCH' },
  );
});

test('a model that sorts its batch and throws is asked again for rows in their own order', async () => {
  const seen: number[][] = [];
  const keysSeen: unknown[] = [];
  const outcomes: unknown[] = [];
  const infer = (batch: number[], { keys }: { keys: readonly unknown[] | undefined }) => {
    seen.push([...batch]);
    keysSeen.push(...(batch.length === 1 ? keys! : []));
    if (batch.length > 1) {
      batch.sort();
      (keys as unknown[]).sort();
      throw new Error('too many');
    }
    return [batch[0]! * 10];
  };
  await withTestModel(infer, () =>
    runner.run((root) => {
      const pairs = [3, 1, 2].map((value) => ({ key: `${value}`, value }));
      root
        .apply(create(pairs))
        .apply(
          RunInference.ofKVs(
            'any.Handler',
            { example: int64, inference: int64 },
            string,
          ).withDeadLetters(),
        )
        .predictions.map(({ key, value }) => outcomes.push([key, value.inference]));
    }),
  );
  assert.deepEqual(seen, [[3, 1, 2], [3], [1, 2], [1], [2]]);
  assert.deepEqual(keysSeen, ['3', '1', '2']);
  assert.deepEqual(outcomes, [
    ['3', 30],
    ['1', 10],
    ['2', 20],
  ]);
});

test('a typed array is told from no array, with what to do', async () => {
  await assert.rejects(
    scored(int64, [3, 1], (batch) => Float32Array.from(batch) as never),
    { shortMessage: /gave a Float32Array for 2 examples/, hint: /Array\.from/ },
  );
});
