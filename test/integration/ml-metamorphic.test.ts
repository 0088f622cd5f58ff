// SPDX-License-Identifier: Apache-2.0
// A row's prediction depends on the row alone: every handler against its own model, which is asked about
// each row by itself. Most combinations (types, nulls, sizes of batches, forms of output, keys, dead letters) run
// inside Python, see python-env/tests/metamorphic; a few go through pipelines on both runners. Each is tried in
// two ways (in one batch or several, keyed or not, …); BEAMBRIDGE_METAMORPHIC=all tries every way, in nine minutes.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { RunInference, sklearn } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { float64, int64, nullable, row, string } from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';
import { SKIP_HEAVY, WITH_TORCH, WITHOUT_TORCH } from '../helpers/frameworks.ts';

const pythonEnv = resolve(import.meta.dirname, '../../python-env');

for (const [extras, least] of [
  [WITHOUT_TORCH, 20_000],
  [WITH_TORCH, 4_000],
] as const) {
  test(`in Python, with ${extras.join(', ')}`, { skip: SKIP_HEAVY }, async (t: TestContext) => {
    const { python } = await ensurePythonEnvironment({ extras: [...extras] });
    let combinations = 0;
    for (const module of ['test_outputs', 'test_examples', 'test_types', 'test_categories']) {
      const args = ['-W', 'ignore', '-m', 'unittest', `tests.metamorphic.${module}`];
      const child = spawn(python, args, {
        cwd: pythonEnv,
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let output = '';
      child.stderr.on('data', (data: Buffer) => {
        output += data.toString();
      });
      const [code] = await once(child, 'close');
      assert.equal(code, 0, output);
      for (const [line, count] of output.matchAll(/metamorphic \w+: (\d+) combinations/g)) {
        t.diagnostic(line);
        combinations += Number(count);
      }
    }
    assert.ok(combinations > least, `${combinations} combinations`);
  });
}

const MODELS = `
import pickle, sys, numpy, pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier
train = pandas.DataFrame({
  'city': pandas.Series(['oslo', 'rome', None, 'oslo', None, 'rome'], dtype='str'),
  'age': [40, 20, 40, numpy.nan, 30, 50]})
labels = ['north', 'south', 'unknown', 'north', 'unknown', 'south']
tree = make_pipeline(ColumnTransformer([
  ('age', SimpleImputer(), ['age']), ('city', OneHotEncoder(handle_unknown='ignore'), ['city'])]),
  DecisionTreeClassifier(random_state=0)).fit(train, labels)
pickle.dump(tree, open(sys.argv[1] + '/tree.pkl', 'wb'))
x = numpy.arange(20.0).reshape(-1, 1)
pickle.dump(BayesianRidge().fit(x, 2 * x[:, 0] + numpy.sin(x[:, 0])), open(sys.argv[1] + '/bayes.pkl', 'wb'))
`;

let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'beambridge-metamorphic-'));
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  execFileSync(python, ['-c', MODELS, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
});
after(() => rmSync(folder, { recursive: true, force: true }));

for (const runner of ['node', 'direct'] as const) {
  test(`frames with nulls, alone and together, on ${runner}`, async () => {
    const tree = sklearn({
      modelUri: join(folder, 'tree.pkl'),
      example: row({ city: nullable(string), age: nullable(float64) }),
      inference: string,
    });
    const rows = [
      { city: null, age: 40 },
      { city: 'oslo', age: 40 },
      { city: null, age: null },
    ];
    const found: Record<string, string> = {};
    await createRunner({ runner }).run((root) => {
      for (const [name, chosen] of Object.entries({
        together: rows,
        0: [rows[0]!],
        2: [rows[2]!],
      })) {
        root
          .apply(create(chosen.map((value) => ({ key: rows.indexOf(value), value }))))
          .apply(RunInference.ofKVs(tree, int64))
          .map(({ key, value }) => {
            found[`${name} ${key}`] = value.inference;
          });
      }
    });
    assert.equal(found['together 0'], 'unknown');
    assert.equal(found['together 1'], 'north');
    assert.equal(found['0 0'], found['together 0']);
    assert.equal(found['2 2'], found['together 2']);
  });

  test(`two outputs in every size of a batch, with and without dead letters, on ${runner}`, async () => {
    const model = { modelUri: join(folder, 'bayes.pkl'), example: float64 };
    const spread = sklearn({
      ...model,
      input: 'pandas',
      inference: row({ mean: float64, std: float64 }),
    });
    const listed = sklearn({ ...model, input: 'pandas', inference: float64 });
    const args = { return_std: true };
    const found: [number, number, number, number][] = [];
    await createRunner({ runner }).run((root) => {
      for (const size of [1, 2, 3, 17]) {
        root
          .apply(create(Array.from({ length: size }, (_, i) => i)))
          .apply(RunInference.of(spread).withInferenceArgs(args))
          .map(({ example, inference }) => {
            found.push([size, example, inference.mean, inference.std]);
          });
      }
    });
    assert.equal(found.length, 23);
    const means = new Map(found.map(([, example, mean]) => [example, mean]));
    for (const [size, example, mean] of found) {
      assert.ok(Math.abs(mean - means.get(example)!) < 1e-9, `${example} in a batch of ${size}`);
    }
    for (const size of [1, 2, 3]) {
      const rows = Array.from({ length: size }, (_, i) => i);
      const scoring = RunInference.of(listed).withInferenceArgs(args);
      for (const deadLetters of [false, true]) {
        const run = createRunner({ runner }).run((root) => {
          const numbers = root.apply(create(rows));
          if (deadLetters) numbers.apply(scoring.withDeadLetters());
          else numbers.apply(scoring);
        });
        await assert.rejects(run, { code: 'INFERENCE_MISMATCH', message: /gave 2 outputs/ });
      }
    }
  });
}
