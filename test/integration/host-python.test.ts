// SPDX-License-Identifier: Apache-2.0
// Runs the host's own tests, which are Python's unittest, on the managed Python.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

const folder = fileURLToPath(new URL('../../python-env/', import.meta.url));
const modules = readdirSync(`${folder}tests`)
  .filter((name) => /^test_.*\.py$/.test(name))
  .map((name) => `tests.${name.slice(0, -'.py'.length)}`);

let python: string;
before(async () => {
  ({ python } = await ensurePythonEnvironment({ extras: ['sklearn'] }));
});

for (const module of modules) {
  test(`python-env/${module} passes`, async () => {
    const child = spawn(python, ['-m', 'unittest', '--buffer', module], {
      cwd: folder,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr.on('data', (data: Buffer) => {
      output += data.toString();
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /Ran 0 tests/);
  });
}
