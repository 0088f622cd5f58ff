// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeValue } from '../../../src/coders/index.ts';
import { pythonCallable } from '../../../src/external/index.ts';
import {
  huggingface,
  huggingfacePipeline,
  onnx,
  pythonModelHandler,
  pytorch,
  RunInference,
  type SklearnOptions,
  sklearn,
  tensorflow,
  withTestModel,
  xgboost,
} from '../../../src/ml/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import {
  array,
  float32,
  float64,
  int64,
  row,
  rowCoder,
  schemaFromProto,
  string,
} from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';

const TYPES = { example: array(int64), inference: int64 };
const MODEL = { modelUri: 'digits.pkl', ...TYPES };

/** What would be asked of an expansion service. */
function asked(transform: RunInference<number[], object>) {
  const root = new Root(new Pipeline());
  root.apply(create([[1, 2]])).apply(transform);
  const { service, payload } = root.pipeline.transforms.find((each) => each.external)!.external!;
  const message = fromBinary(pb.ExternalConfigurationPayloadSchema, payload);
  const type = schemaFromProto<{ constructor: string; kwargs: Record<string, unknown> }>(
    message.schema!,
  );
  return { service, ...decodeValue(rowCoder(type), message.payload) };
}

test('options reach Python under their Python names', () => {
  const handler = sklearn({
    ...MODEL,
    modelFileType: 'JOBLIB',
    maxBatchSize: 32,
    maxBatchDurationSecs: 0.5,
    batchLengthFn: 'len',
    batchBucketBoundaries: [8, 64],
    elementSizeFn: pythonCallable('lambda row: row.nbytes'),
    maxBatchWeight: 1000,
    largeModel: true,
    modelCopies: 2,
    envVars: { OMP_NUM_THREADS: '1' },
    packages: ['tqdm==4.67.1'],
    minBatchSize: undefined as never,
  });
  assert.deepEqual(handler.kwargs, {
    input: 'numpy',
    model_uri: 'digits.pkl',
    model_file_type: 'JOBLIB',
    max_batch_size: 32,
    max_batch_duration_secs: 0.5,
    batch_length_fn: 'len',
    batch_bucket_boundaries: [8, 64],
    element_size_fn: 'lambda row: row.nbytes',
    max_batch_weight: 1000,
    large_model: true,
    model_copies: 2,
    env_vars: { OMP_NUM_THREADS: '1' },
  });
  const { service, kwargs } = asked(RunInference.of(handler).withKwarg('min_batch_size', 2));
  assert.deepEqual(service, {
    kind: 'python',
    extras: ['sklearn'],
    packages: ['tqdm==4.67.1'],
    isExact: false,
  });
  assert.deepEqual(JSON.parse(kwargs.options as string), { ...handler.kwargs, min_batch_size: 2 });
});

test("a version of the program's own stays beside the rest of its extra", () => {
  const handler = sklearn({ ...MODEL, packages: ['scikit-learn==1.5'] });
  assert.deepEqual(asked(RunInference.of(handler)).service, {
    kind: 'python',
    extras: ['sklearn'],
    packages: ['scikit-learn==1.5'],
    isExact: false,
  });
});

test('another expansion service gets the source of the one handler that is used', () => {
  const elsewhere = RunInference.of(sklearn(MODEL)).withExpansionService('localhost:8097');
  const source = asked(elsewhere).kwargs.source as string;
  assert.match(source, /handlers\.sklearn/);
  assert.doesNotMatch(source, /handlers\.pytorch/);
});

test('values that cannot be meant are refused when the handler is made', () => {
  const refused = (options: Partial<Record<string, unknown>>, message: RegExp) =>
    assert.throws(() => sklearn({ ...MODEL, ...options } as SklearnOptions & typeof TYPES), {
      code: 'INVALID_ARGUMENT',
      message,
    });
  refused({ modelUri: undefined }, /sklearn: modelUri is missing/);
  refused({ modelUri: ' ' }, /modelUri is not a text/);
  refused({ modelFile: 'x' }, /there is no option modelFile/);
  refused({ toString: 'x' }, /there is no option toString/);
  refused({ modelFileType: 'joblib' }, /modelFileType is not 'PICKLE' or 'JOBLIB'/);
  refused({ minBatchSize: 0 }, /minBatchSize is not a whole number from 1/);
  refused({ maxBatchSize: 1.5 }, /maxBatchSize/);
  refused({ minBatchSize: 8, maxBatchSize: 4 }, /minBatchSize is 8, above maxBatchSize/);
  refused({ maxBatchDurationSecs: -1 }, /seconds above 0/);
  refused({ maxBatchWeight: 5 }, /maxBatchWeight needs elementSizeFn/);
  refused({ batchBucketBoundaries: [1] }, /batchBucketBoundaries needs batchLengthFn/);
  refused({ batchLengthFn: 'len', batchBucketBoundaries: [2, 1] }, /ascending/);
  refused({ modelCopies: 0 }, /modelCopies/);
  refused({ largeModel: 'yes' }, /largeModel is not true or false/);
  refused({ envVars: { A: 1 } }, /envVars/);
  refused({ packages: 'pandas' }, /packages is not an array of texts/);
  refused({ inferenceFn: () => 1 }, /inferenceFn is not the name or text of a Python function/);
  refused({ example: row({ a: int64 }), input: 'numpy' }, /rows cannot be one array/);
  assert.throws(() => sklearn(undefined as never), { code: 'INVALID_ARGUMENT' });
  assert.throws(() => sklearn({ modelUri: 'm', example: array(int64) } as never), {
    code: 'INVALID_SCHEMA',
    message: /the handler sklearn has no inference type/,
  });
});

test('rows are data frames, and whatever else is arrays', () => {
  assert.equal(sklearn(MODEL).kwargs.input, 'numpy');
  assert.equal(sklearn({ ...MODEL, input: 'pandas' }).kwargs.input, 'pandas');
  const frames = sklearn({ modelUri: 'm', example: row({ a: float64 }), inference: int64 });
  assert.equal(frames.kwargs.input, 'pandas');
});

test('pytorch takes a state dict with its class, or TorchScript', () => {
  const state = { stateDictPath: 'm.pt', modelClass: 'torch.nn.Linear', ...TYPES };
  assert.deepEqual(pytorch({ ...state, modelParams: { bias: false }, device: 'GPU' }).kwargs, {
    input: 'tensor',
    state_dict_path: 'm.pt',
    model_class: 'torch.nn.Linear',
    model_params: { bias: false },
    device: 'GPU',
  });
  const named = { ...state, example: row({ a: array(int64) }) };
  assert.equal(pytorch(named).kwargs.input, 'keyedTensor');
  assert.deepEqual(pytorch(state).extras, ['torch']);
  const refused = (options: object, message: RegExp) =>
    assert.throws(() => pytorch({ ...TYPES, ...options }), { code: 'INVALID_ARGUMENT', message });
  refused({}, /there is no model/);
  refused({ stateDictPath: 'm' }, /stateDictPath needs modelClass/);
  refused({ ...state, torchScriptModelPath: 'm' }, /two models/);
  refused({ torchScriptModelPath: 'm', modelClass: 'M' }, /TorchScript brings its class/);
  refused({ ...state, modelMethod: 'predict', inferenceFn: 'f' }, /both say how to predict/);
  refused({ ...state, modelParams: { a: Number.NaN } }, /modelParams is NaN, which JSON cannot/);
  refused({ ...state, loadModelArgs: { a: [() => 1] } }, /holding a function/);
  refused({ ...state, modelParams: { a: new Map() } }, /holding a Map/);
  refused({ ...state, modelParams: [] }, /modelParams is not an object/);
});

test('tensorflow takes a whole model, or weights with the function that makes their model', () => {
  assert.deepEqual(tensorflow(MODEL).kwargs, {
    input: 'numpy',
    keyed: false,
    model_uri: 'digits.pkl',
  });
  const weights = { ...MODEL, modelType: 'SAVED_WEIGHTS', createModelFn: 'm.make' } as const;
  assert.equal(tensorflow(weights).kwargs.create_model_fn, 'm.make');
  assert.throws(() => tensorflow({ ...MODEL, modelType: 'SAVED_WEIGHTS' }), {
    message: /weights need createModelFn/,
  });
  assert.throws(() => tensorflow({ ...MODEL, createModelFn: 'm.make' }), {
    message: /modelType is not 'SAVED_WEIGHTS'/,
  });
});

test('onnx asks for the outputs that are declared', () => {
  assert.equal(onnx(MODEL).kwargs.outputs, undefined);
  const several = { ...MODEL, inference: row({ label: int64, scores: array(float64) }) };
  assert.deepEqual(onnx(several).kwargs.outputs, ['label', 'scores']);
  assert.equal(onnx({ ...MODEL, example: row({ a: array(int64) }) }).kwargs.keyed, true);
  assert.throws(() => onnx({ ...MODEL, providerOptions: [1] as never }), {
    code: 'INVALID_ARGUMENT',
  });
});

test('xgboost needs a class and a state', () => {
  const handler = xgboost({ modelClass: 'XGBClassifier', modelState: 'm.json', ...TYPES });
  assert.deepEqual(handler.kwargs, {
    input: 'numpy',
    model_class: 'XGBClassifier',
    model_state: 'm.json',
  });
  assert.throws(() => xgboost({ modelState: 'm.json', ...TYPES } as never), {
    message: /xgboost: modelClass is missing/,
  });
});

test('a pipeline of Hugging Face has the types of its task, unless others are declared', () => {
  const classes = huggingfacePipeline({ task: 'text-classification' });
  assert.deepEqual(classes.extras, ['huggingface']);
  assert.deepEqual(classes.kwargs, { depth: 0, task: 'text-classification' });
  const pooled = huggingfacePipeline({ task: 'feature-extraction', pooling: 'cls' });
  assert.deepEqual(pooled.inference, array(float32));
  assert.equal(huggingfacePipeline({ task: 'feature-extraction' }).kwargs.depth, 2);
  assert.equal(huggingfacePipeline({ task: 'image-classification' }).kwargs.content, 'image');
  const refused = (options: object, message: RegExp, code = 'INVALID_ARGUMENT') =>
    assert.throws(() => huggingfacePipeline(options as never), { code, message });
  refused({ example: string, inference: string }, /neither a task nor a model/);
  refused({ model: 'm' }, /has no example type/, 'INVALID_SCHEMA');
  refused({ task: 'ner', chat: true }, /chat is for text-generation, not ner/);
  refused({ task: 'ner', pooling: 'mean' }, /pooling is for feature-extraction/);
  refused({ task: 'feature-extraction', normalize: true }, /normalize needs pooling/);
  refused(
    { task: 'feature-extraction', pooling: 'mean', inferenceFn: 'f' },
    /pooling is done on what the pipeline gives/,
  );
});

test('a model of Hugging Face on tensors gives the outputs that are declared', () => {
  const model = { modelUri: 'm', modelClass: 'AutoModel' };
  const { kwargs } = huggingface({
    ...model,
    example: row({ input_ids: array(int64) }),
    inference: row({ logits: array(float32) }),
  });
  assert.deepEqual(kwargs, {
    keyed: true,
    outputs: ['logits'],
    model_uri: 'm',
    model_class: 'AutoModel',
  });
  assert.throws(() => huggingface({ ...model, framework: 'jax' as never, ...TYPES }), {
    message: /framework is not 'pt' or 'tf'/,
  });
});

test('the model id follows the declared fields', () => {
  const root = new Root(new Pipeline());
  const examples = root.apply(create([[1]]));
  const infer = RunInference.of(sklearn(MODEL));
  assert.equal(
    examples.apply(infer.withModelId()).coder.name,
    'row{example: array<int64>, inference: int64, model_id: nullable<string>}',
  );
  const keyed = examples.map((value) => ({ key: 'k', value }));
  assert.match(
    keyed.apply(RunInference.ofKVs(sklearn(MODEL), string).withModelId()).coder.name,
    /^kv<string_utf8, row\{.*model_id/,
  );
  const { predictions } = examples.apply(infer.withDeadLetters().withModelId());
  predictions.map(({ model_id }) => model_id satisfies string | null);
  const names = infer.withPostprocess(({ inference }) => `${inference}`);
  assert.throws(() => names.withModelId(), { code: 'INVALID_ARGUMENT' });
});

test('a handler is made of its parts, too', () => {
  const handler = pythonModelHandler({ loader: 'my.own.Handler', kwargs: { a: 1 }, ...TYPES });
  assert.equal(handler.name, 'my.own.Handler');
  const { kwargs } = asked(RunInference.of(handler));
  assert.deepEqual(kwargs.kwargs, { a: 1 });
  assert.equal(kwargs.options, undefined);
  assert.throws(() => pythonModelHandler({ loader: '', ...TYPES }), { code: 'INVALID_ARGUMENT' });
});

test('what nobody can run is refused', () => {
  const handler = { ...sklearn(MODEL), language: 'typescript' as const, name: 'mine' };
  assert.throws(() => RunInference.of(handler), {
    code: 'INVALID_ARGUMENT',
    message: /no model handler/,
  });
});

test('a test model is found by the name of the handler', () => {
  withTestModel({ sklearn: (examples: never[]) => examples.map(() => 1) }, () => {
    const root = new Root(new Pipeline());
    root.apply(create([[1]])).apply(RunInference.of(sklearn(MODEL)));
    assert.equal(
      root.pipeline.transforms.some((each) => each.external),
      false,
    );
  });
});
