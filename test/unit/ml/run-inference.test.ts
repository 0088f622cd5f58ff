// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeValue } from '../../../src/coders/index.ts';
import { pythonCallable, pythonTransform } from '../../../src/external/index.ts';
import { RunInference } from '../../../src/ml/index.ts';
import { importedExtras, inferExtras } from '../../../src/ml/python/packages.ts';
import { type PCollection, Pipeline, Root } from '../../../src/pipeline/index.ts';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import {
  array,
  byte,
  int64,
  nullable,
  row,
  rowCoder,
  schemaFromProto,
  string,
} from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';

const SKLEARN = 'apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy';
const TYPES = { example: array(int64), inference: int64 };

/** What would be asked of an expansion service. */
function asked(transform: RunInference<number[], unknown>) {
  const root = new Root(new Pipeline());
  root.apply(create([[1, 2]])).apply(transform as RunInference<number[], object>);
  const { service, payload } = root.pipeline.transforms.find((each) => each.external)!.external!;
  const message = fromBinary(pb.ExternalConfigurationPayloadSchema, payload);
  const type = schemaFromProto<{ constructor: string; kwargs: Record<string, unknown> }>(
    message.schema!,
  );
  return { service, ...decodeValue(rowCoder(type), message.payload) };
}

test('settings make a new transform and leave the old one as it was', () => {
  const plain = RunInference.of(SKLEARN, TYPES);
  const one = plain.withKwarg('a', 1);
  const packed = one.withExtraPackages(['x==1']);
  const both = packed.withKwargs({ a: 2, b: 'y' }).withExtraPackages(['z']);
  assert.equal(asked(plain).kwargs.kwargs, undefined);
  assert.deepEqual(asked(one).kwargs.kwargs, { a: 1 });
  assert.deepEqual(asked(packed).kwargs.kwargs, { a: 1 });
  assert.deepEqual(asked(both).kwargs.kwargs, { a: 2, b: 'y' });
  assert.deepEqual(asked(plain).service, {
    kind: 'python',
    extras: ['sklearn'],
    packages: [],
    isExact: false,
  });
  assert.deepEqual(asked(both).service, {
    kind: 'python',
    extras: ['sklearn'],
    packages: ['x==1', 'z'],
    isExact: false,
  });
});

test('another expansion service gets the source of what it lacks, and no packages', () => {
  const elsewhere = RunInference.of(SKLEARN, TYPES).withExpansionService('localhost:8097');
  const { service, kwargs, ...rest } = asked(elsewhere);
  // The extras are for the managed host, which runs the stages on the runner `direct`.
  assert.deepEqual(service, { kind: 'address', address: 'localhost:8097', extras: ['sklearn'] });
  assert.equal(rest.constructor, '__constructor__');
  assert.match(kwargs.source as string, /def run_inference\(\*\*kwargs\):/);
  assert.equal(kwargs.base_dir, undefined);
  assert.throws(() => asked(elsewhere.withExtraPackages(['x'])), { code: 'INVALID_ARGUMENT' });
});

test('packages are a list: the letters of a text would be packages of strangers', () => {
  for (const packages of ['lightgbm', [1], undefined]) {
    assert.throws(() => RunInference.of(SKLEARN, TYPES).withExtraPackages(packages as never), {
      code: 'INVALID_ARGUMENT',
      message: /withExtraPackages\(\) is no array of texts/,
    });
  }
  for (const option of ['packages', 'extras']) {
    assert.throws(() => pythonTransform('f', [], {}, { output: string, [option]: 'boto3' }), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`${option} is no array of texts`),
      hint: /\["boto3"\]/,
    });
  }
});

test("packages follow from the handler, and stay beside a version of the program's own", () => {
  for (const [loader, extras] of [
    [SKLEARN, ['sklearn']],
    ['from apache_beam.ml.inference.PyTorch_inference import x', ['torch']],
    ['apache_beam.ml.inference.onnx_inference.OnnxModelHandlerNumpy', ['onnx']],
    ['apache_beam.ml.inference.xgboost_inference.X', ['xgboost']],
    ['apache_beam.ml.inference.tensorflow_inference.X', ['tensorflow']],
    ['apache_beam.ml.inference.huggingface_inference.X', ['huggingface']],
    ['my.own.Handler', []],
  ] as const) {
    assert.deepEqual(inferExtras(loader), extras, loader);
  }
  const older = RunInference.of(SKLEARN, TYPES).withExtraPackages(['scikit-learn==1.5.2']);
  assert.deepEqual(asked(older).service, {
    kind: 'python',
    extras: ['sklearn'],
    packages: ['scikit-learn==1.5.2'],
    isExact: false,
  });
});

test("code of the program's own gets the environment that it asks for, and none that has more", () => {
  const isExact = (transform: Parameters<typeof asked>[0]) =>
    (asked(transform).service as { isExact?: boolean }).isExact;
  const sklearn = RunInference.of(SKLEARN, TYPES);
  assert.equal(isExact(sklearn), false);
  assert.equal(isExact(sklearn.withPostprocess(pythonCallable('lambda result: result'))), true);
  assert.equal(isExact(RunInference.of('my.own.Handler', TYPES)), true);
  assert.equal(isExact(RunInference.of('from x import Handler', TYPES)), true);
});

test('the extras of a Python file follow from what it imports, not from what it speaks of', () => {
  const extras = (source: string) => importedExtras(source);
  assert.deepEqual(extras('import json\nimport numpy as np\n# like sklearn\nx = "torch"'), []);
  assert.deepEqual(extras('import os, pandas as pd'), ['sklearn']);
  assert.deepEqual(extras('import numpy as np, torch  # and sklearn'), ['torch']);
  assert.deepEqual(extras('def load():\n  from sklearn.svm import SVC\n  import torch.nn as nn'), [
    'sklearn',
    'torch',
  ]);
  assert.deepEqual(extras('from apache_beam.ml.inference.onnx_inference import Onnx'), ['onnx']);
  assert.deepEqual(extras('import keras'), ['tensorflow']);
  assert.deepEqual(extras('import tensorrt, vllm'), []);
});

test('the coder of the output follows from the declared types', () => {
  const root = new Root(new Pipeline());
  const examples = root.apply(create([[1]]));
  const rows = examples.apply(RunInference.of(SKLEARN, TYPES));
  assert.equal(rows.coder.name, 'row{example: array<int64>, inference: int64}');
  const schema = row({ inference: int64, example: array(int64), model_id: nullable(string) });
  assert.equal(
    examples.apply(RunInference.of(SKLEARN, schema)).coder.name,
    'row{inference: int64, example: array<int64>, model_id: nullable<string>}',
  );
  const keyed = examples
    .map((value) => ({ key: 'k', value }))
    .apply(RunInference.ofKVs(SKLEARN, TYPES, string));
  assert.match(keyed.coder.name, /^kv<string_utf8, row\{/);
});

test('declarations that make no sense are refused', () => {
  const wrong = (make: () => unknown, code: string, message: RegExp) =>
    assert.throws(make, { code, message });
  wrong(() => RunInference.of(' ', TYPES), 'INVALID_ARGUMENT', /no model loader/);
  wrong(
    () => RunInference.of(SKLEARN, { example: int64 } as never),
    'INVALID_SCHEMA',
    /no field inference/,
  );
  wrong(
    () => RunInference.of(SKLEARN, { ...TYPES, score: int64 } as never),
    'INVALID_SCHEMA',
    /score/,
  );
  RunInference.of(SKLEARN, { example: array(byte), inference: byte });
  wrong(
    () => RunInference.of(SKLEARN, { example: row({ a: array(byte) }), inference: int64 }),
    'INVALID_SCHEMA',
    /field example has bytes inside/,
  );
  wrong(() => RunInference.of(SKLEARN, int64 as never), 'INVALID_SCHEMA', /not a row/);
  wrong(() => RunInference.ofKVs(SKLEARN, TYPES, undefined as never), 'INVALID_SCHEMA', /key type/);
});

test('one transform can be applied twice', () => {
  const root = new Root(new Pipeline());
  const infer = RunInference.of(SKLEARN, TYPES);
  const examples: PCollection<number[]> = root.apply(create([[1]]));
  examples.apply(infer);
  examples.apply(infer);
  const names = root.pipeline.transforms.filter((each) => each.external).map((each) => each.name);
  assert.equal(new Set(names).size, 2);
});
