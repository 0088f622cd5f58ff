// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pythonCallable } from '../../../src/external/index.ts';
import {
  create,
  fromAsyncIterable,
  type PCollection,
  sessions,
  windowInto,
} from '../../../src/index.ts';
import {
  type DeadLetterOptions,
  inferenceMetrics,
  modelHandler,
  RunInference,
  withTestModel,
} from '../../../src/ml/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import { int64, string } from '../../../src/schema/index.ts';

const scoring = RunInference.of('my.Handler', { example: int64, inference: int64 });
const refused = { code: 'INVALID_ARGUMENT' };

test('options that cannot be are refused when they are given', () => {
  const batching = [
    { minSize: 0 },
    { maxSize: 1.5 },
    { minSize: 5, maxSize: 4 },
    { maxDurationMs: -1 },
    { maxWeight: 3 },
    { weight: 'len' as never },
    { lengthBuckets: [16] },
    { length: pythonCallable('len'), lengthBuckets: [16, 16] },
    { length: pythonCallable('len'), lengthBuckets: [] },
  ];
  for (const given of batching) assert.throws(() => scoring.withBatching(given), refused);
  for (const threshold of [-0.1, 1.1, NaN, '1' as never]) {
    assert.throws(() => scoring.withDeadLetters({ threshold }), refused);
  }
  assert.throws(() => scoring.withDeadLetters({ timeoutMs: 0 }), refused);
  for (const minRam of ['16', 'lots', 0]) {
    assert.throws(() => scoring.withResourceHints({ minRam }), refused);
  }
  assert.throws(() => scoring.withResourceHints({ cpuCount: 0.5 }), refused);
  assert.throws(() => scoring.withLargeModel({ copies: 0 }), refused);
  assert.throws(() => scoring.withEnvVars({ A: 1 as never }), refused);
  assert.throws(() => scoring.withModelIdentifier('a/b'), refused);
  assert.throws(() => scoring.withMetricsNamespace(''), refused);
  assert.throws(() => scoring.withWatchedModel('*.pkl', { intervalMs: 0 }), refused);
  assert.throws(() => scoring.withWatchedModel(''), refused);
  assert.throws(() => scoring.withPreprocess('len' as never), refused);
  const inTypeScript = scoring.withPreprocess((text: string) => Number(text));
  assert.throws(() => inTypeScript.withPreprocess(pythonCallable('int')), refused);
});

test('what gathers rows over time in windows that merge says which option that is', () => {
  const root = new Root(new Pipeline());
  const visits = root.apply(create([1])).apply(windowInto(sessions(60)));
  assert.throws(() => visits.apply(scoring.withBatching({ maxDurationMs: 50 })), {
    code: 'UNSUPPORTED',
    message: /maxDurationMs of withBatching/,
    hint: /Leave maxDurationMs out/,
    transform: /RunInference/,
  });
});

test('a threshold needs windows that end', () => {
  const root = new Root(new Pipeline());
  const unbounded = root.apply(
    fromAsyncIterable(async function* () {
      yield 1;
    }),
  );
  const apply = (options: DeadLetterOptions) => unbounded.apply(scoring.withDeadLetters(options));
  assert.throws(() => apply({ threshold: 0.5 }), {
    code: 'INVALID_ARGUMENT',
    message: /unbounded/,
  });
  apply({ threshold: 1 });
});

test('types follow functions before and after the model', () => {
  const root = new Root(new Pipeline());
  const { predictions, failed } = root.apply(create(['1'])).apply(
    scoring
      .withPreprocess((text: string) => Number(text))
      .withPostprocess(({ example, inference }) => `${example}: ${inference}`, string)
      .withDeadLetters(),
  );
  predictions satisfies PCollection<string>;
  assert.equal(predictions.coder.name, 'string_utf8');
  failed.map(({ element }) => element satisfies string | number);
});

test('functions run around a test model as they do around a real one', async () => {
  const out: string[] = [];
  const failures: string[] = [];
  await withTestModel(
    (examples: number[]) => examples.map((n) => n * 2),
    () =>
      createRunner({ runner: 'node' }).run((root) => {
        const { predictions, failed } = root.apply(create(['1', 'x', '3'])).apply(
          scoring
            .withPreprocess(async (text: string) => {
              if (text === 'x') throw new RangeError('no x');
              return Number(text);
            })
            .withPostprocess(({ inference }) => `${inference}!`)
            .withDeadLetters(),
        );
        predictions.map((text) => out.push(text));
        failed.map(({ element, step }) => failures.push(`${element} ${step}`));
      }),
  );
  assert.deepEqual(out.sort(), ['2!', '6!']);
  assert.deepEqual(failures, ['x preprocess']);
});

test('what only Python can do is refused for a model in TypeScript', () => {
  const handler = modelHandler({
    name: 'twice',
    example: int64,
    inference: int64,
    loadModel: () => 2,
    runInference: (batch, factor) => batch.map((n) => n * factor),
  });
  const local = RunInference.of(handler);
  assert.throws(() => local.withEnvVars({ A: 'b' }), refused);
  assert.throws(() => local.withResourceHints({ minRam: '1GB' }), refused);
  const root = new Root(new Pipeline());
  const numbers = root.apply(create([1]));
  const unsupported = { code: 'UNSUPPORTED' };
  assert.throws(() => numbers.apply(local.withPreprocess(pythonCallable('abs'))), unsupported);
  assert.throws(() => numbers.apply(local.withDeadLetters({ timeoutMs: 5 })), unsupported);
  numbers.apply(local.withBatching('none').withInferenceArgs({ a: 1 }));
});

test('metrics by their names, summed over transforms', () => {
  const value = (count: number, sum: number) => ({
    count,
    sum,
    min: 1,
    max: sum,
    mean: sum / count,
  });
  const metrics = {
    query: () => ({
      counters: [
        { namespace: 'n', name: 'num_inferences', value: 2 },
        { namespace: 'n', name: 'num_inferences', value: 3 },
        { namespace: 'n', name: 'new_num_inferences', value: 1 },
      ],
      distributions: [
        { namespace: 'n', name: 'inference_request_batch_size', value: value(1, 2) },
        { namespace: 'n', name: 'inference_request_batch_size', value: value(3, 10) },
      ],
    }),
  };
  const { inferences, batchSize, modelBytes } = inferenceMetrics(metrics);
  assert.equal(inferences, 5);
  assert.deepEqual(batchSize, { count: 4, sum: 12, min: 1, max: 10, mean: 3 });
  assert.equal(modelBytes, undefined);
  assert.equal(inferenceMetrics(metrics, { model: 'new' }).inferences, 1);
});
