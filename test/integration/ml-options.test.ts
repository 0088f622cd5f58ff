// SPDX-License-Identifier: Apache-2.0
// What a RunInference can be asked for besides its handler, with the managed Python and on the node
// runner with its workers.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pythonCallable } from '../../src/external/index.ts';
import { type FailedInference, inferenceMetrics, RunInference } from '../../src/ml/index.ts';
import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { int64, row, string } from '../../src/schema/index.ts';
import { stopHosts } from '../../src/services/index.ts';
import { create, fixedWindows, windowInto } from '../../src/transforms/index.ts';
import { pythonStage } from '../helpers/python-stage.ts';

/** Says what each call got: the text, the rows of the call, the arguments and the environment. */
const TELLING = `
import os
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Prefix:
  def __init__(self):
    self._prefix = os.environ.get('PREFIX', '')
  def of(self, text):
    return self._prefix + text
class Telling(ModelHandler[str, PredictionResult, Prefix]):
  def load_model(self):
    return Prefix()
  def run_inference(self, batch, model, inference_args=None):
    suffix = (inference_args or {}).get('style', {}).get('suffix', '')
    return [PredictionResult(text, f"{model.of(text)}{suffix} of {len(batch)}") for text in batch]
  def get_metrics_namespace(self):
    return 'BeamML_Telling'
  def validate_inference_args(self, inference_args):
    unknown = set(inference_args or {}) - {'style'}
    if unknown:
      raise ValueError(f'unknown: {sorted(unknown)}')
`;
/** Hangs, ends its process, runs out of memory or raises, as the text says. */
const TROUBLED = `
import os, time
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Troubled(ModelHandler[str, PredictionResult, object]):
  def load_model(self):
    return object()
  def run_inference(self, batch, model, inference_args=None):
    if 'hang' in batch:
      time.sleep(30)
    if 'die' in batch:
      os._exit(3)
    if 'large' in batch:
      raise MemoryError('no room')
    if 'bad' in batch:
      raise ValueError('bad')
    return [text.upper() for text in batch]
`;
const TEXTS = { example: string, inference: string };
const telling = RunInference.of(TELLING, TEXTS);
const troubled = RunInference.of(TROUBLED, TEXTS);

const runners = {
  direct: createRunner({ runner: 'direct' }),
  node: createRunner({ runner: 'node' }),
};
const scratch = mkdtempSync(join(tmpdir(), 'beambridge-options-'));
after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await stopHosts();
});

type RunnerName = keyof typeof runners;

async function collect<T>(name: RunnerName, build: (root: Root) => PCollection<T>): Promise<T[]> {
  const out: T[] = [];
  await runners[name].run((root) => {
    build(root).map((value) => out.push(value));
  });
  return out;
}

for (const name of ['direct', 'node'] as const) {
  const inferences = async (scoring: typeof telling, texts: string[]) =>
    (await collect(name, (root) => root.apply(create(texts, { reshuffle: false })).apply(scoring)))
      .map(({ inference }) => inference)
      .sort();

  test(`${name}: arguments, environment and batches reach the handler; metrics come back`, async () => {
    // A name of its own, because a variable stays in the process.
    const variable = `PREFIX_${name}`;
    const scoring = RunInference.of(TELLING.replace('PREFIX', variable), TEXTS)
      .withInferenceArgs({ style: { suffix: '!' } })
      .withEnvVars({ [variable]: '>' })
      .withBatching({ maxSize: 2 });
    const out: string[] = [];
    const result = await runners[name].run((root) => {
      root
        .apply(create(['a', 'b', 'c'], { reshuffle: false }))
        .apply(scoring)
        .map(({ inference }) => out.push(inference));
    });
    assert.deepEqual(out.sort(), ['>a! of 2', '>b! of 2', '>c! of 1']);
    const metrics = inferenceMetrics(await result.metrics(), { namespace: 'BeamML_Telling' });
    assert.equal(metrics.inferences, 3);
    assert.equal(metrics.failedBatches, 0);
    assert.deepEqual([metrics.batchSize?.count, metrics.batchSize?.max], [2, 2]);
    assert.equal(metrics.modelLoadMillis?.count, 1);
    assert.ok(metrics.batchLatencyMicros!.count === 2 && metrics.batchBytes!.sum > 0);
  });

  test(`${name}: batches by weight, by length, and none`, async () => {
    const length = pythonCallable('len');
    assert.deepEqual(
      await inferences(telling.withBatching({ weight: length, maxWeight: 3 }), [
        'aa',
        'b',
        'ccccc',
        'd',
      ]),
      ['aa of 2', 'b of 2', 'ccccc of 1', 'd of 1'],
    );
    assert.deepEqual(
      await inferences(telling.withBatching({ length, lengthBuckets: [3] }), [
        'a',
        'bbb',
        'c',
        'dddd',
        'e',
      ]),
      ['a of 3', 'bbb of 2', 'c of 3', 'dddd of 2', 'e of 3'],
    );
    assert.deepEqual(await inferences(telling.withBatching('none'), ['a', 'b']), [
      'a of 1',
      'b of 1',
    ]);
  });

  test(`${name}: rows of several bundles wait for one another`, async () => {
    const scoring = telling.withBatching({ minSize: 40, maxDurationMs: 60_000 });
    const got = await collect(name, (root) =>
      root
        .apply(create(Array.from({ length: 40 }, (_, i) => `${i}`)))
        .apply(scoring)
        .map(({ inference }) => inference),
    );
    assert.ok(
      got.every((text) => text.endsWith(' of 40')),
      got.join(),
    );
  });

  test(`${name}: what each function after the model gives is of its declared type, or refused`, async () => {
    const parsed = row({ a: int64 });
    const parse = (given: string) => telling.withPostprocess(() => JSON.parse(given), parsed);
    const later = (given: string) =>
      telling
        .withPostprocess(async () => JSON.parse(given), parsed)
        .withPostprocess(({ a }) => `${a}`);
    for (const scoring of [parse, later]) {
      await assert.rejects(
        collect(name, (root) =>
          root.apply(create(['x'])).apply(scoring('{"a": "x"}') as ReturnType<typeof parse>),
        ),
        { code: 'ROW_MISMATCH', message: /Postprocess/ },
      );
      const good = collect(name, (root) =>
        root.apply(create(['x'])).apply(scoring('{"a": 5}') as ReturnType<typeof parse>),
      );
      assert.deepEqual(await good, [scoring === parse ? { a: 5 } : '5']);
    }
  });

  test(`${name}: functions before and after the model, Python's next to it`, async () => {
    const scoring = telling
      .withPreprocess(pythonCallable('lambda text: text + "1"'))
      .withPreprocess(pythonCallable('lambda text: text + "2"'))
      .withPostprocess(pythonCallable('lambda p: p.inference + " 3"'))
      .withPreprocess(async (n: number) => `n${n}`)
      .withPostprocess(({ example, inference }) => `${example}: ${inference}`, string)
      .withPostprocess((text) => text.length);
    const lengths: string[] = [];
    const texts = await collect(name, (root) => {
      const seen = scoring.withMonitoring((predictions: PCollection<{ inference: string }>) => {
        return predictions.map(({ inference }) => inference);
      });
      return root
        .apply(create([7]))
        .apply(seen)
        .map((length) => `${length}`);
    });
    lengths.push(...texts);
    // The one given last runs first: n7, then 2, then 1.
    assert.deepEqual(lengths, [`${'n7: n721 of 1 3'.length}`]);
    const keyed = RunInference.ofKVs(TELLING, TEXTS, int64)
      .withPreprocess(pythonCallable('str.upper'))
      .withPreprocess((text: string, key: number) => `${text}${key}`)
      .withPostprocess(({ inference }, key) => `${key} ${inference}`);
    assert.deepEqual(
      await collect(name, (root) => root.apply(create([{ key: 5, value: 'a' }])).apply(keyed)),
      [{ key: 5, value: '5 A5 of 1' }],
    );
  });

  test(`${name}: a failed row says which function failed`, async () => {
    const scoring = telling
      .withPreprocess(pythonCallable('lambda text: 1 / 0 if text == "py" else text'))
      .withPreprocess(pythonCallable('lambda text: text'))
      .withPostprocess(pythonCallable('lambda p: p.inference if p.example != "late" else 1 / 0'))
      .withPreprocess((text: string) => {
        if (text === 'ts') throw new RangeError('no ts');
        return text;
      })
      .withPostprocess(({ example }) => {
        if (example === 'last') throw new TypeError('no last');
        return example;
      })
      .withDeadLetters();
    const failures: string[] = [];
    const good: string[] = [];
    await runners[name].run((root) => {
      const { predictions, failed } = root
        .apply(create(['ok', 'py', 'ts', 'late', 'last']))
        .apply(scoring);
      predictions.map((text) => good.push(text));
      failed.map(({ element, step, index, errorType }) =>
        failures.push(`${element}: ${step} ${index} ${errorType}`),
      );
    });
    assert.deepEqual(good, ['ok']);
    assert.deepEqual(failures.sort(), [
      'last: postprocess 0 TypeError',
      'late: postprocess 0 ZeroDivisionError',
      'py: preprocess 1 ZeroDivisionError',
      'ts: preprocess 0 RangeError',
    ]);
  });

  test(`${name}: a model that hangs, dies or runs out of memory`, async () => {
    const failures: FailedInference<string>[] = [];
    const good: string[] = [];
    await runners[name].run((root) => {
      const { predictions, failed } = root
        .apply(create(['a', 'hang', 'die', 'large', 'bad', 'b'], { reshuffle: false }))
        .apply(
          troubled
            .withBatching('none')
            .withDeadLetters({ timeoutMs: 2000, useSubprocess: true, threshold: 0.9 }),
        );
      predictions.map(({ inference }) => good.push(inference));
      failed.map((failure) => failures.push(failure));
    });
    assert.deepEqual(good.sort(), ['A', 'B']);
    assert.deepEqual(failures.map(({ element, errorType }) => `${element} ${errorType}`).sort(), [
      'bad ValueError',
      'die MODEL_PROCESS_DIED',
      'hang TimeoutError',
      'large MODEL_OUT_OF_MEMORY',
    ]);
    assert.match(failures.find(({ element }) => element === 'bad')!.traceback, /in run_inference/);
  });

  test(`${name}: more rows fail than may`, async () => {
    const run = (windows: boolean) =>
      runners[name].run((root) => {
        const texts = root.apply(create(['a', 'bad', 'b', 'bad']));
        (windows ? texts.apply(windowInto(fixedWindows(60))) : texts).apply(
          troubled.withBatching('none').withDeadLetters({ threshold: windows ? 0.25 : 0.5 }),
        );
      });
    await run(false);
    await assert.rejects(run(true), {
      code: 'DEAD_LETTER_THRESHOLD',
      message: /2 of 4 rows .* at most a share of 0.25 may/,
    });
  });

  test(`${name}: out of memory and unknown arguments without dead letters`, async () => {
    const run = (scoring: typeof telling) =>
      collect(name, (root) => root.apply(create(['large'])).apply(scoring));
    await assert.rejects(run(troubled), { code: 'MODEL_OUT_OF_MEMORY' });
    const full = TROUBLED.replace('return object()', "raise MemoryError('full')");
    await assert.rejects(run(RunInference.of(full, TEXTS)), {
      code: 'MODEL_OUT_OF_MEMORY',
      message: /full/,
    });
    await assert.rejects(run(telling.withInferenceArgs({ colour: 'red' })), {
      code: 'INVALID_ARGUMENT',
      message: /unknown: \['colour'\]/,
    });
  });
}

test('a hanging call without a child process is left behind', async () => {
  const failures: string[] = [];
  await runners.node.run((root) => {
    const { failed } = root
      .apply(create(['a', 'hang'], { reshuffle: false }))
      .apply(troubled.withBatching('none').withDeadLetters({ timeoutMs: 500 }));
    failed.map(({ element, errorType, message }) =>
      failures.push(`${element} ${errorType} ${message}`),
    );
  });
  assert.deepEqual(failures, ['hang TimeoutError the model gave no answer within 500 ms']);
});

test('a model for all processes, in copies', async () => {
  const rows = await collect('node', (root) =>
    root
      .apply(create(['a', 'b'], { reshuffle: false }))
      .apply(telling.withLargeModel({ copies: 2 })),
  );
  assert.deepEqual(rows.map(({ inference }) => inference).sort(), ['a of 2', 'b of 2']);
});

test('resource hints are in the environment of the stage', async () => {
  const hinted = telling.withResourceHints({ minRam: '2GiB', cpuCount: 3, accelerator: 'type:x' });
  const { environment } = await pythonStage((root) =>
    root.apply(create(['a'])).apply(hinted.withResourceHints({ minRam: 1000 })),
  );
  const hints = Object.entries(environment.resourceHints).map(
    ([urn, value]) => `${urn.split(':').at(-2)}=${new TextDecoder().decode(value)}`,
  );
  assert.deepEqual(hints.sort(), ['accelerator=type:x', 'cpu_count=3', 'min_ram_bytes=1000']);
});

/** Writes a line to a file for each time that its model is loaded. */
const COUNTED = `
import os
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Counted(ModelHandler[str, PredictionResult, object]):
  def __init__(self, log):
    super().__init__()
    self._log = log
  def load_model(self):
    with open(self._log, 'a') as log:
      print(os.getpid(), file=log)
    return object()
  def run_inference(self, batch, model, inference_args=None):
    return [text.upper() for text in batch]
`;

for (const runner of ['direct', 'node'] as const) {
  test(`${runner}: a handler's source text is loaded once for each transform that uses it, and another one by itself`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'beambridge-loads-'));
    const counted = (name: string) =>
      RunInference.of(COUNTED, TEXTS).withKwarg('log', join(folder, name));
    const loads = (name: string) => readFileSync(join(folder, name), 'utf8').trim().split('\n');
    try {
      const [one, other] = [counted('one'), counted('other')];
      const outputs: string[] = [];
      const program = (root: Root) => {
        const texts = root.apply(create(['a', 'b']));
        for (const scoring of [one, one.withModelId(), other]) {
          texts.apply(scoring).map(({ inference }) => outputs.push(inference));
        }
        // One behind the other, with another option.
        texts
          .apply(one)
          .map(({ inference }) => inference.toLowerCase())
          .apply(one.withBatching({ maxSize: 1 }))
          .map(({ inference }) => outputs.push(inference));
      };
      await createRunner({ runner }).run(program);
      assert.deepEqual(outputs.sort(), [...'AAAABBBB']);
      // Once in each process: how many processes there are is the runner's.
      for (const [name, transforms] of [
        ['one', 4],
        ['other', 1],
      ] as const) {
        for (const pid of loads(name)) {
          const times = loads(name).filter((each) => each === pid).length;
          assert.ok(times <= transforms, `${name}: ${loads(name)}`);
        }
      }
      const again = loads('one').length;
      await createRunner({ runner }).run(program);
      assert.ok(loads('one').length > again, 'another pipeline loads what the file holds then');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
