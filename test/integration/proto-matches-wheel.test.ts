// SPDX-License-Identifier: Apache-2.0
// Starts Python: compares the committed wire types with the apache-beam wheel that is installed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

test('proto/ and src/proto/gen are what the installed wheel gives', async () => {
  const { python } = await ensurePythonEnvironment({});
  const check = await execa(
    process.execPath,
    ['scripts/proto.mjs', '--check', `--python=${python}`],
    {
      cwd: new URL('../..', import.meta.url).pathname,
      reject: false,
    },
  );
  assert.equal(check.exitCode, 0, check.stderr);
});
