// SPDX-License-Identifier: Apache-2.0
// The example with a real language model behind a local endpoint, as a stranger would run it. Fetches
// the model once (98 MB), starts Node, llama.cpp in it, and through it the managed Python host.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';

const root = new URL('../..', import.meta.url).pathname;

test('remote-generate: the model answers a fixed question with a fixed text, throttled at first', async () => {
  const done = await execa(
    process.execPath,
    ['--import', 'tsx', 'scripts/example.ts', 'remote-generate', '--throttleFirst=3'],
    { cwd: root, reject: false },
  );
  assert.equal(done.exitCode, 0, done.stderr);
  assert.equal(
    done.stdout,
    'What is the capital of France?\nThe capital of France is Paris.\n(3 of 4 requests throttled)',
  );
});

test('masked-word: a composite transform of a local Python package fills words in', async () => {
  const done = await execa(
    process.execPath,
    ['--import', 'tsx', 'scripts/example.ts', 'masked-word', '--runner=direct'],
    { cwd: root, reject: false },
  );
  assert.equal(done.exitCode, 0, done.stderr);
  assert.deepEqual(done.stdout.split('\n').sort(), [
    'A model predicts an [MASK] for each example.: inference',
    'The [MASK] moves data between the workers.: runner',
    'The capital of France is [MASK].: paris',
    'The capital of Italy is [MASK].: rome',
  ]);
});

for (const name of ['vllm', 'tensorrt']) {
  test(`${name} says what it needs where there is no GPU`, async (t) => {
    const { exitCode: hasGpu } = await execa('nvidia-smi', ['--list-gpus'], { reject: false });
    if (hasGpu === 0) return t.skip('this machine has a GPU: run the example by hand');
    const done = await execa(process.execPath, ['--import', 'tsx', 'scripts/example.ts', name], {
      cwd: root,
      reject: false,
    });
    assert.equal(done.exitCode, 0, done.stderr);
    assert.match(done.stdout, /^not run: \w+ needs an NVIDIA GPU, and /);
  });
}
