// SPDX-License-Identifier: Apache-2.0
// An input or a model that is not there is told before the Python environment is built, which takes minutes.
// Looks for the Python of this machine and builds nothing.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createRunner } from '../../src/index.ts';
import { readFromText } from '../../src/io/index.ts';
import { perKey, RunInference, sklearn } from '../../src/ml/index.ts';
import { array, int64, string } from '../../src/schema/index.ts';

const home = mkdtempSync(join(tmpdir(), 'beambridge-unbuilt-'));
const { BEAMBRIDGE_HOME, BEAMBRIDGE_PYTHON } = process.env;
before(() => {
  process.env.BEAMBRIDGE_HOME = home;
  delete process.env.BEAMBRIDGE_PYTHON;
});
after(() => {
  for (const [name, value] of Object.entries({ BEAMBRIDGE_HOME, BEAMBRIDGE_PYTHON })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  rmSync(home, { recursive: true });
});

const types = { example: array(int64), inference: int64 };
const there = join(home, 'there.csv');

for (const runner of ['node', 'direct'] as const) {
  const start = (input: string, model: string) =>
    createRunner({ runner, progress: false }).run((root) =>
      root
        .apply(readFromText(input))
        .map((line) => [line.length])
        .apply(RunInference.of(sklearn({ modelUri: model, ...types }))),
    );

  test(`an input that is not there (${runner})`, { timeout: 60_000 }, async () => {
    await assert.rejects(start(join(home, 'no-*.csv'), there), {
      code: 'FILE_NOT_FOUND',
      transform: 'readFromText',
    });
    assert.ok(!existsSync(join(home, 'envs')));
  });

  test(`a model that is not there (${runner})`, { timeout: 60_000 }, async () => {
    writeFileSync(there, '1\n');
    await assert.rejects(start(there, join(home, 'no.pkl')), {
      code: 'MODEL_NOT_FOUND',
      message: /no\.pkl/,
    });
    assert.ok(!existsSync(join(home, 'envs')));
  });
}

test('one of the models of several keys that is not there', { timeout: 60_000 }, async () => {
  writeFileSync(there, '1\n');
  const models = perKey([
    { keys: ['a'], handler: sklearn({ modelUri: there, ...types }) },
    { keys: ['b'], handler: sklearn({ modelUri: 'no-such.pkl', ...types }) },
  ]);
  const run = createRunner({ progress: false }).run((root) =>
    root
      .apply(readFromText(there))
      .map((line) => ({ key: line, value: [1] }))
      .apply(RunInference.ofKVs(models, string)),
  );
  await assert.rejects(run, { code: 'MODEL_NOT_FOUND', message: /no-such\.pkl/ });
});
