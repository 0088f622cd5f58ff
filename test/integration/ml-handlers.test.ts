// SPDX-License-Identifier: Apache-2.0
// Typed handlers against scikit-learn in the managed Python host, and in an expansion service of
// Beam's own.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { RunInference, sklearn } from '../../src/ml/index.ts';
import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { array, int64, row, string } from '../../src/schema/index.ts';
import { startService } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';
import { type Digits, linesOf, predictedByPython, trainedDigits } from '../helpers/digits.ts';

let digits: Digits;
let scratch: string;
before(async () => {
  digits = await trainedDigits();
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-handlers-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

async function collect<T>(build: (root: Root) => PCollection<T>): Promise<T[]> {
  const out: T[] = [];
  await createRunner({ runner: 'direct' }).run((root) => {
    build(root).map((value) => out.push(value));
  });
  return out;
}

/** The first digits as `{ key: label, value: pixels }`. */
function someDigits(count: number) {
  return linesOf(digits.all)
    .slice(0, count)
    .map((line) => {
      const [key, ...value] = line.split(',').map(Number);
      return { key: key!, value };
    });
}

const TYPES = { example: array(int64), inference: int64 };

test('a model by a relative path, with keys and its identity', async () => {
  const modelUri = relative(process.cwd(), digits.model);
  const rows = await collect((root) =>
    root
      .apply(create(someDigits(20)))
      .apply(RunInference.ofKVs(sklearn({ modelUri, ...TYPES }), int64).withModelId()),
  );
  const expected = predictedByPython(digits, digits.all).slice(0, 20).sort();
  assert.deepEqual(rows.map(({ key, value }) => `${key},${value.inference}`).sort(), expected);
  assert.equal(rows[0]!.value.model_id, digits.model);
});

test('an inference function of source text', async () => {
  const handler = sklearn({
    modelUri: digits.model,
    example: array(int64),
    inference: string,
    inferenceFn: `
import numpy as np
def predict(model, batch, inference_args=None):
  return [f'digit {n}' for n in model.predict(np.stack(batch))]
`,
  });
  const [only] = await collect((root) =>
    root.apply(create([someDigits(1)[0]!.value])).apply(RunInference.of(handler)),
  );
  assert.equal(only?.inference, 'digit 0');
});

test('a model that is not there, empty, or no model is refused before anything runs', async () => {
  const empty = join(scratch, 'empty.pkl');
  writeFileSync(empty, '');
  const run = (modelUri: string) => () =>
    collect((root) =>
      root.apply(create([[1]])).apply(RunInference.of(sklearn({ modelUri, ...TYPES }))),
    );
  await assert.rejects(run('no/such/model.pkl'), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'MODEL_NOT_FOUND');
    assert.ok(error.message.includes(join(process.cwd(), 'no/such/model.pkl')), error.message);
    return true;
  });
  await assert.rejects(run(empty), { code: 'MODEL_INVALID', message: /empty\.pkl is empty/ });
});

test('a Python function that is none is refused by the name of its option', async () => {
  const handler = sklearn({ modelUri: digits.model, inferenceFn: 'numpy.no_such', ...TYPES });
  const rows = (root: Root) => root.apply(create([[1]])).apply(RunInference.of(handler));
  await assert.rejects(collect(rows), {
    code: 'UNKNOWN_PYTHON_CALLABLE',
    message: /inference_fn could not be made/,
  });
});

test('a mistaken argument beside the options is an error that names it', async () => {
  const infer = RunInference.of(sklearn({ modelUri: digits.model, ...TYPES }));
  const rows = (root: Root) => root.apply(create([[1]])).apply(infer.withKwarg('model_url', 'x'));
  await assert.rejects(collect(rows), { code: 'INVALID_ARGUMENT', message: /no option model_url/ });
});

test('rows are one data frame whose columns are their fields', async () => {
  const handler = (inferenceFn: string) =>
    sklearn({
      modelUri: digits.model,
      example: row({ a: int64, b: string }),
      inference: string,
      inferenceFn,
    });
  const rows = [
    { a: 1, b: 'x' },
    { a: 2, b: 'y' },
  ];
  const texts = '[f"{type(batch).__name__} {a} {b}" for a, b in zip(batch.a, batch.b)]';
  // Beam's functions give the rows beside the predictions.
  for (const given of [texts, `(${texts}, [batch.iloc[[i]] for i in range(len(batch))])`]) {
    const found = await collect((root) =>
      root
        .apply(create(rows))
        .apply(RunInference.of(handler(`lambda model, batch, args: ${given}`))),
    );
    const inferences = found.map(({ inference }) => inference).sort();
    assert.deepEqual(inferences, ['DataFrame 1 x', 'DataFrame 2 y']);
  }
  const concat =
    'import pandas\ndef each(model, batch, args=None):\n  return pandas.concat(batch).b.tolist()';
  await assert.rejects(
    collect((root) => root.apply(create(rows)).apply(RunInference.of(handler(concat)))),
    { code: 'PYTHON_EXCEPTION', hint: /one data frame already/ },
  );
});

const SERVICE = `
import signal
from concurrent import futures
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_expansion_api_pb2_grpc
from apache_beam.runners.portability import expansion_service
from apache_beam.transforms import fully_qualified_named_transform
fully_qualified_named_transform.FullyQualifiedNamedTransform._FILTER_GLOB = '*'
server = grpc.server(futures.ThreadPoolExecutor())
options = PipelineOptions(
    ['--environment_type=beam:env:embedded_python:v1', '--sdk_location=container', '--experiments=beam_fn_api'])
beam_expansion_api_pb2_grpc.add_ExpansionServiceServicer_to_server(
    expansion_service.ExpansionServiceServicer(options), server)
port = server.add_insecure_port('127.0.0.1:0')
server.start()
print('port', port, flush=True)
signal.pause()
`;

test('an expansion service that does not know us is sent the handler', async () => {
  await using service = await startService({
    name: 'an expansion service',
    command: digits.python,
    args: ['-c', SERVICE],
    env: { PYTHONPATH: undefined },
    ready: (line) => /^port (\d+)$/.exec(line)?.[1],
  });
  const infer = RunInference.of(sklearn({ modelUri: digits.model, ...TYPES }));
  const [only] = await collect((root) =>
    root
      .apply(create([someDigits(1)[0]!.value]))
      .apply(infer.withExpansionService(`127.0.0.1:${service.info}`)),
  );
  assert.equal(only?.inference, 0);
});
