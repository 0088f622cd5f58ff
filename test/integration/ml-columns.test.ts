// SPDX-License-Identifier: Apache-2.0
// Data frames of an inference function: columns in the order of the model, and rows in the order of the batch.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  custom,
  type PredictionResult,
  RunInference,
  sklearn,
  xgboost,
} from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { float64, row, string } from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';
import { SKIP_HEAVY, WITHOUT_TORCH } from '../helpers/frameworks.ts';

/** Fitted on a, then b, of which a counts a hundred times as much. */
const SKLEARN = `
import pickle, sys, pandas
from sklearn.linear_model import LinearRegression
x = pandas.DataFrame({'a': [1., 2, 3, 4], 'b': [10., 0, 5, 2]})
pickle.dump(LinearRegression().fit(x, x.a * 100 + x.b), open(sys.argv[1], 'wb'))`;
const XGBOOST = `
import sys, numpy, pandas, xgboost
rng = numpy.random.default_rng(0)
x = pandas.DataFrame({'a': rng.random(200), 'b': rng.random(200)})
xgboost.XGBRegressor(n_estimators=30, max_depth=3).fit(x, x.a * 100 + x.b).save_model(sys.argv[1])`;

/** Declared in another order than the model's. */
const example = row({ b: float64, a: float64 });
type Example = { a: number; b: number };
const ROWS: Example[] = [
  { b: 0.1, a: 0.9 },
  { b: 0.2, a: 0.1 },
  { b: 0.3, a: 0.5 },
];

let scratch: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-columns-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

async function saved(program: string, name: string, extras: string[]): Promise<string> {
  const { python } = await ensurePythonEnvironment({ extras } as never);
  const path = join(scratch, name);
  execFileSync(python, ['-W', 'ignore', '-c', program, path]);
  return path;
}

/** The inferences in the order of ROWS, whose `a` tells them apart. */
async function infer<I>(
  scoring: RunInference<Example, PredictionResult<Example, I>>,
): Promise<I[]> {
  const out = new Map<number, I>();
  await createRunner().run((root) => {
    root
      .apply(create(ROWS, { reshuffle: false }))
      .apply(scoring)
      .map(({ example, inference }) => out.set(example.a, inference));
  });
  return ROWS.map(({ a }) => out.get(a)!);
}

const near = (scores: number[], by: number) =>
  scores.forEach((score, i) => {
    const expected = ROWS[i]!.a * 100 + ROWS[i]!.b;
    assert.ok(Math.abs(score - expected) < by, `${score} in the place of ${expected}`);
  });
const POSITIONS = (args: string) =>
  `def predict(${args}, inference_args=None):\n  return model.predict(batch.to_numpy())\npredict`;
const SORTED = (args: string) => `
import pandas
def predict(${args}, inference_args=None):
  batch = batch.sort_values('a')
  return {'score': pandas.Series(model.predict(batch), index=batch.index)}
predict`;
const OWN = `
import pandas
from apache_beam.ml.inference.base import ModelHandler
class Indexed(ModelHandler):
  def load_model(self):
    return 'none'
  def run_inference(self, batch, model, inference_args=None):
    frame = pandas.DataFrame(batch)
    frame.index = frame.index[::-1]
    return frame.a * 10`;
const REORDERED = { code: 'INFERENCE_MISMATCH', message: /in another order: its index begins/ };

test('scikit-learn: a function that goes by places, with the model in this process and in another', async () => {
  const modelUri = await saved(SKLEARN, 'model.pkl', ['sklearn']);
  const inferenceFn = POSITIONS('model, batch');
  const handler = sklearn({ modelUri, example, inference: float64, inferenceFn });
  near(await infer(RunInference.of(handler)), 1e-6);
  near(await infer(RunInference.of(handler).withLargeModel()), 1e-6);
  const inference = row({ score: float64 });
  const sorted = sklearn({ modelUri, example, inference, inferenceFn: SORTED('model, batch') });
  await assert.rejects(infer(RunInference.of(sorted)), REORDERED);
});

test('XGBoost: a function that goes by places, and one that gives its rows in another order', {
  skip: SKIP_HEAVY,
}, async () => {
  const modelState = await saved(XGBOOST, 'model.json', WITHOUT_TORCH);
  const model = { modelClass: 'XGBRegressor', modelState, input: 'pandas', example } as const;
  const byPlaces = xgboost({
    ...model,
    inference: float64,
    inferenceFn: POSITIONS('batch, model'),
  });
  near(await infer(RunInference.of(byPlaces)), 5);
  const columns = `def predict(batch, model, inference_args=None):\n  return [','.join(batch.columns)] * len(batch)\npredict`;
  const named = xgboost({ ...model, inference: string, inferenceFn: columns });
  assert.deepEqual(await infer(RunInference.of(named)), ['a,b', 'a,b', 'a,b']);
  const inference = row({ score: float64 });
  const sorted = xgboost({ ...model, inference, inferenceFn: SORTED('batch, model') });
  await assert.rejects(infer(RunInference.of(sorted)), REORDERED);
});

test('the index of a series is of its own where a handler is given no data frame', async () => {
  const file = join(scratch, 'indexed.py');
  writeFileSync(file, OWN);
  const handler = custom({ file, example, inference: float64, extras: ['sklearn'] });
  assert.deepEqual(
    await infer(RunInference.of(handler)),
    ROWS.map(({ a }) => a * 10),
  );
});
