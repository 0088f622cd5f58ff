// SPDX-License-Identifier: Apache-2.0
// Starts the managed Python host, and for one test an expansion service of Beam's own. The first
// two cases are those of Java's RunInferenceTransformTest.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GlobalWindow, IntervalWindow } from '../../src/coders/index.ts';
import { type InferenceFields, RunInference } from '../../src/ml/index.ts';
import { runInferenceSource } from '../../src/ml/python/host-module.ts';
import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  boolean,
  float64,
  int32,
  int64,
  map,
  nullable,
  type RowType,
  row,
  string,
  typedArray,
} from '../../src/schema/index.ts';
import { startService } from '../../src/services/index.ts';
import {
  create,
  fixedWindows,
  timestamped,
  timestampParam,
  windowInto,
  windowParam,
} from '../../src/transforms/index.ts';
import { type Digits, linesOf, predictedByPython, trainedDigits } from '../helpers/digits.ts';

const SKLEARN = 'apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy';
const KEYED_SKLEARN = `
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
from apache_beam.ml.inference.base import KeyedModelHandler
def get_model_handler(model_uri):
  return KeyedModelHandler(SklearnModelHandlerNumpy(model_uri))
`;
/** A handler without a model: `expression` is its prediction for `row`. */
const predicting = (expression: string) => `
import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Handler(ModelHandler):
  def load_model(self):
    return None
  def run_inference(self, batch, model, inference_args=None):
    return [PredictionResult(row, ${expression}, 'here') for row in batch]
`;

let digits: Digits;
let scratch: string;
/** A model of two numbers whose answer is the first, as in Java's tests. */
let pairs: string;
before(async () => {
  digits = await trainedDigits();
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-ml-'));
  pairs = join(scratch, 'pairs.pkl');
  const program = `
import pickle, sys
from sklearn import svm
model = svm.SVC()
model.fit([[0, 0], [1, 1]], [0, 1])
pickle.dump(model, open(sys.argv[1], 'wb'))
`;
  execFileSync(digits.python, ['-c', program, pairs]);
});
after(() => rmSync(scratch, { recursive: true, force: true }));

const runner = createRunner({ runner: 'direct' });

async function collect<T>(build: (root: Root) => PCollection<T>): Promise<T[]> {
  const out: T[] = [];
  await runner.run((root) => {
    build(root).map((value) => out.push(value));
  });
  return out;
}

/** One prediction of `expression`. */
async function predict(
  expression: string,
  example: unknown,
  types: InferenceFields | RowType<{ example: unknown; inference: unknown }>,
): Promise<unknown> {
  const [only] = await collect((root) =>
    root.apply(create([example])).apply(RunInference.of(predicting(expression), types as never)),
  );
  return only;
}

test('a numpy handler by its name', async () => {
  const rows = await collect((root) =>
    root
      .apply(
        create([
          [0, 0],
          [1, 1],
        ]),
      )
      .apply(
        RunInference.of(SKLEARN, row({ example: array(int64), inference: int32 })).withKwarg(
          'model_uri',
          pairs,
        ),
      ),
  );
  assert.deepEqual(rows, [
    { example: [0, 0], inference: 0 },
    { example: [1, 1], inference: 1 },
  ]);
});

test('a keyed handler by its source text', async () => {
  const rows = await collect((root) =>
    root
      .apply(
        create([
          [0, 0],
          [1, 1],
        ]),
      )
      .map((value) => ({ key: value[0]!, value }))
      .apply(
        RunInference.ofKVs(
          KEYED_SKLEARN,
          { example: array(int64), inference: int32 },
          int64,
        ).withKwarg('model_uri', pairs),
      ),
  );
  assert.deepEqual(rows, [
    { key: 0, value: { example: [0, 0], inference: 0 } },
    { key: 1, value: { example: [1, 1], inference: 1 } },
  ]);
});

test('all digits, keyed by their label, get the label that scikit-learn gives', async () => {
  const lines = linesOf(digits.all);
  const rows = await collect((root) =>
    root
      .apply(create(lines))
      .map((line) => {
        const [key = 0, ...value] = line.split(',').map(Number);
        return { key, value };
      })
      .apply(
        RunInference.ofKVs(SKLEARN, { example: array(int64), inference: int64 }, int64).withKwarg(
          'model_uri',
          digits.model,
        ),
      )
      .map(({ key, value }) => `${key},${value.inference}`),
  );
  assert.deepEqual(rows.sort(), predictedByPython(digits, digits.all).sort());
});

test('data frames, one row each', async () => {
  const [line = ''] = linesOf(digits.all);
  const pixels = line.split(',').slice(1).map(Number);
  const [first] = await collect((root) =>
    root.apply(create([pixels])).apply(
      RunInference.of('apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerPandas', {
        example: array(float64),
        inference: int64,
      }).withKwarg('model_uri', digits.model),
    ),
  );
  assert.equal(
    `${line.split(',')[0]},${first?.inference}`,
    predictedByPython(digits, digits.all)[0],
  );
});

test('predictions of every shape become the declared type', async () => {
  const example = float64;
  const cases: [string, InferenceFields, unknown][] = [
    ['np.int64(7)', { example, inference: int64 }, 7],
    ['np.array(7.0)', { example, inference: int64 }, 7],
    ['np.array([0.5, 1.5], np.float32)', { example, inference: array(float64) }, [0.5, 1.5]],
    [
      'np.eye(2)',
      { example, inference: array(typedArray('float64')) },
      [Float64Array.of(1, 0), Float64Array.of(0, 1)],
    ],
    [
      "{'a': np.array([row])}",
      { example, inference: map(string, array(float64)) },
      new Map([['a', [2.5]]]),
    ],
    [
      "{'label': 'x', 'score': np.float32(0.5)}",
      { example, inference: row({ label: string, score: float64 }) },
      { label: 'x', score: 0.5 },
    ],
    ['np.bool_(row > 2)', { example, inference: boolean }, true],
    ['None', { example, inference: nullable(string) }, null],
    ["[['a'], []]", { example, inference: array(array(string)) }, [['a'], []]],
  ];
  for (const [expression, types, inference] of cases) {
    assert.deepEqual(
      await predict(expression, 2.5, types),
      { example: 2.5, inference },
      expression,
    );
  }
});

test('examples of every type reach the handler and come back', async () => {
  const example = row({
    id: int64,
    name: nullable(string),
    at: array(float64),
    tags: map(string, int64),
  });
  const value = { id: 1, name: null, at: [0.5], tags: new Map([['a', 1]]) };
  assert.deepEqual(
    await predict("f'{row.id} {row.name} {list(row.at)} {row.tags}'", value, {
      example,
      inference: string,
    }),
    { example: value, inference: "1 None [0.5] {'a': 1}" },
  );
});

test('the model id, where it is declared', async () => {
  const types = row({ example: int64, inference: int64, model_id: nullable(string) });
  assert.deepEqual(await predict('row', 1, types), { example: 1, inference: 1, model_id: 'here' });
});

test('each row keeps its timestamp and its window', async () => {
  const seen = await collect((root) =>
    root
      .apply(create([1, 2, 11]))
      .flatMap((n) => [timestamped(n, n * 1000)] as unknown as number[])
      .apply(windowInto(fixedWindows(10)))
      .apply(RunInference.of(predicting('row * 10'), { example: int64, inference: int64 }))
      .map(
        ({ inference }, { window, at }) => {
          const w = window.lookup();
          assert.ok(!(w instanceof GlobalWindow) && w instanceof IntervalWindow);
          return [inference, at.lookup(), w.start];
        },
        { window: windowParam(), at: timestampParam() },
      ),
  );
  assert.deepEqual(
    seen.sort((a, b) => a[0]! - b[0]!),
    [
      [10, 1000, 0],
      [20, 2000, 0],
      [110, 11000, 10000],
    ],
  );
});

test('Beam’s metrics count rows, not packed batches', async () => {
  const result = await runner.run((root) =>
    root
      .apply(create(Array.from({ length: 50 }, (_, i) => i)))
      .apply(RunInference.of(predicting('row'), { example: int64, inference: int64 })),
  );
  const { counters } = (await result.metrics()).query({ name: 'num_inferences' });
  assert.deepEqual(
    counters.map(({ value }) => value),
    [50],
  );
});

test('several models in one pipeline, one fed by another', async () => {
  const seen = await collect((root) => {
    const first = root
      .apply(create([1]))
      .apply(RunInference.of(predicting('row + 1'), { example: int64, inference: int64 }));
    return first
      .map(({ inference }) => inference)
      .apply(RunInference.of(predicting("'n' * row"), { example: int64, inference: string }));
  });
  assert.deepEqual(seen, [{ example: 2, inference: 'nn' }]);
});

/** Serves expansion as Beam's own program does, on a port that the kernel picks. */
const SERVICE = `
import signal, sys
import grpc
from concurrent import futures
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_artifact_api_pb2_grpc, beam_expansion_api_pb2_grpc
from apache_beam.runners.portability import artifact_service, expansion_service
from apache_beam.transforms import fully_qualified_named_transform
fully_qualified_named_transform.FullyQualifiedNamedTransform._FILTER_GLOB = '*'
options = PipelineOptions(flags=[], environment_type='beam:env:embedded_python:v1', sdk_location='container')
server = grpc.server(futures.ThreadPoolExecutor())
beam_expansion_api_pb2_grpc.add_ExpansionServiceServicer_to_server(
    expansion_service.ExpansionServiceServicer(options), server)
port = server.add_insecure_port('127.0.0.1:0')
server.start()
print('port', port, flush=True)
signal.pause()
`;

test('an expansion service that does not know us is sent what it lacks', async () => {
  await using service = await startService({
    name: 'an expansion service',
    command: digits.python,
    args: ['-c', SERVICE],
    env: { PYTHONPATH: undefined },
    ready: (line) => /^port (\d+)$/.exec(line)?.[1],
  });
  const rows = await collect((root) =>
    root.apply(create([[1, 1]])).apply(
      RunInference.of(SKLEARN, { example: array(int64), inference: int64 })
        .withKwarg('model_uri', pairs)
        .withExpansionService(`127.0.0.1:${service.info}`),
    ),
  );
  assert.deepEqual(rows, [{ example: [1, 1], inference: 1 }]);
});

test('what is sent there needs nothing of ours on the workers either', () => {
  const source = join(scratch, 'source.py');
  const pickle = join(scratch, 'transform.bin');
  writeFileSync(source, runInferenceSource());
  const python = (program: string) =>
    execFileSync(digits.python, ['-c', program, source, pickle], {
      cwd: scratch,
      encoding: 'utf8',
      env: { ...process.env, PYTHONPATH: '' },
    });
  python(`
import sys
from apache_beam.internal import pickler
from apache_beam.portability.api import schema_pb2
from apache_beam.utils.python_callable import PythonCallableWithSource
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
number = schema_pb2.FieldType(atomic_type=schema_pb2.INT64)
schema = schema_pb2.Schema(fields=[schema_pb2.Field(name=n, type=number) for n in ('example', 'inference')])
run_inference = PythonCallableWithSource(open(sys.argv[1]).read())
transform = run_inference(
    model_handler_provider=SklearnModelHandlerNumpy, schema=schema.SerializeToString(), kwargs={'model_uri': 'x'})
from beambridge_host.wire import packed
steps = [packed.Gather(), transform._handler]
open(sys.argv[2], 'wb').write(pickler.dumps(steps))
`);
  const kind = python(`
import sys
from apache_beam.internal import pickler
gather, handler = pickler.loads(open(sys.argv[2], 'rb').read())
list(gather.process(b'\\1'))
try:
  handler.load_model()
except Exception as error:
  print(type(error).__name__, 'MODEL_NOT_FOUND' in str(error), 'beambridge_host' in sys.modules)
`);
  assert.equal(kind.trim(), 'BridgeError True False');
});
