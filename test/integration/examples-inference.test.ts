// SPDX-License-Identifier: Apache-2.0
// Runs the examples about models as a stranger would: several models, dead letters, a model update.
// Starts Node, and through it the managed Python.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { execa } from 'execa';
import { linesOf, predictedByPython, trainedDigits } from '../helpers/digits.ts';

const root = new URL('../..', import.meta.url).pathname;
let scratch: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-examples-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** What an example prints, in lines. */
async function printed(name: string, ...flags: string[]): Promise<string[]> {
  const done = await execa(
    process.execPath,
    ['--import', 'tsx', 'scripts/example.ts', name, ...flags],
    { cwd: root, reject: false },
  );
  assert.equal(done.exitCode, 0, done.stderr);
  return done.stdout.split('\n');
}

function written(folder: string, prefix: string): string[] {
  const names = readdirSync(folder).filter((name) => name.startsWith(`${prefix}-`));
  return names.flatMap((name) => linesOf(join(folder, name)));
}

for (const runner of ['direct', 'node']) {
  test(`several-models: a cascade and an ensemble know more than the quick model, on ${runner}`, async () => {
    const lines = await printed('several-models', `--runner=${runner}`);
    assert.deepEqual(lines, [
      'quick alone       0.9689 of 450',
      'cascade           0.9867 of 450',
      'asked of careful  0.9524 of 126',
      'ensemble          0.9822 of 450',
      'A (quick)         0.9600 of 225',
      'B (careful)       0.9822 of 225',
    ]);
  });

  test(`wine: a CSV file of pandas' is scored as in Python, on ${runner}`, async () => {
    const output = join(scratch, `wine-${runner}`);
    const lines = await printed('wine', `--runner=${runner}`, `--output=${output}`);
    assert.deepEqual(lines, ['44 of 45 wines known']);
    const rows = written(scratch, `wine-${runner}`);
    assert.deepEqual([rows.length, rows[0]], [46, 'cultivar,inference,strength']);
  });

  test(`dead-letters: exactly the damaged digits are set aside, on ${runner}`, async () => {
    const digits = await trainedDigits();
    const output = join(scratch, `dead-letters-${runner}`);
    const lines = await printed(
      'dead-letters',
      `--runner=${runner}`,
      `--input=${digits.all}`,
      `--modelPath=${digits.model}`,
      `--output=${output}`,
    );
    assert.deepEqual(lines, ['1779 of 1797 digits scored, 18 set aside']);
    const expected = predictedByPython(digits, digits.all).map((line, id) => `${id},${line}`);
    assert.deepEqual(
      written(output, 'predictions').sort(),
      expected.filter((_, id) => id % 100 !== 50).sort(),
    );
    const failed = written(output, 'failed').map((line) => line.split(',').slice(0, 3).join(','));
    const damaged = Array.from({ length: 18 }, (_, i) =>
      i % 2 === 0 ? `${i * 100 + 50},inference,ValueError` : `${i * 100 + 50},example,ROW_MISMATCH`,
    );
    assert.deepEqual(failed.sort(), damaged.sort());
  });
}

test('model-update: each digit of a stream is scored once, by the model that is current for it', async () => {
  const lines = await printed('model-update');
  assert.deepEqual(lines, [
    'logistic.pkl: 200 digits, 0 to 199, 0.9650 right',
    'neighbors.pkl: 200 digits, 200 to 399, 0.9800 right',
    '400 scored, 400 of 400 digits',
  ]);
});

test('onnx-local: a model says the same without Python and with it', async () => {
  const lines = (await printed('onnx-local')).slice(-3); // It may have trained the model before.
  assert.match(lines[0] ?? '', /^onnxLocal 0\.9\d{3} of 449$/);
  assert.equal(lines[1], lines[0]!.replace('onnxLocal', 'onnx     '));
  assert.equal(lines[2], 'probabilities differ by less than 1e-5');
});
