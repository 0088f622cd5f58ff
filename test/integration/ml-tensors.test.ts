// SPDX-License-Identifier: Apache-2.0
// Tensors through Python and back. The handlers are a few lines of numpy, so that what they are given
// can be seen in what they predict.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InferenceFields, RunInference } from '../../src/ml/index.ts';
import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  bigint64,
  boolean,
  float32,
  float64,
  int32,
  int64,
  nullable,
  row,
  string,
  Tensor,
  tensor,
  uint8,
} from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';

/** A handler that says nothing about itself: `expression` is its prediction for `row`. */
const predicting = (expression: string) => `
import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Handler(ModelHandler):
  def load_model(self):
    return None
  def run_inference(self, batch, model, inference_args=None):
    return [PredictionResult(row, ${expression}) for row in batch]
`;

const runner = createRunner({ runner: 'direct' });

async function collect<T>(build: (root: Root) => PCollection<T>): Promise<T[]> {
  const out: T[] = [];
  await runner.run((root) => {
    build(root).map((value) => out.push(value));
  });
  return out;
}

function predictions<const F extends InferenceFields>(
  expression: string,
  types: F,
  examples: readonly unknown[],
) {
  return collect((root) =>
    root
      .apply(create([...examples]))
      .apply(RunInference.of(predicting(expression), types) as never),
  ) as Promise<{ example: unknown; inference: unknown }[]>;
}

test('tensors arrive as arrays of their type and shape, and come back as tensors', async () => {
  const rows = await predictions(
    `{'name': f'{type(row).__name__} {row.dtype} {row.shape}', 'turned': row.T * 2, 'max': row.max()}`,
    {
      example: tensor(float32, [2, 3]),
      inference: row({ name: string, turned: tensor(float64, [3, 2]), max: tensor(float32, []) }),
    },
    [
      [
        [1, 2, 3],
        [4, 5, 6.5],
      ],
      Float32Array.of(0, 0, 0, 0, 0, -1),
    ],
  );
  assert.deepEqual(
    rows.map(({ inference }) => inference),
    [
      {
        name: 'ndarray float32 (2, 3)',
        turned: new Tensor('float64', [3, 2], Float64Array.of(2, 8, 4, 10, 6, 13)),
        max: new Tensor('float32', [], Float32Array.of(6.5)),
      },
      {
        name: 'ndarray float32 (2, 3)',
        turned: new Tensor('float64', [3, 2], Float64Array.of(0, 0, 0, 0, 0, -2)),
        max: new Tensor('float32', [], Float32Array.of(0)),
      },
    ],
  );
  assert.deepEqual(
    rows[1]!.example,
    Tensor.from('float32', [
      [0, 0, 0],
      [0, 0, -1],
    ]),
  );
});

test('named inputs of every element type, open dimensions among them', async () => {
  const inputs = row({
    image: tensor(uint8, [2, 2]),
    ids: tensor(int64, [null]),
    big: tensor(bigint64, [1]),
    mask: tensor(boolean, [2]),
    maybe: nullable(tensor(int32, [2])),
  });
  const value = {
    image: Uint8Array.of(0, 127, 128, 255),
    ids: [1, 2, 2 ** 40],
    big: [2n ** 62n],
    mask: [true, false],
  };
  const rows = await predictions(
    `{name: getattr(row, name) for name in ('image', 'ids', 'big', 'mask', 'maybe')}`,
    { example: inputs, inference: inputs },
    [value, { ...value, ids: [], maybe: [7, -7] }],
  );
  const common = {
    image: Tensor.from('uint8', [
      [0, 127],
      [128, 255],
    ]),
    big: Tensor.from('bigint64', [2n ** 62n]),
    mask: Tensor.from('boolean', [true, false]),
  };
  const expected = [
    { ...common, ids: Tensor.from('int64', [1, 2, 2 ** 40]), maybe: null },
    { ...common, ids: Tensor.from('int64', []), maybe: Tensor.from('int32', [7, -7]) },
  ];
  assert.deepEqual(
    rows.map(({ inference }) => inference),
    expected,
  );
  assert.deepEqual(
    rows.map(({ example }) => example),
    expected,
  );
});

test('nested lists of floats, as Hugging Face gives them, are a tensor', async () => {
  const rows = await predictions(
    `[[0.5] * 3] * len(row)`,
    { example: string, inference: tensor(float32, [null, 3]) },
    ['ab'],
  );
  assert.deepEqual(
    rows[0]!.inference,
    Tensor.from('float32', [
      [0.5, 0.5, 0.5],
      [0.5, 0.5, 0.5],
    ]),
  );
});

test('an example of another shape is an error with transform, field and both shapes; nothing is sent', async () => {
  await assert.rejects(
    predictions(`1 / 0`, { example: tensor(float32, [2, 2]), inference: int64 }, [[[1, 2]]]),
    (error: { code: string; message: string }) => {
      assert.equal(error.code, 'ROW_MISMATCH');
      assert.match(error.message, /RunInference/);
      assert.match(error.message, /field example is declared tensor<float32, \[2, 2\]>/);
      assert.match(error.message, /has the shape \[1, 2\]/);
      return true;
    },
  );
});

test('a prediction of another shape or type is an error that says which', async () => {
  const types = { example: tensor(float32, [2]), inference: tensor(int64, [2]) };
  await assert.rejects(predictions('row[:1].astype(int)', types, [[1, 2]]), {
    code: 'INFERENCE_MISMATCH',
    message:
      /inference: numpy\.ndarray of shape \(1,\).* does not fit the declared type tensor\(int64, \[2\]\)/,
  });
  await assert.rejects(predictions('row', types, [[1.5, 2]]), {
    code: 'INFERENCE_MISMATCH',
    message: /its elements are float32/,
  });
});

test('with dead letters exactly the tensors of a wrong shape, and the predictions of one, fail', async () => {
  const out: unknown[] = [];
  const failed: unknown[] = [];
  await runner.run((root) => {
    const result = root.apply(create<number[]>([[1, 2], [1], [3, 4], [5, -6]])).apply(
      RunInference.of(predicting('row[row > 0]'), {
        example: tensor(float32, [2]),
        inference: tensor(float32, [2]),
      }).withDeadLetters(),
    );
    result.predictions.map(({ inference }) => out.push(inference.toArray()));
    result.failed.map(({ element, errorType }) => {
      failed.push([element instanceof Tensor ? element.toArray() : element, errorType]);
    });
  });
  assert.deepEqual(out, [
    [1, 2],
    [3, 4],
  ]);
  assert.deepEqual(failed.sort(), [
    [[1], 'ROW_MISMATCH'],
    [[5, -6], 'INFERENCE_MISMATCH'],
  ]);
});
