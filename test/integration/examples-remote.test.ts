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
