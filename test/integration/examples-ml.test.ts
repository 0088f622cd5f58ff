// SPDX-License-Identifier: Apache-2.0
// Runs the examples with real models as a stranger would: five frameworks on the same digits, sentence
// embeddings, and a language model that is asked once.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { SKIP_HEAVY, WITH_TORCH, WITHOUT_TORCH } from '../helpers/frameworks.ts';

const root = new URL('../..', import.meta.url).pathname;
const options = { skip: SKIP_HEAVY };
let scratch: string;
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-examples-ml-'));
  if (SKIP_HEAVY) return;
  // Which the examples then find, instead of an environment for each framework.
  for (const extras of [WITHOUT_TORCH, WITH_TORCH]) await ensurePythonEnvironment({ extras });
});
after(() => rmSync(scratch, { recursive: true, force: true }));

async function example(name: string, ...flags: string[]): Promise<string> {
  const args = ['--import', 'tsx', 'scripts/example.ts', name, ...flags];
  const done = await execa(process.execPath, args, { cwd: root, reject: false });
  assert.equal(done.exitCode, 0, done.stderr);
  return done.stdout;
}

for (const [i, framework] of ['sklearn', 'pytorch', 'tensorflow', 'onnx', 'xgboost'].entries()) {
  test(`digits with ${framework} knows nine of ten held-out rows`, options, async () => {
    const output = `--output=${join(scratch, framework)}`;
    const runner = `--runner=${i % 2 === 0 ? 'direct' : 'node'}`;
    const said = await example('digits', `--framework=${framework}`, runner, output);
    assert.match(said, new RegExp(`^${framework} accuracy: 0\\.9\\d+ \\(449 examples\\)$`, 'm'));
  });
}

test('embeddings finds the sentence that answers', options, async () => {
  const [first] = (await example('embeddings', '--runner=node')).split('\n');
  assert.match(first!, /A refund is paid within five days\.$/);
});

test('generate answers a fixed question with a fixed text', options, async () => {
  assert.match(await example('generate', '--runner=direct'), /^The capital of France is Paris\.$/m);
});
