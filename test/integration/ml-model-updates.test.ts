// SPDX-License-Identifier: Apache-2.0
// Model updates: every row is scored once, by the model that was current for it.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inferenceMetrics, type ModelMetadata, RunInference } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { int64, nullable, string } from '../../src/schema/index.ts';
import { stopHosts } from '../../src/services/index.ts';
import { testStream } from '../../src/testing/index.ts';
import {
  assignTimestamps,
  create,
  fixedWindows,
  fromAsyncIterable,
  timestamped,
  windowInto,
} from '../../src/transforms/index.ts';

/** The model is a number in a file. */
const TIMES = `
import threading
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Times(ModelHandler[int, PredictionResult, list]):
  def __init__(self, path):
    super().__init__()
    self._path = path
  def load_model(self):
    with open(self._path) as file:
      return [int(file.read())]
  def update_model_path(self, model_path=None):
    self._path = model_path or self._path
  def run_inference(self, batch, model, inference_args=None):
    return [PredictionResult(row, int(row) * model[0], self._path) for row in batch]
  def get_metrics_namespace(self):
    return 'BeamML_Times'
`;
const TYPES = { example: int64, inference: int64, model_id: nullable(string) };

const folder = mkdtempSync(join(tmpdir(), 'beambridge-updates-'));
const model = (factor: number) => {
  const path = join(folder, `times-${factor}.txt`);
  writeFileSync(path, `${factor}`);
  return path;
};
const [one, ten, hundred] = [model(1), model(10), model(100)];
const scoring = RunInference.of(TIMES, TYPES).withKwarg('path', one);
const runners = {
  direct: createRunner({ runner: 'direct' }),
  node: createRunner({ runner: 'node' }),
};
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stopHosts();
});

interface Row {
  example: number;
  inference: number;
  model_id: string | null;
}

/** Which model scored each row, `row*factor`. */
const scored = (rows: readonly Row[]) =>
  rows
    .toSorted((a, b) => a.example - b.example)
    .map(({ example, inference }) => `${example}*${inference / example}`)
    .join(' ');

for (const name of ['direct', 'node'] as const) {
  test(`${name}: in a batch, the latest update that is not after the row counts`, async () => {
    const rows: Row[] = [];
    const result = await runners[name].run((root) => {
      const updates = root
        .apply(
          create<ModelMetadata & { at: number }>([
            { modelPath: hundred, modelName: 'hundred', at: 30 },
            { modelPath: ten, modelName: 'ten', at: 20 },
            { modelPath: join(folder, 'nothing.txt'), at: 40 },
          ]),
        )
        .apply(assignTimestamps(({ at }) => at));
      root
        .apply(create([15, 45, 20, 29, 30, 10, 39]))
        .apply(assignTimestamps((row: number) => row))
        .apply(scoring.withModelUpdates(updates))
        .map((row) => rows.push(row));
    });
    // The update at 40 points to nothing: the model before it goes on.
    assert.equal(scored(rows), '10*1 15*1 20*10 29*10 30*100 39*100 45*100');
    assert.deepEqual(
      rows
        .filter(({ example }) => example === 20 || example === 45)
        .map(({ model_id }) => model_id)
        .sort(),
      [ten, hundred].sort(),
    );
    const metrics = await result.metrics();
    assert.ok(inferenceMetrics(metrics).modelUpdateFailures >= 1);
    assert.equal(inferenceMetrics(metrics).inferences, 7);
    assert.equal(inferenceMetrics(metrics, { model: 'ten' }).inferences, 2);
    assert.ok(inferenceMetrics(metrics).modelLoadMillis!.count >= 3);
  });

  test(`${name}: updates in windows, and for some keys`, async () => {
    const rows: { key: string; value: Row }[] = [];
    await runners[name].run((root) => {
      const updates = root
        .apply(
          create<ModelMetadata<string>>([
            { modelPath: ten, keys: ['b'] },
            { modelPath: hundred, keys: ['c'] },
          ]),
        )
        .apply(assignTimestamps(({ modelPath }) => (modelPath === ten ? 0 : 60_000)))
        .apply(windowInto(fixedWindows(60)));
      root
        .apply(
          create(
            ['a', 'b', 'c'].flatMap((key) => [
              { key, value: 1 },
              { key, value: 70_000 },
            ]),
          ),
        )
        .apply(assignTimestamps(({ value }: { value: number }) => value))
        .apply(windowInto(fixedWindows(60)))
        .apply(
          RunInference.ofKVs(TIMES, TYPES, string).withKwarg('path', one).withModelUpdates(updates),
        )
        .map((row) => rows.push(row));
    });
    assert.deepEqual(rows.map(({ key, value }) => `${key}: ${scored([value])}`).sort(), [
      'a: 1*1',
      'a: 70000*1',
      'b: 1*10',
      'b: 70000*1',
      'c: 1*1',
      'c: 70000*100',
    ]);
  });
}

/** A stream of rows 1 to `count`, each at the time of its number, with an update half-way. */
async function stream(count: number): Promise<Row[]> {
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => timestamped({ row: from + i, path: '' }, from + i));
  const half = count / 2;
  const rows: Row[] = [];
  await runners.node.run((root) => {
    const events = root.apply(
      testStream<{ row: number; path: string }>()
        .addElements(...numbers(1, half))
        .advanceWatermarkTo(half)
        .addElements(timestamped({ row: 0, path: ten }, half))
        .addElements(...numbers(half, count + 1))
        .advanceWatermarkToInfinity(),
    );
    const updates = events
      .filter(({ path }) => path !== '')
      .map(({ path }): ModelMetadata => ({ modelPath: path }));
    events
      .filter(({ path }) => path === '')
      .map(({ row }) => row)
      .apply(scoring.withModelUpdates(updates) as never as typeof scoring)
      .map((row) => rows.push(row));
  });
  return rows;
}

test('in a stream, every row is scored once, by the model that was current for it', async () => {
  const count = Number(process.env.BEAMBRIDGE_STREAM_ROWS ?? 4000);
  const began = performance.now();
  const rows = await stream(count);
  const seconds = (performance.now() - began) / 1000;
  assert.equal(rows.length, count);
  assert.equal(new Set(rows.map(({ example }) => example)).size, count);
  const wrong = rows.filter(({ example, inference, model_id }) => {
    const updated = example >= count / 2;
    return inference !== example * (updated ? 10 : 1) || model_id !== (updated ? ten : one);
  });
  assert.deepEqual(wrong.slice(0, 5), []);
  if (count > 4000) console.error(`${count} rows in ${seconds.toFixed(1)} s`);
});

test('a watched pattern: what is there at first, then what appears', async () => {
  const watched = mkdtempSync(join(folder, 'watched-'));
  const put = (name: string, text: string) => {
    writeFileSync(join(watched, `.${name}`), text);
    renameSync(join(watched, `.${name}`), join(watched, name));
  };
  put('a.txt', '2');
  put('b.txt', '3');
  utimesSync(join(watched, 'a.txt'), 1000, 1000);
  const rows: Row[] = [];
  async function* ticks(signal: AbortSignal) {
    yield 1;
    while (rows.length === 0) await delay(20, undefined, { signal });
    put('c.txt', '5');
    for (let i = 2; !rows.some(({ inference, example }) => inference === 5 * example); i++) {
      await delay(50, undefined, { signal });
      yield i;
    }
  }
  await runners.node.run((root) => {
    root
      .apply(fromAsyncIterable(ticks, { timestamp: () => Date.now() }))
      .apply(
        scoring.withWatchedModel(join(watched, '*.txt'), { intervalMs: 100, stopAfterMs: 20_000 }),
      )
      .map((row) => rows.push(row));
  });
  const factors = rows.map(({ example, inference }) => inference / example);
  assert.equal(factors[0], 3);
  assert.equal(factors.at(-1), 5);
  assert.deepEqual([...new Set(factors)], [3, 5]);
});
