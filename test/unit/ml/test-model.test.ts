// SPDX-License-Identifier: Apache-2.0
// Functions in the place of Python's models, on the bundle engine alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KV, WindowedValue } from '../../../src/coders/index.ts';
import { BundleEngine } from '../../../src/harness/engine/index.ts';
import {
  RunInference,
  type TestModel,
  type TestModelRequest,
  withTestModel,
} from '../../../src/ml/index.ts';
import { type PCollection, Pipeline, Root } from '../../../src/pipeline/index.ts';
import { array, int64, nullable, row, string } from '../../../src/schema/index.ts';
import { create, withName } from '../../../src/transforms/index.ts';
import { element, inputOf, io, stageOf } from '../harness/support.ts';

const HANDLER = 'my.module.Handler';
const NUMBERS = { example: int64, inference: int64 };
const doubled = (examples: number[]) => examples.map((n) => 2 * n);

type Any = RunInference<never, unknown>;

/** What comes out of a transform, by output: the elements whole. */
async function outputsOf(
  model: TestModel<never> | Readonly<Record<string, TestModel>>,
  transform: Any,
  elements: readonly WindowedValue<unknown>[],
): Promise<Record<string, WindowedValue<unknown>[]>> {
  const stage = withTestModel(model, () =>
    stageOf((input) => {
      const output = input.apply(transform as never) as object;
      return ('predictions' in output ? output : { main: output }) as Record<
        string,
        PCollection<unknown>
      >;
    }),
  );
  const { bundle, written } = io(inputOf(stage.encodeWindowed(elements)));
  const engine = new BundleEngine({ functions: stage.pipeline.functions });
  try {
    await engine.start(stage.descriptor, bundle).done;
  } finally {
    await engine.close();
  }
  return Object.fromEntries([...written].map(([sink, data]) => [sink, stage.decode(sink, data)]));
}

async function predictionsOf(
  model: TestModel<never> | Readonly<Record<string, TestModel>>,
  transform: Any,
  values: readonly unknown[],
): Promise<unknown[]> {
  const { main } = await outputsOf(
    model,
    transform,
    values.map((value) => element(value)),
  );
  return main!.map(({ value }) => value);
}

test('predictions come out beside their examples, at their time', async () => {
  const { main } = await outputsOf(doubled, RunInference.of(HANDLER, NUMBERS) as Any, [
    element(1, { timestamp: 10 }),
    element(2, { timestamp: 20 }),
  ]);
  assert.deepEqual(
    main!.map(({ value, timestamp }) => [value, timestamp]),
    [
      [{ example: 1, inference: 2 }, 10],
      [{ example: 2, inference: 4 }, 20],
    ],
  );
});

test('with keys, async, and told what it stands for', async () => {
  let told: TestModelRequest | undefined;
  const model = async (examples: number[][], request: TestModelRequest) => {
    told = request;
    return examples.map((list) => `${list.length}`);
  };
  const types = row({
    example: array(int64),
    inference: string,
    model_id: nullable(string),
  });
  const keyed = RunInference.ofKVs(HANDLER, types, string).withKwarg('model_uri', 'm.pkl');
  const found = await predictionsOf(model, keyed as Any, [
    { key: 'a', value: [1, 2] },
    { key: 'b', value: [] },
  ]);
  assert.deepEqual(found, [
    { key: 'a', value: { example: [1, 2], inference: '2', model_id: 'test model' } },
    { key: 'b', value: { example: [], inference: '0', model_id: 'test model' } },
  ] satisfies KV<string, unknown>[]);
  assert.deepEqual(told, {
    transform: 'RunInference',
    modelLoader: HANDLER,
    kwargs: { model_uri: 'm.pkl' },
    keys: ['a', 'b'],
  });
});

test('a prediction of another type is refused by name', async () => {
  const model = (examples: number[]) => examples.map((n) => n / 2);
  await assert.rejects(predictionsOf(model, RunInference.of(HANDLER, NUMBERS) as Any, [2, 5]), {
    code: 'INFERENCE_MISMATCH',
    message: /field inference is declared int64 but holds .*2\.5.*in transform: RunInference/s,
  });
});

test('an example of another type is refused as in production', async () => {
  await assert.rejects(predictionsOf(doubled, RunInference.of(HANDLER, NUMBERS) as Any, ['x']), {
    code: 'ROW_MISMATCH',
    message: /field example/,
  });
});

test('a model that throws fails the run, as does one that loses examples', async () => {
  const throwing = () => {
    throw new RangeError('too hot');
  };
  const losing = () => [];
  const transform = RunInference.of(HANDLER, NUMBERS) as Any;
  await assert.rejects(predictionsOf(throwing, transform, [1]), {
    code: 'USER_CODE_FAILED',
    message: /RangeError: too hot.*in transform: RunInference\/TestModel/s,
  });
  await assert.rejects(predictionsOf(losing, transform, [1]), {
    code: 'INFERENCE_MISMATCH',
    message: /0 predictions for 1 examples/,
  });
});

test('another number of predictions than of rows ends the run, with dead letters too', async () => {
  const lossy = (examples: number[]) => examples.filter((n) => n > 0);
  const transform = RunInference.of(HANDLER, NUMBERS).withDeadLetters() as unknown as Any;
  const elements = [1, -2, 3].map((value) => element(value));
  await assert.rejects(outputsOf(lossy, transform, elements), {
    code: 'INFERENCE_MISMATCH',
    message: /2 predictions for 3 examples/,
  });
});

test('with dead letters exactly the bad rows fail', async () => {
  const picky = (examples: number[]) =>
    examples.map((n) => {
      if (n < 0) throw new RangeError(`${n} is below zero`);
      return n === 13 ? 'unlucky' : n * 2;
    });
  const transform = RunInference.of(HANDLER, NUMBERS).withDeadLetters() as unknown as Any;
  const elements = [1, -2, 13, 'six', 7].map((value) => element(value));
  const { predictions, failed } = await outputsOf(picky, transform, elements);
  assert.deepEqual(
    predictions!.map(({ value }) => value),
    [
      { example: 1, inference: 2 },
      { example: 7, inference: 14 },
    ],
  );
  const failures = failed!.map(({ value }) => value as Record<string, string>);
  assert.deepEqual(
    failures.map(({ element, errorType, message }) => [element, errorType, message]).sort(),
    [
      [-2, 'RangeError', '-2 is below zero'],
      [13, 'INFERENCE_MISMATCH', 'field inference is declared int64 but holds string "unlucky"'],
      ['six', 'ROW_MISMATCH', 'field example is declared int64 but holds string "six"'],
    ].sort(),
  );
  assert.match(failures.find(({ errorType }) => errorType === 'RangeError')!.traceback!, /at /);
});

test('with dead letters a model may fill one instance in each call', async () => {
  class Out {
    a = 0;
  }
  const shared = new Out();
  const outputs = await outputsOf(
    (examples: number[]) => {
      if (examples.length > 1) throw new Error('one at a time');
      shared.a = examples[0]!;
      return [shared];
    },
    RunInference.of(HANDLER, {
      example: int64,
      inference: row({ a: int64 }),
    }).withDeadLetters() as unknown as Any,
    [1, 2, 3, 4].map((value) => element(value)),
  );
  const found = outputs.predictions!.map(({ value }) => {
    const { example, inference } = value as { example: number; inference: Out };
    return [example, inference.a];
  });
  assert.deepEqual(
    found,
    [1, 2, 3, 4].map((n) => [n, n]),
  );
});

test('several models, by the name of the transform or of the handler', async () => {
  const models = { first: doubled, [HANDLER]: (examples: number[]) => examples.map(() => 0) };
  const plain = RunInference.of(HANDLER, NUMBERS);
  const named = withName('first', RunInference.of('other.Handler', NUMBERS));
  assert.deepEqual(await predictionsOf(models, named as Any, [4]), [{ example: 4, inference: 8 }]);
  assert.deepEqual(await predictionsOf(models, plain as Any, [4]), [{ example: 4, inference: 0 }]);
  const stranger = RunInference.of('other.Handler', NUMBERS);
  await assert.rejects(predictionsOf(models, stranger as Any, [4]), {
    code: 'INVALID_ARGUMENT',
    message: /no test model is named for RunInference.*"first", "my\.module\.Handler"/s,
  });
});

test('outside of withTestModel, and after it, Python is asked', async () => {
  const apply = () => {
    const root = new Root(new Pipeline());
    root.apply(create([1])).apply(RunInference.of(HANDLER, NUMBERS));
    return root.pipeline.transforms.some(({ external }) => external !== undefined);
  };
  assert.equal(withTestModel(doubled, apply), false);
  assert.equal(apply(), true);
  const inside = withTestModel(doubled, async () => {
    await Promise.resolve();
    return apply();
  });
  assert.equal(apply(), true);
  assert.equal(await inside, false);
});

test('what is no model is refused', () => {
  for (const model of [undefined, {}, 'a', { a: 1 }]) {
    assert.throws(() => withTestModel(model as never, () => 0), { code: 'INVALID_ARGUMENT' });
  }
});
