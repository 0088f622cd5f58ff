// SPDX-License-Identifier: Apache-2.0
// A model for each set of keys, with the managed Python and on the node runner with its workers.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  inferenceMetrics,
  type ModelMetadata,
  perKey,
  pythonModelHandler,
  RunInference,
} from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  float64,
  int64,
  map,
  row,
  type SchemaType,
  string,
  tensor,
} from '../../src/schema/index.ts';
import { stopHosts } from '../../src/services/index.ts';
import { assignTimestamps, create } from '../../src/transforms/index.ts';

/** Multiplies by a number in a file, and says how many models its process has loaded. */
const TIMES = `
import os
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Times(ModelHandler[int, PredictionResult, list]):
  def __init__(self, path, **kwargs):
    super().__init__(**kwargs)
    self._path = path
  def load_model(self):
    with open(self._path) as file:
      return [int(file.read())]
  def update_model_path(self, model_path=None):
    self._path = model_path or self._path
  def run_inference(self, batch, model, inference_args=None):
    return [PredictionResult(row, int(row) * model[0]) for row in batch]
  def get_metrics_namespace(self):
    return 'BeamML_Times'
def plus_one(path):
  return Times(path).with_postprocess_fn(lambda result: result.inference + 1)
`;
const TYPES = { example: int64, inference: int64 };
const folder = mkdtempSync(join(tmpdir(), 'beambridge-keys-'));
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stopHosts();
});
const path = (factor: number) => {
  const file = join(folder, `${factor}.txt`);
  writeFileSync(file, `${factor}`);
  return file;
};
const times = (factor: number) =>
  pythonModelHandler({ loader: `${TIMES}\nTimes`, kwargs: { path: path(factor) }, ...TYPES });
/** Of a handler that post-processes, which Beam's KeyedModelHandler refuses. */
const plusOne = pythonModelHandler({ loader: TIMES, kwargs: { path: path(100) }, ...TYPES });
const models = perKey(
  [
    { keys: ['a', 'b'], handler: times(2) },
    { keys: ['c'], handler: times(10) },
    { keys: ['d'], handler: plusOne },
  ],
  { maxModelsPerWorker: 1 },
);
const elements = ['a', 'c', 'b', 'd', 'c', 'a'].map((key, i) => ({ key, value: i + 1 }));
const expected = ['a: 1*2', 'a: 6*2', 'b: 3*2', 'c: 2*10', 'c: 5*10', 'd: 4*100.25'];

for (const name of ['direct', 'node'] as const) {
  const runner = createRunner({ runner: name });

  test(`${name}: each key has its model, and an unknown key is a failed row`, async () => {
    const out: string[] = [];
    const failures: string[] = [];
    const result = await runner.run((root) => {
      const { predictions, failed } = root
        .apply(create([...elements, { key: 'z', value: 7 }], { reshuffle: false }))
        .apply(RunInference.ofKVs(models, string).withDeadLetters());
      predictions.map(({ key, value }) =>
        out.push(`${key}: ${value.example}*${value.inference / value.example}`),
      );
      failed.map(({ element, errorType }) => failures.push(`${element.key} ${errorType}`));
    });
    assert.deepEqual(out.sort(), expected);
    assert.deepEqual(failures, ['z NO_MODEL_FOR_KEY']);
    const metrics = await result.metrics();
    assert.equal(inferenceMetrics(metrics).inferences, 6);
    assert.equal(inferenceMetrics(metrics, { model: 'a-' }).inferences, 3);
  });

  test(`${name}: an unknown key is an error, and an update is for its keys`, async () => {
    const scoring = RunInference.ofKVs(models, string);
    await assert.rejects(
      runner.run((root) => {
        root.apply(create([{ key: 'z', value: 1 }])).apply(scoring);
      }),
      { code: 'NO_MODEL_FOR_KEY', message: /no model is given for the key 'z'/ },
    );
    const out: string[] = [];
    await runner.run((root) => {
      const updates = root
        .apply(create<ModelMetadata<string>>([{ modelPath: path(7), keys: ['b'] }]))
        .apply(assignTimestamps(() => 5));
      root
        .apply(create([1, 9].flatMap((value) => ['a', 'b'].map((key) => ({ key, value })))))
        .apply(assignTimestamps(({ value }: { value: number }) => value))
        .apply(scoring.withModelUpdates(updates))
        .map(({ key, value }) =>
          out.push(`${key}: ${value.example}*${value.inference / value.example}`),
        );
    });
    assert.deepEqual(out.sort(), ['a: 1*2', 'a: 9*2', 'b: 1*2', 'b: 9*7']);
  });
}

test('keys are of any declared type, arrays and rows with lists and maps among them', async () => {
  const byType: [SchemaType, unknown, unknown, unknown][] = [
    [array(int64), [1, 2], [2], [3]],
    [
      row({ id: int64, tags: array(string) }),
      { id: 1, tags: ['x'] },
      { id: 1, tags: [] },
      { id: 2, tags: [] },
    ],
    [map(string, int64), new Map([['a', 1]]), new Map([['b', 1]]), new Map([['a', 2]])],
    [float64, Number.NaN, 0.5, 1.5],
    [row({ class: string, n: int64 }), ...[1, 2, 3].map((n) => ({ class: 'a', n }))] as never,
    [
      row({ 'a b': row({ _id: string }) }),
      ...['x', 'y', 'z'].map((_id) => ({ 'a b': { _id } })),
    ] as never,
    [tensor(int64, [2]), [1, 2], [2, 1], [2, 2]],
  ];
  for (const [type, one, other, none] of byType) {
    const handler = perKey<unknown, number, number>([
      { keys: [one], handler: times(2) },
      { keys: [other], handler: times(10) },
    ]);
    const found: [number, number][] = [];
    const failures: unknown[] = [];
    await createRunner({ runner: 'node' }).run((root) => {
      const { predictions, failed } = root
        .apply(create([one, other, none, one].map((key, value) => ({ key, value: value + 1 }))))
        .apply(RunInference.ofKVs(handler, type).withDeadLetters());
      predictions.map(({ value }) => found.push([value.example, value.inference]));
      failed.map(({ element, errorType, message }) =>
        failures.push([element.value, errorType, message]),
      );
    });
    assert.deepEqual(
      found.sort(),
      [
        [1, 2],
        [2, 20],
        [4, 8],
      ],
      `${type.kind}: ${failures}`,
    );
    assert.equal(failures.length, 1);
    assert.deepEqual((failures[0] as unknown[]).slice(0, 2), [3, 'NO_MODEL_FOR_KEY']);
  }
});

test('what is no model per key is refused', () => {
  const refused = { code: 'INVALID_ARGUMENT' };
  assert.throws(() => perKey([]), refused);
  assert.throws(() => perKey([{ keys: [], handler: times(2) }]), refused);
  const twice = [
    { keys: [{ id: 1 }], handler: times(2) },
    { keys: [{ id: 1 }], handler: times(10) },
  ];
  assert.throws(() => perKey(twice), { ...refused, message: /two models/ });
  assert.throws(
    () => perKey([{ keys: ['a'], handler: times(2) }], { maxModelsPerWorker: 0 }),
    refused,
  );
  const text = pythonModelHandler({ loader: 'x.Y', example: int64, inference: string });
  const mixed = [
    { keys: ['a'], handler: times(2) },
    { keys: ['b'], handler: text as never },
  ];
  assert.throws(() => perKey(mixed), { code: 'INVALID_SCHEMA' });
  assert.throws(() => RunInference.of(models), refused);
  assert.throws(() => RunInference.ofKVs(models, string).withKwarg('a', 1), refused);
});
