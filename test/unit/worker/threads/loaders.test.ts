// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadersOfThreads, threadEntry } from '../../../../src/worker/threads/loaders.ts';

test('the entry of threads is there', () => {
  assert.ok(existsSync(fileURLToPath(threadEntry())));
});

test('tsx is registered in threads, however it was given, and nothing else is', () => {
  const tsx = import.meta.resolve('tsx');
  for (const flags of [
    ['--import', 'tsx'],
    ['--import=tsx'],
    ['--loader', tsx],
    ['--import', tsx],
  ]) {
    const [loader] = loadersOfThreads(flags);
    assert.ok(loader && existsSync(fileURLToPath(loader)), flags.join(' '));
  }
  const options = process.env.NODE_OPTIONS;
  delete process.env.NODE_OPTIONS;
  try {
    assert.deepEqual(loadersOfThreads(['--import', './setup.mjs', '--enable-source-maps']), []);
    assert.deepEqual(loadersOfThreads([]), []);
  } finally {
    if (options !== undefined) process.env.NODE_OPTIONS = options;
  }
});
