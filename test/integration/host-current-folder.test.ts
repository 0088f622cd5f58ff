// SPDX-License-Identifier: Apache-2.0
// Files beside a user's program whose names are those of Python's own modules. Starts programs, the
// real host and its workers in such a folder.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../fixtures/programs/run-user-module.ts', import.meta.url));

const NAMES = [
  'random',
  'json',
  'grpc',
  'zipfile',
  'logging',
  'apache_beam',
  'numpy',
  'runpy',
  'os',
];

let folder: string;
let python: string;
before(async () => {
  ({ python } = await ensurePythonEnvironment({ extras: ['sklearn'] }));
  folder = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  for (const name of NAMES) {
    await writeFile(
      path.join(folder, `${name}.py`),
      `open(${JSON.stringify(ran())}, 'w')\nx = 1\n`,
    );
  }
  await writeFile(path.join(folder, 'my_module.py'), "greet = 'hello {}'.format\n");
});
after(() => rm(folder, { recursive: true, force: true }));

/** Written by each of those files when it runs. */
const ran = () => path.join(folder, 'ran');

for (const runner of ['node', 'direct']) {
  test(`on ${runner}, files of the current folder stand in front of nothing and can be imported`, async () => {
    const { ino } = await stat(path.dirname(path.dirname(python)));
    const { stdout } = await run(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), program, runner],
      { cwd: folder },
    );
    assert.equal(stdout, 'hello you\n');
    assert.ok(!existsSync(ran()), 'a file of the current folder ran in place of another');
    assert.equal((await stat(path.dirname(path.dirname(python)))).ino, ino, 'built anew');
  });
}

test('a worker that is a program of its own, and processes that it starts, are kept apart alike', async () => {
  const start = fileURLToPath(new URL('../../python-env/start.py', import.meta.url));
  const code = `
import multiprocessing, my_module
if __name__ == '__main__':
  with multiprocessing.get_context('spawn').Pool(1) as pool:
    print(pool.apply(my_module.greet, ('you',)))
`;
  await writeFile(path.join(folder, 'my_main.py'), code);
  const { stdout } = await run(python, [start, 'my_main'], {
    cwd: folder,
    env: { ...process.env, PYTHONSAFEPATH: 'beambridge' },
  });
  assert.equal(stdout, 'hello you\n');
  assert.ok(!existsSync(ran()));
});

test('checks and probes of an environment import nothing of the current folder', async () => {
  const before = process.cwd();
  process.chdir(folder);
  try {
    process.env.BEAMBRIDGE_PYTHON = python;
    const given = await ensurePythonEnvironment({ extras: ['sklearn'] });
    assert.equal(given.python, python);
    delete process.env.BEAMBRIDGE_PYTHON;
    await ensurePythonEnvironment({ extras: ['sklearn'], verify: true });
  } finally {
    delete process.env.BEAMBRIDGE_PYTHON;
    process.chdir(before);
  }
  assert.ok(!existsSync(ran()));
});
