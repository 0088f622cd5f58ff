// SPDX-License-Identifier: Apache-2.0
// Dead letters with the managed Python: exactly the bad rows fail.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type FailedInference, RunInference } from '../../src/ml/index.ts';
import type { PCollection } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { array, int64, string } from '../../src/schema/index.ts';
import {
  assignTimestamps,
  create,
  fixedWindows,
  timestampParam,
  windowInto,
  windowParam,
} from '../../src/transforms/index.ts';
import { type Digits, linesOf, predictedByPython, trainedDigits } from '../helpers/digits.ts';

const SKLEARN = 'apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy';
/** Raises for a batch that has a negative number; gives text for 13. */
const PICKY = `
from apache_beam.ml.inference.base import ModelHandler
class Picky(ModelHandler):
  def load_model(self):
    return None
  def run_inference(self, batch, model, inference_args=None):
    for row in batch:
      if row < 0:
        raise ValueError(f'{row} is below zero')
    return ['unlucky' if row == 13 else 2 * row for row in batch]
`;
const NUMBERS = { example: int64, inference: int64 };

const runner = createRunner({ runner: 'direct' });
let digits: Digits;
before(async () => {
  digits = await trainedDigits();
});

test("one row in a hundred is bad: these fail, and all others have scikit-learn's answer", async () => {
  const rows = linesOf(digits.all).map((line, i) => {
    const [label = 0, ...pixels] = line.split(',').map(Number);
    // Too few pixels for the model, which then refuses the whole batch.
    return { key: label, value: i % 100 === 50 ? pixels.slice(i % 60) : pixels };
  });
  const bad = rows.filter(({ value }) => value.length !== 64);
  const predicted: string[] = [];
  const failures: FailedInference<(typeof rows)[number]>[] = [];
  await runner.run((root) => {
    const { predictions, failed } = root.apply(create(rows)).apply(
      RunInference.ofKVs(SKLEARN, { example: array(int64), inference: int64 }, int64)
        .withKwarg('model_uri', digits.model)
        .withDeadLetters(),
    );
    predictions.map(({ key, value }) => predicted.push(`${key},${value.inference}`));
    failed.map((failure) => failures.push(failure));
  });
  assert.ok(bad.length >= rows.length / 100 - 1 && bad.length > 0);
  const expected = predictedByPython(digits, digits.all).filter(
    (_, i) => rows[i]!.value.length === 64,
  );
  assert.deepEqual(predicted.sort(), expected.sort());
  const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  assert.deepEqual(failures.map(({ element }) => element).sort(byText), bad.sort(byText));
  for (const { errorType, message, traceback } of failures) {
    assert.equal(errorType, 'ValueError');
    assert.ok(message.length > 0);
    assert.match(traceback, /sklearn_inference\.py/);
  }
});

test('raised, of another type, and not to be sent: each failure says which', async () => {
  const failures: string[] = [];
  const predicted: number[] = [];
  await runner.run((root) => {
    const { predictions, failed } = root
      .apply(create<unknown>([1, -2, 13, 4.5, 2 ** 60, 'six', 7]))
      .apply(RunInference.of(PICKY, NUMBERS).withDeadLetters() as never) as unknown as {
      predictions: PCollection<{ inference: number }>;
      failed: PCollection<FailedInference<unknown>>;
    };
    predictions.map(({ inference }) => predicted.push(inference));
    failed.map(({ element, errorType }) => failures.push(`${element} ${errorType}`));
  });
  assert.deepEqual(predicted.sort(), [14, 2]);
  assert.deepEqual(failures.sort(), [
    '-2 ValueError',
    '1152921504606847000 INT64_OUT_OF_RANGE',
    '13 INFERENCE_MISMATCH',
    '4.5 ROW_MISMATCH',
    'six ROW_MISMATCH',
  ]);
});

test('failures keep their time and window', async () => {
  const seen: string[] = [];
  await runner.run((root) => {
    const { predictions, failed } = root
      .apply(create([1, -1, 1001, -1001]))
      .apply(assignTimestamps((value: number) => Math.abs(value)))
      .apply(windowInto(fixedWindows(1)))
      .apply(RunInference.of(PICKY, NUMBERS).withDeadLetters());
    const context = { time: timestampParam(), window: windowParam() };
    const note = (value: number, { time, window }: typeof context) =>
      seen.push(`${value} at ${time.lookup()} in ${window.lookup()}`);
    predictions.map(({ example }) => example).map(note, context);
    failed.map(({ element }) => element).map(note, context);
  });
  assert.deepEqual(seen.sort(), [
    '-1 at 1 in [0, 1000)',
    '-1001 at 1001 in [1000, 2000)',
    '1 at 1 in [0, 1000)',
    '1001 at 1001 in [1000, 2000)',
  ]);
});

test('a model that cannot be loaded is an error of the run', async () => {
  const broken = PICKY.replace('return None', "raise OSError('gone')");
  await assert.rejects(
    runner.run((root) => {
      root
        .apply(create([1]))
        .apply(RunInference.of(broken, { example: int64, inference: string }).withDeadLetters());
    }),
    { code: 'MODEL_INVALID' },
  );
});

test('a run all of whose rows fail alike ends with what they fail with, unless it may', async () => {
  const failed: unknown[] = [];
  const run = (options: { threshold?: number }) =>
    runner.run((root) => {
      root
        .apply(create(Array.from({ length: 2000 }, () => -1)))
        .apply(RunInference.of(PICKY, NUMBERS).withDeadLetters(options))
        .failed.map((failure) => void failed.push(failure));
    });
  for (const options of [{}, { threshold: 0.05 }]) {
    await assert.rejects(run(options), {
      code: 'DEAD_LETTER_THRESHOLD',
      message: /first 1000 rows all failed alike: ValueError: -1 is below zero/,
    });
  }
  failed.length = 0;
  await run({ threshold: 1 });
  assert.equal(failed.length, 2000);
});
