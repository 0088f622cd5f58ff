// SPDX-License-Identifier: Apache-2.0
// Outputs with names are the same predictions however their rows are looked at: as a batch, beside rows that fail, out of a
// process of the model's own, and with a model per key.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { perKey, pythonModelHandler, RunInference } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { array, float64, int64, row, type SchemaType, string } from '../../src/schema/index.ts';
import { stopHosts } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';

after(() => stopHosts());

/** A handler whose `run_inference` gives `outputs` of the array `x`, and fails for rows below zero. */
const giving = (outputs: string) => `
import numpy as np
import pandas
from apache_beam.ml.inference.base import ModelHandler
class Giving(ModelHandler):
  def load_model(self):
    return None
  def run_inference(self, batch, model, inference_args=None):
    x = np.asarray(batch, float)
    if (x < 0).any():
      raise ValueError('below zero')
    return ${outputs}
`;

async function everyWay<I>(
  outputs: string,
  inference: SchemaType<I>,
): Promise<Record<string, I[]>> {
  const rows = [1, 2, 3];
  const out: Record<string, I[]> = { batch: [], failing: [], child: [], keys: [], childOfOne: [] };
  const handler = pythonModelHandler({
    loader: giving(outputs),
    extras: ['sklearn'],
    example: float64,
    inference,
  });
  const scoring = RunInference.of(handler);
  const keyed = RunInference.ofKVs(
    perKey([
      { keys: ['a'], handler },
      { keys: ['b'], handler },
    ]),
    string,
  );
  await createRunner().run((root) => {
    const take = (name: string) => (inference: I) => {
      out[name]!.push(inference);
    };
    root
      .apply(create(rows))
      .apply(scoring)
      .map(({ inference }) => take('batch')(inference as I));
    for (const [name, examples, useSubprocess] of [
      ['failing', [...rows, -1], false],
      ['child', rows, true],
      ['childOfOne', [2], true],
    ] as const) {
      root
        .apply(create([...examples]))
        .apply(scoring.withDeadLetters({ useSubprocess }))
        .predictions.map(({ inference }) => take(name)(inference as I));
    }
    root
      .apply(create(rows.map((value) => ({ key: value === 2 ? 'b' : 'a', value }))))
      .apply(keyed)
      .map(({ value }) => take('keys')(value.inference as I));
  });
  return out;
}

const cases: [string, string, SchemaType<unknown>, (x: number) => unknown][] = [
  ['a dict of one output', "{'score': x * 2}", float64, (x) => x * 2],
  ['a data frame of one column', "pandas.DataFrame({'score': x * 2})", float64, (x) => x * 2],
  [
    'a data frame declared as lists',
    "pandas.DataFrame({'a': x, 'b': x * 2})",
    array(float64),
    (x) => [x, x * 2],
  ],
  [
    'a dict with a constant beside it',
    "{'a': x, 'weight': np.ones(7)}",
    row({ a: float64 }),
    (a) => ({ a }),
  ],
  ['a tuple of two', '(x, x.astype(int))', row({ a: float64, b: int64 }), (x) => ({ a: x, b: x })],
];

for (const [name, outputs, inference, right] of cases) {
  test(`${name}, every way`, async () => {
    const found = await everyWay(outputs, inference);
    for (const [way, inferences] of Object.entries(found)) {
      const expected = (way === 'childOfOne' ? [2] : [1, 2, 3]).map(right);
      const inOrder = inferences.map((each) => JSON.stringify(each)).sort();
      assert.deepEqual(
        inOrder,
        expected.map((each) => JSON.stringify(each)),
        way,
      );
    }
  });
}

test('a tuple with an output that is no batch is refused every way', async () => {
  const types = { example: float64, inference: row({ a: float64, b: float64 }) };
  const handler = pythonModelHandler({
    loader: giving('(x, np.ones(7), x)'),
    extras: ['sklearn'],
    ...types,
  });
  const scoring = RunInference.of(handler);
  for (const settings of [undefined, {}, { useSubprocess: true }]) {
    const run = createRunner().run((root) => {
      const numbers = root.apply(create([1, 2, 3]));
      if (settings) numbers.apply(scoring.withDeadLetters(settings));
      else numbers.apply(scoring);
    });
    await assert.rejects(run, { code: 'INFERENCE_MISMATCH', message: /gave 3 outputs/ });
  }
});
