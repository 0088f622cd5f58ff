// SPDX-License-Identifier: Apache-2.0
// vLLM's handler in a whole pipeline, with a stand-in for vLLM and its server: no GPU is needed. Starts
// the host in the Python of the scikit-learn environment, to whose path the stand-ins are added.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { RunInference, vllm } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { ensurePythonEnvironment, stopHosts } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'beambridge-vllm-'));
before(async () => {
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  cpSync(resolve(import.meta.dirname, '../../python-env/tests/standins'), folder, {
    recursive: true,
  });
  for (const name of ['vllm', 'openai']) {
    const info = join(folder, `${name}-99.0.dist-info`);
    mkdirSync(info);
    writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: ${name}\nVersion: 99.0\n`);
  }
  process.env.PYTHONPATH = folder;
  process.env.BEAMBRIDGE_PYTHON = python;
});
after(async () => {
  await stopHosts();
  rmSync(folder, { recursive: true, force: true });
});

test('vllm: its server is started with the options that were given, and answers each example', async () => {
  const answers: string[] = [];
  const llm = vllm({ modelName: 'tiny', vllmServerKwargs: { 'max-num-seqs': '4' } });
  await createRunner({ runner: 'node' }).run((root) =>
    root
      .apply(create(['x', 'y']))
      .apply(RunInference.of(llm))
      .map(({ example, inference }) => answers.push(`${example}: ${inference}`)),
  );
  assert.deepEqual(answers.sort(), [
    'x: x --model tiny --max-num-seqs 4',
    'y: y --model tiny --max-num-seqs 4',
  ]);
});
