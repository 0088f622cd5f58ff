// SPDX-License-Identifier: Apache-2.0
// Model handlers of a user's own, in files, run by the managed Python host and by worker processes.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { BeamBridgeError } from '../../src/base/index.ts';
import { custom, RunInference } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { array, float32, int64, string } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';

let scratch: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-custom-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

const HANDLER = `
import pickle
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

class Result:
  def __init__(self, text):
    self.text = text

class Greet(ModelHandler):
  def __init__(self, word, times=1):
    super().__init__()
    self.word = word * times
  def load_model(self):
    return Result(self.word)
  def run_inference(self, batch, model, inference_args=None):
    # What is of this file can be pickled on a worker, too.
    word = pickle.loads(pickle.dumps(model)).text
    if 'nobody' in batch:
      raise LookupError('nobody is there')
    return [PredictionResult(row, f'{word} {row}') for row in batch]

def loudly(word):
  return Greet(word.upper())
`;

async function greet(
  options: Record<string, unknown>,
  runner: 'direct' | 'node' = 'direct',
  names = ['Ann', 'Bo'],
) {
  const out: string[] = [];
  const handler = custom({ example: string, inference: string, ...options } as never);
  await createRunner({ runner }).run((root) => {
    root
      .apply(create(names))
      .apply(RunInference.of(handler as ReturnType<typeof custom<string, string>>))
      .map(({ inference }) => out.push(inference));
  });
  return out.sort();
}

for (const runner of ['direct', 'node'] as const) {
  test(`the only handler of a file, on the runner ${runner}`, async () => {
    const options = { file: file('greet.py', HANDLER), kwargs: { word: 'hi', times: 2 } };
    assert.deepEqual(await greet(options, runner), ['hihi Ann', 'hihi Bo']);
  });
}

test('a function of a file; a second version of the file in the same program', async () => {
  const options = { file: file('greet.py', HANDLER), function: 'loudly', kwargs: { word: 'hi' } };
  assert.deepEqual(await greet(options), ['HI Ann', 'HI Bo']);
  file('greet.py', HANDLER.replace('word.upper()', 'f"<{word}>"'));
  assert.deepEqual(await greet(options), ['<hi> Ann', '<hi> Bo']);
});

test('a class that can be imported', async () => {
  const options = {
    module: 'beambridge_host.inference.remote.Pace',
    kwargs: { per_second: 1, service: 's' },
  };
  await assert.rejects(greet(options), {
    code: 'INVALID_ARGUMENT',
    message: /Pace gives a Pace, which is no ModelHandler/,
  });
  const misspelt = { module: 'apache_beam.ml.inference.base.KeyedHandler' };
  await assert.rejects(greet(misspelt), {
    code: 'UNKNOWN_PYTHON_CALLABLE',
    message: /base has no KeyedHandler[\s\S]*KeyedModelHandler/,
  });
});

test('what is wrong with a file is told by its name and line', async () => {
  const two = `${HANDLER}\nclass Other(Greet):\n  pass\n`;
  const cases: [string, Record<string, unknown>, string, RegExp][] = [
    ['x = 1\ndef f(:\n', {}, 'PYTHON_EXCEPTION', /bad\.py, line 2: invalid syntax: def f\(:/],
    ['x = 1\n\nraise ValueError("no")', {}, 'PYTHON_EXCEPTION', /line 3: ValueError: no/],
    ['import no_such_thing', {}, 'PYTHON_EXCEPTION', /line 1: .*no_such_thing[\s\S]*`packages`/],
    ['x = 1', {}, 'UNKNOWN_PYTHON_CALLABLE', /defines 0 classes/],
    [two, {}, 'UNKNOWN_PYTHON_CALLABLE', /2 classes of model handlers: Greet, Other/],
    [two, { className: 'Greta' }, 'UNKNOWN_PYTHON_CALLABLE', /no class or function Greta/],
    [HANDLER, {}, 'INVALID_ARGUMENT', /missing a required argument: 'word'/],
    [HANDLER, { kwargs: { word: 'a', loud: true } }, 'INVALID_ARGUMENT', /'loud'/],
    [HANDLER, { className: 'Result', kwargs: { text: 'a' } }, 'INVALID_ARGUMENT', /gives a Result/],
  ];
  for (const [source, options, code, message] of cases) {
    await assert.rejects(greet({ file: file('bad.py', source), ...options }), (error) => {
      assert.ok(error instanceof BeamBridgeError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(greet({ module: 'no_such_package.Mine' }), {
    code: 'UNKNOWN_PYTHON_CALLABLE',
    message: /no_such_package cannot be imported/,
  });
});

test('what it raises is shown with the line of the file', async () => {
  const options = { file: file('greet.py', HANDLER), kwargs: { word: 'hi' } };
  await assert.rejects(greet(options, 'direct', ['nobody']), {
    code: 'PYTHON_EXCEPTION',
    message: /LookupError: nobody is there[\s\S]*greet\.py", line 19[\s\S]*raise LookupError/,
  });
});

test('a handler derived from one of Beam’s is built without its framework, and says what is missing', async () => {
  const handler = custom({
    file: 'examples/support/tensorrt_handler.py',
    kwargs: { onnx_path: file('net.onnx', 'no model'), batch_size: 4 },
    example: array(float32),
    inference: array(float32),
  });
  const run = createRunner({ runner: 'direct' }).run((root) => {
    root.apply(create([[1, 2]])).apply(RunInference.of(handler));
  });
  await assert.rejects(run, {
    code: 'PYTHON_EXCEPTION',
    message: /No module named 'tensorrt'/,
  });
});

const WAITS = `
import os, time
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

class Waits(ModelHandler):
  """Scores nothing before a file is there."""
  def __init__(self, file):
    super().__init__()
    self.file = file
  def load_model(self):
    return None
  def run_inference(self, batch, model, inference_args=None):
    while not os.path.exists(self.file):
      time.sleep(0.05)
    return [PredictionResult(row, len(row)) for row in batch]
`;

test('the source waits for a slow model instead of filling memory', async () => {
  const sign = join(scratch, 'go');
  const handler = custom({
    file: file('waits.py', WAITS),
    className: 'Waits',
    kwargs: { file: sign },
    example: string,
    inference: int64,
  });
  const megabyte = 'x'.repeat(1024 * 1024);
  let made = 0;
  let scored = 0;
  const running = createRunner({ runner: 'node' }).run((root) => {
    root
      .apply(create(Array.from({ length: 120 }, (_, i) => i)))
      .map(() => {
        made += 1;
        return megabyte;
      })
      .apply(RunInference.of(handler))
      .map(({ inference }) => {
        scored += inference / megabyte.length;
      });
  });
  for (let before = -1; made === 0 || made !== before; ) {
    before = made;
    await delay(1000);
  }
  assert.equal(scored, 0);
  // The queue, the bundle at work and what is being packed.
  assert.ok(made <= 40, `${made} MB were made before anything was scored`);
  writeFileSync(sign, '');
  await running;
  assert.deepEqual([made, scored], [120, 120]);
});

test('the example', async () => {
  const args = ['--import', 'tsx', 'scripts/example.ts', 'custom-handler', '--runner=direct'];
  const root = new URL('../..', import.meta.url).pathname;
  const done = await execa(process.execPath, args, { cwd: root, reject: false });
  assert.equal(done.exitCode, 0, done.stderr);
  assert.deepEqual(done.stdout.split('\n').sort(), [
    '3,4: origin, 5.00 away',
    '8,1: side, 2.24 away',
    '9,7: corner, 3.16 away',
  ]);
});
