// SPDX-License-Identifier: Apache-2.0
// Machines where something cannot be written: a temporary folder, the folder of environments. uv and
// Python are the stand-ins of test/fixtures/python-tools where an environment would be built.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BeamBridgeError } from '../../src/base/index.ts';
import { TemporaryFolder } from '../../src/external/temporary-folder.ts';
import { ensurePythonEnvironment, startDetachedHost, startHost } from '../../src/services/index.ts';

const tools = fileURLToPath(new URL('../fixtures/python-tools/', import.meta.url));
const program = fileURLToPath(
  new URL('../fixtures/programs/ensure-environment.ts', import.meta.url),
);

let python: string;
let home: string;
let environmentBefore: NodeJS.ProcessEnv;

before(async () => {
  ({ python } = await ensurePythonEnvironment({ extras: ['sklearn'] }));
});

beforeEach(async () => {
  environmentBefore = { ...process.env };
  home = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
});

afterEach(async () => {
  for (const name of Object.keys(process.env)) {
    if (!(name in environmentBefore)) delete process.env[name];
  }
  Object.assign(process.env, environmentBefore);
  await rm(home, { recursive: true, force: true });
});

/** Variables of a Python that finds no temporary folder, as where all of the disk is read-only. */
async function withoutTemporaryFolder(): Promise<Record<string, string>> {
  const modules = path.join(home, 'modules');
  await mkdir(modules);
  // Python's own search also takes /tmp and the current folder.
  await writeFile(
    path.join(modules, 'sitecustomize.py'),
    "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/nowhere']\n",
  );
  return { PYTHONPATH: modules, TMPDIR: '/nowhere' };
}

const noTemporaryFolder = (error: BeamBridgeError) => {
  assert.equal(error.code, 'HOST_START_FAILED');
  assert.match(error.message, /no temporary folder that can be written \(TMPDIR is \/nowhere\)/);
  assert.match(error.hint ?? '', /Point TMPDIR/);
  assert.doesNotMatch(error.message, /Traceback/);
  return true;
};

test('a host without a temporary folder says so, and what to do', async () => {
  await assert.rejects(
    startHost({ python, env: await withoutTemporaryFolder() }),
    noTemporaryFolder,
  );
});

test('so does one that is to be kept warm', async () => {
  const env = await withoutTemporaryFolder();
  Object.assign(process.env, {
    BEAMBRIDGE_HOME: path.join(home, 'cache'),
    BEAMBRIDGE_PYTHON: python,
  });
  Object.assign(process.env, { PYTHONPATH: env.PYTHONPATH, TMPDIR: env.TMPDIR });
  await assert.rejects(startDetachedHost(), noTemporaryFolder);
  const left = await readdir(path.join(home, 'cache', 'warm'));
  assert.deepEqual(
    left.map((name) => path.extname(name)),
    ['.log'],
  );
});

test('files of a Python transform without a temporary folder are IO_FAILED', async () => {
  process.env.TMPDIR = path.join(home, 'nowhere');
  await using folder = new TemporaryFolder();
  await assert.rejects(folder.path(), { code: 'IO_FAILED', message: /nowhere[\s\S]*Point TMPDIR/ });
});

const builds = {
  BEAMBRIDGE_UV: path.join(tools, 'uv'),
  BEAMBRIDGE_BASE_PYTHON: path.join(tools, 'python'),
};
const COMMAND =
  /`npx beambridge env build --extra sklearn --extra torch --package 'a; b == '\\''c'\\''' --package 'tqdm>=4'`/;

// Nobody makes folders there, not even root.
test('an environment that is missing where nothing can be written names the command that builds it', {
  skip: !existsSync('/sys'),
}, async () => {
  Object.assign(process.env, builds, {
    BEAMBRIDGE_HOME: '/sys/beambridge',
    FAKE_UV_LOG: path.join(home, 'log'),
  });
  delete process.env.BEAMBRIDGE_PYTHON;
  await assert.rejects(
    ensurePythonEnvironment({ extras: ['torch', 'sklearn'], packages: ['tqdm>=4', "a; b == 'c'"] }),
    (error: BeamBridgeError) => {
      assert.equal(error.code, 'ENVIRONMENT_BUILD_FAILED');
      assert.match(error.message, /cannot write to \/sys\/beambridge/);
      assert.match(error.hint ?? '', COMMAND);
      return true;
    },
  );
});

// Needs a mount of its own, which not every machine allows.
const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

test('on a read-only disk one that is there is used, and a missing one names its command', {
  skip: !canMount,
}, async () => {
  const cache = path.join(home, 'cache');
  Object.assign(process.env, builds, {
    BEAMBRIDGE_HOME: cache,
    FAKE_UV_LOG: path.join(home, 'log'),
  });
  delete process.env.BEAMBRIDGE_PYTHON;
  const there = await ensurePythonEnvironment({ packages: ['tqdm'], onProgress: () => {} });
  // Not remembered: the answer cannot be kept either.
  await rm(path.join(cache, 'requests'), { recursive: true });
  const readOnly = async (...packages: string[]) => {
    const script = `mount --bind ${cache} ${cache} && mount -o remount,bind,ro ${cache} && exec "$@"`;
    const child = spawn('unshare', [
      ...['-rm', 'sh', '-c', script, 'sh'],
      ...[process.execPath, '--import', 'tsx', program, ...packages],
    ]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        output += data.toString();
      });
    }
    await once(child, 'close');
    return output;
  };
  assert.equal((await readOnly('tqdm')).trim(), there.python);
  const missing = await readOnly('six==1.17.0');
  assert.match(missing, /ENVIRONMENT_BUILD_FAILED/);
  assert.match(missing, /the file system is read-only/);
  assert.match(missing, /`npx beambridge env build --package six==1\.17\.0`/);
});
