// SPDX-License-Identifier: Apache-2.0
// Every framework against itself: all 1,797 digits through a pipeline on both runners, compared with
// what the framework gives when Python calls it directly. Installs the frameworks (two environments).
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import {
  onnx,
  type PythonModelHandler,
  pytorch,
  RunInference,
  sklearn,
  tensorflow,
  xgboost,
} from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { type Accepts, array, float32, int64, row, string } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';
import { linesOf } from '../helpers/digits.ts';
import {
  type Framework,
  predictedDirectly,
  SKIP_HEAVY,
  type Trained,
  trainedModel,
} from '../helpers/frameworks.ts';

const RUNNERS = ['direct', 'node'] as const;
const NET = readFileSync(
  resolve(import.meta.dirname, '../../examples/support/digits_net.py'),
  'utf8',
);
const PIXELS = array(float32);
const options = { skip: SKIP_HEAVY };

let scratch: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-frameworks-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The inferences of examples, in the examples' order. */
async function infer<E, I>(
  handler: PythonModelHandler<E, I>,
  examples: Accepts<E>[],
  runner: (typeof RUNNERS)[number] = 'direct',
): Promise<I[]> {
  const out = new Map<number, I>();
  const keyed = examples.map((value, key) => ({ key, value }));
  await createRunner({ runner }).run((root) => {
    root
      .apply(create(keyed))
      .apply(RunInference.ofKVs(handler, int64))
      .map(({ key, value }) => out.set(key, value.inference));
  });
  assert.equal(out.size, examples.length);
  return [...out].sort(([a], [b]) => a - b).map(([, inference]) => inference);
}

function pixelsOf({ all }: Trained): number[][] {
  return linesOf(all).map((line) => line.split(',').slice(1).map(Number));
}

/** Both are sums of the same products, in another order. */
function assertClose(actual: number[][], expected: number[][]): void {
  let worst = 0;
  actual.forEach((scores, i) => {
    for (const [j, score] of scores.entries()) {
      worst = Math.max(worst, Math.abs(score - expected[i]![j]!));
    }
  });
  assert.ok(worst < 1e-4, `scores differ by up to ${worst}`);
  const best = (scores: number[]) => scores.indexOf(Math.max(...scores));
  assert.deepEqual(actual.map(best), expected.map(best));
}

/** Runs all digits on every runner and compares with what the framework says. */
async function compare<I>(
  framework: Framework,
  handlerOf: (trained: Trained) => PythonModelHandler<number[], I>,
  equal: (actual: I[], expected: never[]) => void,
): Promise<void> {
  const trained = await trainedModel(framework);
  const expected = predictedDirectly<never>(framework, trained);
  for (const runner of RUNNERS) {
    const actual = await infer(handlerOf(trained), pixelsOf(trained), runner);
    assert.equal(actual.length, 1797);
    equal(actual, expected);
  }
}

test('sklearn: all digits, on both runners', options, () =>
  compare(
    'sklearn',
    ({ folder }) =>
      sklearn({ modelUri: join(folder, 'model.pkl'), example: array(int64), inference: int64 }),
    assert.deepEqual,
  ),
);

test('ONNX: all digits, on both runners', options, () =>
  compare(
    'onnx',
    ({ folder }) =>
      onnx({ modelUri: join(folder, 'model.onnx'), example: PIXELS, inference: int64 }),
    assert.deepEqual,
  ),
);

test('XGBoost: all digits, on both runners', options, () =>
  compare(
    'xgboost',
    ({ folder }) =>
      xgboost({
        modelClass: 'XGBClassifier',
        modelState: join(folder, 'model.json'),
        example: PIXELS,
        inference: int64,
      }),
    assert.deepEqual,
  ),
);

test('TensorFlow: all digits, on both runners', options, () =>
  compare(
    'tensorflow',
    ({ folder }) =>
      tensorflow({ modelUri: join(folder, 'model.keras'), example: PIXELS, inference: PIXELS }),
    assertClose,
  ),
);

test('PyTorch: all digits, on both runners', options, () =>
  compare(
    'pytorch',
    ({ folder }) =>
      pytorch({
        stateDictPath: join(folder, 'model.pt'),
        modelClass: NET,
        modelParams: { hidden: 32 },
        example: PIXELS,
        inference: PIXELS,
      }),
    assertClose,
  ),
);

test(
  'ONNX: outputs by name, inputs by name, and the number type that the model wants',
  options,
  async () => {
    const trained = await trainedModel('onnx');
    const modelUri = join(trained.folder, 'model.onnx');
    const pixels = pixelsOf(trained).slice(0, 5);
    const expected = predictedDirectly<number>('onnx', trained).slice(0, 5);
    const outputs = await infer(
      onnx({
        modelUri,
        sessionOptions: { intra_op_num_threads: 1 },
        example: row({ pixels: array(int64) }),
        inference: row({ label: int64, probabilities: PIXELS }),
      }),
      pixels.map((each) => ({ pixels: each })),
    );
    assert.deepEqual(
      outputs.map(({ label }) => label),
      expected,
    );
    for (const { label, probabilities } of outputs) {
      assert.equal(probabilities.indexOf(Math.max(...probabilities)), label);
      assert.ok(Math.abs(probabilities.reduce((a, b) => a + b) - 1) < 1e-5);
    }
    await assert.rejects(
      infer(onnx({ modelUri, example: PIXELS, inference: row({ score: int64 }) }), pixels),
      { code: 'MODEL_INVALID', message: /no output 'score'.*label, probabilities/s },
    );
  },
);

test('XGBoost: boosters and every form of input give the same', options, async () => {
  const trained = await trainedModel('xgboost');
  const modelState = join(trained.folder, 'model.json');
  const pixels = pixelsOf(trained).slice(0, 20);
  const expected = predictedDirectly<number>('xgboost', trained).slice(0, 20);
  const common = { modelState, example: PIXELS };
  const classifier = { ...common, modelClass: 'XGBClassifier', inference: int64 } as const;
  for (const input of ['pandas', 'datatable'] as const) {
    assert.deepEqual(await infer(xgboost({ ...classifier, input }), pixels), expected, input);
  }
  // XGBoost itself takes the zeros of sparse matrices for missing, so here are none.
  const dark = pixels.map((each) => each.map((pixel) => pixel + 1));
  assert.deepEqual(
    await infer(xgboost({ ...classifier, input: 'scipy' }), dark),
    await infer(xgboost(classifier), dark),
  );
  const booster = xgboost({ ...common, modelClass: 'Booster', inference: PIXELS });
  const scores = await infer(booster, pixels);
  assert.deepEqual(
    scores.map((each) => each.indexOf(Math.max(...each))),
    expected,
  );
});

test(
  'TensorFlow: folders, weights and tensors give what the whole model gives',
  options,
  async () => {
    const trained = await trainedModel('tensorflow');
    const pixels = pixelsOf(trained).slice(0, 40);
    const expected = predictedDirectly<number[]>('tensorflow', trained).slice(0, 40);
    const types = { example: PIXELS, inference: PIXELS };
    const whole = join(trained.folder, 'model.keras');
    const weights = join(trained.folder, 'model.weights.h5');
    const createModelFn = `
def make():
  import tensorflow as tf
  return tf.keras.Sequential([
      tf.keras.layers.Input((64,)), tf.keras.layers.Rescaling(1 / 16),
      tf.keras.layers.Dense(32, activation='relu'), tf.keras.layers.Dense(10)])
`;
    for (const handler of [
      tensorflow({ modelUri: join(trained.folder, 'saved_model'), ...types }),
      tensorflow({ modelUri: join(trained.folder, 'saved_model'), input: 'tensor', ...types }),
      tensorflow({ modelUri: whole, input: 'tensor', customWeights: weights, ...types }),
      tensorflow({ modelUri: weights, modelType: 'SAVED_WEIGHTS', createModelFn, ...types }),
    ]) {
      assertClose(await infer(handler, pixels), expected);
    }
  },
);

test(
  'PyTorch: TorchScript, named inputs and a method give what the network gives',
  options,
  async () => {
    const trained = await trainedModel('pytorch');
    const pixels = pixelsOf(trained).slice(0, 40);
    const expected = predictedDirectly<number[]>('pytorch', trained).slice(0, 40);
    const script = join(trained.folder, 'model.torchscript');
    assertClose(
      await infer(
        pytorch({ torchScriptModelPath: script, example: PIXELS, inference: PIXELS }),
        pixels,
      ),
      expected,
    );
    const stateDictPath = join(trained.folder, 'model.pt');
    const net = { stateDictPath, modelClass: NET, modelParams: { hidden: 32 } };
    const named = pytorch({ ...net, example: row({ pixels: PIXELS }), inference: PIXELS });
    assertClose(
      await infer(
        named,
        pixels.map((each) => ({ pixels: each })),
      ),
      expected,
    );
    const two = pytorch({
      ...net,
      modelClass: `${NET}
class TwoOutputs(DigitsNet):
  def both(self, pixels):
    scores = self(pixels)
    return {'scores': scores, 'label': scores.argmax(1)}
`,
      modelMethod: 'both',
      example: PIXELS,
      inference: row({ scores: PIXELS, label: int64 }),
    });
    const both = await infer(two, pixels);
    assertClose(
      both.map(({ scores }) => scores),
      expected,
    );
    assert.deepEqual(
      both.map(({ label }) => label),
      expected.map((scores) => scores.indexOf(Math.max(...scores))),
    );
  },
);

test('models that are none of the framework are refused with a code', options, async () => {
  const paths = Object.fromEntries(
    await Promise.all(
      (['sklearn', 'onnx', 'xgboost', 'tensorflow', 'pytorch'] as const).map(async (name) => [
        name,
        (await trainedModel(name)).folder,
      ]),
    ),
  ) as Record<Framework, string>;
  const pickle = join(paths.sklearn, 'model.pkl');
  const truncated = async (file: string) => {
    const copy = join(scratch, `truncated-${file.split('/').at(-1)}`);
    await copyFile(file, copy);
    truncateSync(copy, 300);
    return copy;
  };
  const newer = join(scratch, 'newer.onnx');
  const bytes = readFileSync(join(paths.onnx, 'model.onnx'));
  assert.equal(bytes[0], 8, 'the version of the format comes first');
  bytes[1] = 99;
  writeFileSync(newer, bytes);
  const types = { example: PIXELS, inference: PIXELS };
  const net = { modelClass: NET, modelParams: { hidden: 32 }, ...types };
  const booster = { modelClass: 'Booster', ...types };
  const text = join(scratch, 'text.onnx');
  writeFileSync(text, 'no model at all\n');
  const cases: [string, PythonModelHandler<number[], number[]>, RegExp?][] = [
    [
      'onnx truncated',
      onnx({ modelUri: await truncated(join(paths.onnx, 'model.onnx')), ...types }),
    ],
    ['onnx of a later version', onnx({ modelUri: newer, ...types }), /IR version/],
    ['onnx from a pickle', onnx({ modelUri: pickle, ...types })],
    ['onnx from text', onnx({ modelUri: text, ...types })],
    [
      'xgboost truncated',
      xgboost({ modelState: await truncated(join(paths.xgboost, 'model.json')), ...booster }),
    ],
    ['xgboost from a pickle', xgboost({ modelState: pickle, ...booster })],
    ['tensorflow from a pickle', tensorflow({ modelUri: pickle, ...types })],
    [
      'tensorflow truncated',
      tensorflow({ modelUri: await truncated(join(paths.tensorflow, 'model.keras')), ...types }),
    ],
    [
      'torch truncated',
      pytorch({ stateDictPath: await truncated(join(paths.pytorch, 'model.pt')), ...net }),
    ],
    ['torch from a pickle', pytorch({ stateDictPath: pickle, ...net }), /more than weights/],
    [
      'torch with other layers',
      pytorch({
        stateDictPath: join(paths.pytorch, 'model.pt'),
        ...net,
        modelParams: { hidden: 16 },
      }),
      /size mismatch/,
    ],
    ['sklearn from ONNX', sklearn({ modelUri: join(paths.onnx, 'model.onnx'), ...types })],
  ];
  const some = [new Array<number>(64).fill(1)];
  for (const [name, handler, message = /could not be loaded/] of cases) {
    await assert.rejects(infer(handler, some), { code: 'MODEL_INVALID', message }, name);
  }
  const missing = tensorflow({ modelUri: 'no/model.keras', ...types });
  await assert.rejects(infer(missing, some), { code: 'MODEL_NOT_FOUND' });
});

test('a whole pickled PyTorch model is refused with what to save instead', options, async () => {
  const { python } = await trainedModel('pytorch');
  const { execFileSync } = await import('node:child_process');
  const file = join(scratch, 'whole.pt');
  execFileSync(python, ['-c', `import torch; torch.save(torch.nn.Linear(64, 10), '${file}')`]);
  const handler = pytorch({
    stateDictPath: file,
    modelClass: 'torch.nn.Linear',
    modelParams: { in_features: 64, out_features: 10 },
    example: PIXELS,
    inference: PIXELS,
  });
  await assert.rejects(infer(handler, [new Array<number>(64).fill(1)]), {
    code: 'MODEL_INVALID',
    message: /more than weights/,
    hint: /state_dict/,
  });
});

test('frameworks of two environments run in one pipeline', options, async () => {
  const sk = await trainedModel('sklearn');
  const pt = await trainedModel('pytorch');
  const rows = pixelsOf(sk).slice(0, 30);
  const byNet = predictedDirectly<number[]>('pytorch', pt).slice(0, 30);
  const net = pytorch({
    torchScriptModelPath: join(pt.folder, 'model.torchscript'),
    example: PIXELS,
    inference: PIXELS,
  });
  const where = sklearn({
    modelUri: join(sk.folder, 'model.pkl'),
    example: PIXELS,
    inference: string,
    inferenceFn: `
import sys
def where(model, batch, inference_args=None):
  return [sys.prefix for _ in batch]
`,
  });
  for (const runner of RUNNERS) {
    const prefixes = new Set<string>();
    const scores: number[][] = [];
    await createRunner({ runner }).run((root) => {
      const pixels = root.apply(create(rows));
      pixels.apply(RunInference.of(net)).map(({ inference }) => scores.push(inference));
      pixels.apply(RunInference.of(where)).map(({ inference }) => prefixes.add(inference));
    });
    assert.equal(scores.length, rows.length);
    const sums = (all: number[][]) =>
      all.map((each) => Math.round(each.reduce((a, b) => a + b) * 100)).sort((a, b) => a - b);
    assert.deepEqual(sums(scores), sums(byNet));
    // No environment of the tests' own has both, so these two are not one.
    assert.equal(prefixes.size, 1);
    assert.notEqual(resolve(pt.python, '../..'), [...prefixes][0]);
  }
});
