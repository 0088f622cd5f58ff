// SPDX-License-Identifier: Apache-2.0
// Starts the managed Python host. Each kind of bad input has its own code, names the transform
// where there is one, says what to do, and leaves no output behind. What needs no running job
// (Python missing, no network, services that are none) is tested beside the code that finds it.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import {
  create,
  createRunner,
  type PCollection,
  parDo,
  pythonTransform,
  type Root,
  reshuffle,
  withName,
} from '../../src/index.ts';
import { writeToText } from '../../src/io/index.ts';
import { RunInference } from '../../src/ml/index.ts';
import { array, boolean, float64, int64, row, string } from '../../src/schema/index.ts';
import { type Digits, trainedDigits } from '../helpers/digits.ts';

const SKLEARN = 'apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy';

let digits: Digits;
let scratch: string;
before(async () => {
  digits = await trainedDigits();
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-bad-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

const runner = createRunner({ runner: 'direct' });

/** Runs a pipeline that must fail, and checks the error and that no output looks whole. */
async function fails(
  code: ErrorCode,
  build: (root: Root) => PCollection<unknown> | undefined,
  about: { message?: RegExp; transform?: RegExp } = {},
): Promise<BeamBridgeError> {
  const output = join(mkdtempSync(join(scratch, 'out-')), 'part');
  let caught: unknown;
  try {
    await runner.run((root) => {
      build(root)
        ?.map((value) => JSON.stringify(value))
        .apply(writeToText(output));
    });
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof BeamBridgeError, `failed with ${String(caught)}`);
  assert.equal(caught.code, code, caught.message);
  if (about.message) assert.match(caught.message, about.message);
  if (about.transform) assert.match(caught.transform ?? '', about.transform);
  assert.deepEqual(
    readdirSync(join(output, '..')).filter((name) => name.startsWith('part')),
    [],
  );
  return caught;
}

/** One digit of 64 pixels, scored by a handler. */
function score(root: Root, handler: string, kwargs: Record<string, unknown>) {
  return root
    .apply(create([Array.from({ length: 64 }, () => 0)]))
    .apply(
      RunInference.of(handler, { example: array(int64), inference: int64 }).withKwargs(kwargs),
    );
}

describe('models and handlers', () => {
  test('an unknown Python callable', async () => {
    const error = await fails(
      'UNKNOWN_PYTHON_CALLABLE',
      (root) => score(root, 'no.such.sklearn.Handler', {}),
      { message: /no\.such\.sklearn\.Handler|No module named/, transform: /RunInference/ },
    );
    assert.ok(error.hint);
    assert.match(error.appliedAt ?? '', /bad-input\.test\.ts/);
  });

  test('an unknown attribute of a module that exists', async () => {
    await fails('UNKNOWN_PYTHON_CALLABLE', (root) => score(root, `${SKLEARN}Oops`, {}), {
      message: /SklearnModelHandlerNumpyOops/,
    });
  });

  test('an exception while the handler is built', async () => {
    const handler = 'def make_sklearn_handler():\n    raise ValueError("no threshold was given")\n';
    await fails('PYTHON_EXCEPTION', (root) => score(root, handler, {}), {
      message: /ValueError: no threshold was given/,
      transform: /RunInference/,
    });
  });

  test('a keyword argument that the handler does not take', async () => {
    await fails(
      'PYTHON_EXCEPTION',
      (root) => score(root, SKLEARN, { model_uri: digits.model, colour: 'blue' }),
      { message: /colour/ },
    );
  });

  test('a model file that is missing', async () => {
    await fails('MODEL_NOT_FOUND', (root) => score(root, SKLEARN, { model_uri: '/no/such.pkl' }), {
      message: /\/no\/such\.pkl/,
      transform: /RunInference/,
    });
  });

  for (const [name, bytes] of Object.entries({ text: 'not a model', empty: '' })) {
    test(`a model file that is no model: ${name}`, async () => {
      const file = join(scratch, `${name}.pkl`);
      writeFileSync(file, bytes);
      await fails('MODEL_INVALID', (root) => score(root, SKLEARN, { model_uri: file }), {
        transform: /RunInference/,
      });
    });
  }

  test('a model file that was cut short', async () => {
    const file = join(scratch, 'short.pkl');
    const { copyFileSync } = await import('node:fs');
    copyFileSync(digits.model, file);
    truncateSync(file, 500);
    await fails('MODEL_INVALID', (root) => score(root, SKLEARN, { model_uri: file }));
  });

  for (const [name, inference] of Object.entries({ boolean, string, list: array(int64) })) {
    test(`an inference that does not fit the declared type: ${name}`, async () => {
      await fails(
        'INFERENCE_MISMATCH',
        (root) =>
          root
            .apply(create([Array.from({ length: 64 }, () => 0)]))
            .apply(
              RunInference.of(SKLEARN, { example: array(int64), inference }).withKwarg(
                'model_uri',
                digits.model,
              ),
            ),
        { message: /inference.*int64|int64.*inference/s, transform: /RunInference/ },
      );
    });
  }

  test('a float that is not whole where int64 is declared', async () => {
    const handler = `
from apache_beam.ml.inference.base import ModelHandler, PredictionResult
class Half(ModelHandler):
    def load_model(self):
        return None
    def run_inference(self, batch, model, inference_args=None):
        return [PredictionResult(example, 2.5) for example in batch]
`;
    await fails('INFERENCE_MISMATCH', (root) => score(root, handler, {}), {
      message: /2\.5|float/,
    });
  });
});

describe('rows and values', () => {
  const example = row({ id: int64, name: string });
  const send = (value: unknown) => (root: Root) =>
    root
      .apply(create([value as { id: number; name: string }]))
      .apply(
        RunInference.of(SKLEARN, { example, inference: int64 }).withKwarg(
          'model_uri',
          digits.model,
        ),
      );

  for (const [name, value] of Object.entries({
    missing: { id: 1 },
    extra: { id: 1, name: 'a', more: true },
    null: { id: 1, name: null },
    wrong: { id: 1.5, name: 'a' },
    'not a row': 'text',
  })) {
    test(`a row with a field that is ${name}`, async () => {
      await fails('ROW_MISMATCH', send(value), { transform: /RunInference/ });
    });
  }

  test('an int64 outside the safe integers', async () => {
    await fails('INT64_OUT_OF_RANGE', send({ id: 2 ** 60, name: 'a' }));
  });

  test('plain JavaScript values in front of a cross-language transform', async () => {
    await fails(
      'NO_PORTABLE_TYPE',
      (root) =>
        root
          .apply(create([{ a: 1 }]))
          .apply(pythonTransform('apache_beam.Reshuffle', [], {}, { output: float64 })),
      { message: /withRowCoder|withSchema|withCoder/ },
    );
  });
});

describe('pipelines', () => {
  test('two transforms with one name', async () => {
    await fails(
      'DUPLICATE_TRANSFORM_NAME',
      (root) => {
        root.apply(withName('numbers', create([1])));
        return root.apply(withName('numbers', create([2])));
      },
      { message: /numbers/ },
    );
  });

  test('a function of the user that throws in the third bundle', async () => {
    // A reshuffle ends a stage, and this runner makes one bundle of each stage here.
    let bundles = 0;
    class ThirdBundle {
      startBundle() {
        bundles += 1;
      }
      *process(x: number) {
        if (bundles >= 3) throw new RangeError(`no luck with ${x}`);
        yield x;
      }
    }
    const error = await fails(
      'USER_CODE_FAILED',
      (root) => {
        let numbers: PCollection<number> = root.apply(create([1, 2, 3]));
        for (let i = 0; i < 3; i++) {
          numbers = numbers.apply(reshuffle()).apply(parDo<number, number>(new ThirdBundle()));
        }
        return numbers;
      },
      { message: /no luck with/, transform: /parDo\(ThirdBundle\)_3/ },
    );
    assert.equal(bundles, 3);
    assert.ok(error.cause instanceof RangeError);
    assert.match(error.appliedAt ?? '', /bad-input\.test\.ts/);
  });

  test('an output folder that is not writable', async () => {
    const file = join(scratch, 'a-file');
    writeFileSync(file, '');
    await assert.rejects(
      runner.run((root) =>
        root.apply(create(['a'])).apply(writeToText(join(file, 'below', 'part'))),
      ),
      (error: BeamBridgeError) => {
        assert.equal(error.code, 'OUTPUT_NOT_WRITABLE', error.message);
        return true;
      },
    );
    assert.ok(existsSync(file));
  });
});
