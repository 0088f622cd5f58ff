// SPDX-License-Identifier: Apache-2.0
// Environments: built once, repaired, cleaned up after, with each failure told apart. uv and Python
// are the stand-ins of test/fixtures/python-tools, except where pip itself is tested.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import {
  type EnvironmentOptions,
  type EnvironmentProgress,
  ensurePythonEnvironment,
} from '../../src/services/index.ts';

const tools = fileURLToPath(new URL('../fixtures/python-tools/', import.meta.url));
const program = fileURLToPath(
  new URL('../fixtures/programs/ensure-environment.ts', import.meta.url),
);

let home: string;
let log: string;
let environmentBefore: NodeJS.ProcessEnv;
let progress: EnvironmentProgress[];

beforeEach(async () => {
  environmentBefore = { ...process.env };
  home = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  log = path.join(home, 'uv.log');
  progress = [];
  delete process.env.BEAMBRIDGE_PYTHON;
  Object.assign(process.env, {
    BEAMBRIDGE_HOME: path.join(home, 'cache'),
    BEAMBRIDGE_UV: path.join(tools, 'uv'),
    BEAMBRIDGE_BASE_PYTHON: path.join(tools, 'python'),
    FAKE_UV_LOG: log,
  });
});

afterEach(async () => {
  for (const name of Object.keys(process.env)) {
    if (!(name in environmentBefore)) delete process.env[name];
  }
  Object.assign(process.env, environmentBefore);
  await rm(home, { recursive: true, force: true });
});

const ensure = (options: EnvironmentOptions = {}) =>
  ensurePythonEnvironment({ onProgress: (step) => progress.push(step), ...options });

async function builds(): Promise<number> {
  const text = await readFile(log, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line.startsWith('created')).length;
}

/** Folders of environments that are in the cache, whole or not. */
async function folders(): Promise<string[]> {
  const names = await readdir(path.join(home, 'cache', 'envs')).catch(() => []);
  return names.filter((name) => !name.includes('.'));
}

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

test('an environment is built once and found the next time', async () => {
  const first = await ensure();
  const second = await ensure();
  assert.deepEqual(second, first);
  assert.ok(existsSync(first.python));
  assert.equal(await builds(), 1);
  assert.equal(progress.filter(({ phase }) => phase === 'building').length, 1);
});

test('what an environment has decides which one it is, and order does not', async () => {
  const plain = await ensure();
  const extra = await ensure({ extras: ['sklearn'] });
  const packages = await ensure({ packages: ['b==1', 'a'] });
  const same = await ensure({ packages: ['a', 'b==1', 'a'] });
  assert.equal(new Set([plain.key, extra.key, packages.key]).size, 3);
  assert.equal(same.key, packages.key);
  assert.match(await readFile(log, 'utf8'), /--require-hashes -r \S+base\.txt -r \S+sklearn\.txt/);
  assert.match(await readFile(log, 'utf8'), /-c \S+constraints\.txt -- a b==1/);
});

test('an environment with more extras will do, one with packages of its own will not', async () => {
  await ensure({ packages: ['a'] });
  const extra = await ensure({ extras: ['sklearn'] });
  assert.equal(await builds(), 2);
  assert.equal((await ensure()).key, extra.key);
  assert.equal((await ensure()).key, extra.key, 'also when it is remembered');
  assert.equal(await builds(), 2);
  await rm(path.dirname(path.dirname(extra.python)), { recursive: true });
  assert.notEqual((await ensure()).key, extra.key);
  assert.equal(await builds(), 3);
});

test('where just what was asked for is wanted, one with more will not do, nor later for the same', async () => {
  const extra = await ensure({ extras: ['sklearn'] });
  assert.equal((await ensure()).key, extra.key);
  const exact = await ensure({ isExact: true });
  assert.notEqual(exact.key, extra.key);
  assert.equal((await ensure({ isExact: true })).key, exact.key, 'also when it is remembered');
});

test('a local package that changed makes another environment', async () => {
  const wheel = path.join(home, 'local.whl');
  await writeFile(wheel, 'one');
  const first = await ensure({ packages: [wheel] });
  await writeFile(wheel, 'two');
  const second = await ensure({ packages: [wheel] });
  assert.notEqual(second.key, first.key);
});

test('another Python makes another environment', async () => {
  const first = await ensure();
  process.env.FAKE_PYTHON_VERSION = '3, 12, 1';
  await rm(path.join(home, 'cache', 'requests'), { recursive: true });
  const second = await ensure();
  assert.equal(second.version, '3.12.1');
  assert.notEqual(second.key, first.key);
});

for (const damage of [
  'beambridge.json',
  'bin/python',
  'lib/python3.11/site-packages/apache_beam',
]) {
  test(`an environment that lost ${damage} is built anew`, async () => {
    const { python } = await ensure();
    await rm(path.join(path.dirname(python), '..', damage), { recursive: true });
    assert.equal((await ensure()).python, python);
    assert.ok(existsSync(python));
    assert.equal(await builds(), 2);
  });
}

test('an environment that looks whole but does not work is built anew when verified', async () => {
  const { python } = await ensure();
  await writeFile(path.join(path.dirname(python), '..', 'broken'), '');
  await ensure();
  assert.equal(await builds(), 1);
  await ensure({ verify: true });
  assert.equal(await builds(), 2);
});

test('a check that is killed, or fails for another reason, leaves an environment as it is', async () => {
  const { python } = await ensure();
  const folder = path.dirname(path.dirname(python));
  const { ino } = await stat(folder);
  await writeFile(path.join(folder, 'broken'), '');
  // 1: an exception that is no ImportError; 137: ended by SIGKILL, as when memory is short.
  for (const status of ['1', '137']) {
    process.env.FAKE_PYTHON_STATUS = status;
    await ensure({ verify: true });
  }
  assert.equal(await builds(), 1);
  assert.equal((await stat(folder)).ino, ino);
});

test('a damaged environment stays until another one has been built, and what was half built goes', async () => {
  const { python, key } = await ensure();
  const folder = path.dirname(path.dirname(python));
  await writeFile(path.join(folder, 'broken'), '');
  await mkdir(`${folder}.building-0123/bin`, { recursive: true });
  process.env.FAKE_UV = 'strange';
  await assert.rejects(ensure({ verify: true }), coded('ENVIRONMENT_BUILD_FAILED', /moon/));
  assert.ok(existsSync(path.join(folder, 'broken')));
  delete process.env.FAKE_UV;
  assert.equal((await ensure({ verify: true })).python, python);
  assert.ok(!existsSync(path.join(folder, 'broken')));
  assert.deepEqual(await readdir(path.dirname(folder)), [key]);
});

const failures: [mode: string, code: ErrorCode, message: RegExp][] = [
  ['offline', 'ENVIRONMENT_OFFLINE', /no package registry can be reached/],
  ['full', 'ENVIRONMENT_BUILD_FAILED', /the disk is full[\s\S]*BEAMBRIDGE_HOME/],
  ['strange', 'ENVIRONMENT_BUILD_FAILED', /the moon is in the wrong house/],
];
for (const [mode, code, message] of failures) {
  test(`a build that fails (${mode}) says so as ${code} and leaves nothing`, async () => {
    process.env.FAKE_UV = mode;
    await assert.rejects(ensure(), coded(code, message));
    assert.deepEqual(await folders(), []);
    delete process.env.FAKE_UV;
    await ensure();
  });
}

test('a package that cannot be installed is named, in the words of the user', async () => {
  await assert.rejects(
    ensure({ packages: ['tqdm', 'No_such.package==9'] }),
    coded('PACKAGE_NOT_INSTALLABLE', /the Python package No_such\.package==9 cannot be installed/),
  );
  assert.deepEqual(await folders(), []);
});

const PIN = 'scikit-learn==1.5.2';

test('beside an own version of what is pinned, the rest of the extra is installed to fit it', async () => {
  process.env.FAKE_UV_REFUSES = '*--no-deps*';
  await ensure({ extras: ['sklearn', 'torch'], packages: [PIN] });
  const text = await readFile(log, 'utf8');
  assert.match(text, /--require-hashes -r \S+base\.txt -r \S+torch\.txt\n/);
  assert.match(
    text,
    /-c \S+constraints\.txt -- apache-beam==2\.77\.0 pandas scikit-learn==1\.5\.2\n$/,
  );
  const [key = ''] = await folders();
  const pins = await readFile(path.join(home, 'cache', 'envs', key, 'constraints.txt'), 'utf8');
  assert.match(pins, /^pandas==/m);
  assert.doesNotMatch(pins, /^scikit-learn==/m);
});

test('where the pins of an extra do not fit an own version, any do that Beam takes', async () => {
  // The first look, and the second, which still has the pins of pandas and scipy.
  Object.assign(process.env, { FAKE_UV_REFUSES: '*--dry-run*', FAKE_UV_REFUSALS: '2' });
  await ensure({ extras: ['sklearn'], packages: [PIN] });
  const [key = ''] = await folders();
  const pins = await readFile(path.join(home, 'cache', 'envs', key, 'constraints.txt'), 'utf8');
  assert.match(pins, /^grpcio==/m);
  assert.doesNotMatch(pins, /^pandas==/m);
});

test('an own version that fits nothing is named, and told before anything is installed', async () => {
  process.env.FAKE_UV_REFUSES = '*scikit-learn==1.5.2*';
  await assert.rejects(
    ensure({ extras: ['sklearn'], packages: [PIN] }),
    coded(
      'PACKAGE_NOT_INSTALLABLE',
      /the Python package scikit-learn==1\.5\.2 cannot be installed/,
    ),
  );
  assert.doesNotMatch(await readFile(log, 'utf8'), /require-hashes/);
});

test('a local package that is not there is named', async () => {
  await assert.rejects(
    ensure({ packages: ['./nowhere/local.whl'] }),
    coded('PACKAGE_NOT_INSTALLABLE', /\.\/nowhere\/local\.whl is not there/),
  );
});

test('options in place of packages, and extras that do not exist, are refused', async () => {
  await assert.rejects(ensure({ packages: ['--pre'] }), coded('INVALID_ARGUMENT', /"--pre"/));
  await assert.rejects(
    ensure({ extras: ['mlx'] }),
    coded('INVALID_ARGUMENT', /"mlx"[\s\S]*sklearn/),
  );
});

test('a cache folder that cannot be written is named', async () => {
  const file = path.join(home, 'a-file');
  await writeFile(file, '');
  process.env.BEAMBRIDGE_HOME = path.join(file, 'cache');
  await assert.rejects(ensure(), coded('ENVIRONMENT_BUILD_FAILED', /cannot write to \S+a-file/));
});

test('a Python that is too old is told with its version', async () => {
  process.env.FAKE_PYTHON_VERSION = '3, 8, 18';
  await assert.rejects(ensure(), coded('PYTHON_TOO_OLD', /3\.8\.18/));
});

test('a Python that is missing is told', async () => {
  process.env.BEAMBRIDGE_BASE_PYTHON = path.join(home, 'no-python');
  await assert.rejects(ensure(), coded('PYTHON_NOT_FOUND', /no-python/));
  delete process.env.BEAMBRIDGE_BASE_PYTHON;
  process.env.PATH = home;
  await assert.rejects(ensure(), coded('PYTHON_NOT_FOUND', /no Python was found/));
});

const kinds: [kind: string, name: RegExp][] = [
  [', "pypy", false', /which is PyPy 3\.11\.7, and CPython is needed/],
  [', "cpython", true', /which is free-threaded CPython 3\.11\.7, and CPython is needed/],
  [', "micropython", false', /which is micropython 3\.11\.7/],
];
for (const [kind, name] of kinds) {
  test(`a Python of another kind (${kind.slice(2)}) is refused, however it is named`, async () => {
    process.env.FAKE_PYTHON_KIND = kind;
    const refused = (error: BeamBridgeError) => {
      coded('UNSUPPORTED', name)(error);
      assert.match(error.hint ?? '', /Apache Beam has no wheels for .* Install Python 3\.10/);
      return true;
    };
    await assert.rejects(ensure(), refused);
    process.env.BEAMBRIDGE_PYTHON = path.join(tools, 'python');
    await assert.rejects(ensure(), refused);
    delete process.env.BEAMBRIDGE_PYTHON;
    delete process.env.BEAMBRIDGE_BASE_PYTHON;
    const links = path.join(home, 'bin');
    await mkdir(links);
    await symlink(path.join(tools, 'python'), path.join(links, 'python3'));
    for (const other of ['sh', 'dirname', 'sleep']) {
      await symlink(path.join('/bin', other), path.join(links, other));
    }
    process.env.PATH = links;
    await assert.rejects(ensure(), refused);
    assert.equal(await builds(), 0);
  });
}

const variables = {
  PIP_USER: '1',
  PIP_TARGET: '/elsewhere',
  PIP_PREFIX: '/elsewhere',
  PIP_ROOT: '/elsewhere',
  PIP_CONSTRAINT: '/elsewhere/constraints.txt',
  PIP_NO_DEPS: '1',
  PIP_DRY_RUN: '1',
  PIP_PRE: '1',
  PIP_REQUIRE_HASHES: '1',
  UV_PYTHON: '3.9',
  UV_SYSTEM_PYTHON: '1',
  UV_TARGET: '/elsewhere',
  UV_CONSTRAINT: '/elsewhere/constraints.txt',
  UV_OVERRIDE: '/elsewhere/override.txt',
  UV_EXCLUDE_NEWER: '2020-01-01',
  UV_RESOLUTION: 'lowest',
  UV_TORCH_BACKEND: 'cpu',
  UV_PROJECT_ENVIRONMENT: '/elsewhere',
  PYTHONPATH: '/elsewhere',
  PYTHONHOME: '/elsewhere',
  VIRTUAL_ENV: '/elsewhere',
};
const kept = {
  PIP_INDEX_URL: 'https://pip.example/simple',
  PIP_CERT: '/etc/company.pem',
  PIP_CONFIG_FILE: '/etc/company.conf',
  UV_INDEX_URL: 'https://uv.example/simple',
  UV_INDEX_COMPANY_PASSWORD: 'secret',
  UV_CACHE_DIR: '/var/cache/uv',
};
for (const tool of ['uv', 'pip']) {
  test(`no variable turns around what ${tool} does; how it reaches registries is the user's affair`, async () => {
    Object.assign(process.env, variables, kept);
    if (tool === 'pip') {
      delete process.env.BEAMBRIDGE_UV;
      process.env.PATH = (process.env.PATH ?? '')
        .split(':')
        .filter((folder) => !existsSync(path.join(folder, 'uv')))
        .join(':');
    }
    await ensure({ packages: ['tqdm'] });
    const lines = (await readFile(`${log}.env`, 'utf8')).trim().split('\n');
    const seen = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)));
    for (const name of Object.keys(variables)) {
      assert.equal(seen[name], name === 'PIP_USER' ? '0' : undefined, name);
    }
    for (const [name, value] of Object.entries(kept)) assert.equal(seen[name], value, name);
  });
}

test('a build that is cancelled leaves nothing', async () => {
  process.env.FAKE_UV = 'stuck';
  const controller = new AbortController();
  const building = ensure({ signal: controller.signal });
  while (!existsSync(`${log}.pid`)) await delay(20);
  controller.abort();
  await assert.rejects(building, coded('ABORTED', /cancelled/));
  assert.deepEqual(await folders(), []);
});

function runProgram(...packages: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...packages], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  const done = once(child, 'close').then(([code]) => ({ code, output: output.trim(), errors }));
  return { child, done };
}

test('two programs that need the same environment at once build it once', async () => {
  process.env.FAKE_UV = 'slow';
  const [first, second] = await Promise.all([runProgram().done, runProgram().done]);
  assert.equal(first.code, 0, first.errors);
  assert.equal(second.code, 0, second.errors);
  assert.equal(first.output, second.output);
  assert.equal(await builds(), 1);
  const said = first.errors + second.errors;
  assert.equal(said.match(/building the Python environment/g)?.length, 1);
});

test('the build of a program that is killed ends, and the next program builds', async () => {
  process.env.FAKE_UV = 'stuck';
  const killed = runProgram();
  while (!existsSync(`${log}.pid`)) await delay(20);
  const installer = Number(await readFile(`${log}.pid`, 'utf8'));
  killed.child.kill('SIGKILL');
  await killed.done;
  process.env.FAKE_UV = '';
  await ensure();
  const deadline = Date.now() + 10_000;
  while (existsSync(`/proc/${installer}`)) {
    assert.ok(Date.now() < deadline, 'the installer outlived its program');
    await delay(50);
  }
});

test('a lock whose owner is gone is taken over', async () => {
  const { key } = await ensure();
  const envs = path.join(home, 'cache', 'envs');
  await rm(path.join(envs, key), { recursive: true });
  // Our own number with another start time: a process number that is used again.
  const owner = { pid: process.pid, start: '1', host: hostname() };
  await writeFile(path.join(envs, `${key}.lock`), JSON.stringify(owner));
  await ensure();
  assert.equal(await builds(), 2);
});

test('BEAMBRIDGE_PYTHON that does not start, or lacks Beam, is refused', async () => {
  process.env.BEAMBRIDGE_PYTHON = path.join(home, 'python');
  await assert.rejects(ensure(), coded('PYTHON_NOT_FOUND', /BEAMBRIDGE_PYTHON/));
  // Without its site-packages: this machine's Python may well have Beam.
  process.env.BEAMBRIDGE_PYTHON = path.join(home, 'bare-python');
  await writeFile(process.env.BEAMBRIDGE_PYTHON, '#!/bin/sh\nexec python3 -S -E "$@"\n', {
    mode: 0o755,
  });
  await assert.rejects(
    ensure(),
    coded('PACKAGE_NOT_INSTALLABLE', /does not have apache-beam==2\.77\.0[\s\S]*pip install/),
  );
});

test('BEAMBRIDGE_PYTHON may be a path from the current folder, and stays that file', async () => {
  const mine = path.join(home, 'mine');
  await mkdir(mine);
  await symlink(path.join(tools, 'python'), path.join(mine, 'python'));
  const before = process.cwd();
  process.chdir(home);
  process.env.BEAMBRIDGE_PYTHON = 'mine/python';
  process.env.FAKE_PYTHON_INSTALLED = '["2.77.0", []]';
  try {
    const { python } = await ensure();
    process.chdir('/');
    assert.equal(python, path.join(await realpath(home), 'mine/python'));
    assert.ok(existsSync(python));
  } finally {
    process.chdir(before);
  }
});

test('BEAMBRIDGE_PYTHON is used as it is, and a package that it lacks is named', async () => {
  Object.assign(process.env, { BEAMBRIDGE_HOME: environmentBefore.BEAMBRIDGE_HOME ?? '' });
  delete process.env.BEAMBRIDGE_BASE_PYTHON;
  delete process.env.BEAMBRIDGE_UV;
  const { python } = await ensure({ extras: ['sklearn'] });
  process.env.BEAMBRIDGE_PYTHON = python;
  const given = await ensure({ extras: ['sklearn'], packages: ['numpy>=2'] });
  assert.equal(given.python, python);
  assert.equal(given.managed, false);
  await assert.rejects(
    ensure({ packages: ['numpy<1', 'left-pad'] }),
    coded('PACKAGE_NOT_INSTALLABLE', /does not have left-pad, numpy<1/),
  );
});

/** Requirements of which pip can install nothing without a network. */
async function useRealPip(): Promise<string> {
  delete process.env.BEAMBRIDGE_UV;
  process.env.BEAMBRIDGE_BASE_PYTHON = 'python3';
  process.env.PATH = (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !existsSync(path.join(folder, 'uv')))
    .join(':');
  process.env.PIP_CONFIG_FILE = '/dev/null';
  delete process.env.PIP_FIND_LINKS;
  const folder = path.join(home, 'requirements');
  await mkdir(folder);
  await writeFile(path.join(folder, 'base.txt'), '');
  return folder;
}

test('pip without a network is told as such', async () => {
  const requirementsFolder = await useRealPip();
  // Port 9 is closed: what a machine without a network answers, at once.
  process.env.PIP_INDEX_URL = 'http://127.0.0.1:9/simple';
  await assert.rejects(
    ensure({ requirementsFolder, packages: ['six'] }),
    coded('ENVIRONMENT_OFFLINE', /no package registry can be reached/),
  );
  assert.deepEqual(await folders(), []);
});

test('pip that finds no such package names it', async () => {
  const requirementsFolder = await useRealPip();
  const links = path.join(home, 'links');
  await mkdir(links);
  Object.assign(process.env, { PIP_NO_INDEX: '1', PIP_FIND_LINKS: links });
  await assert.rejects(
    ensure({ requirementsFolder, packages: ['no-such-package-at-all==1.0'] }),
    coded('PACKAGE_NOT_INSTALLABLE', /no-such-package-at-all==1\.0 cannot be installed/),
  );
});

test('a package that is a folder is built from a copy, and named by its own path', async () => {
  const requirementsFolder = await useRealPip();
  process.env.PIP_NO_INDEX = '1';
  const mine = path.join(home, 'mine');
  await mkdir(mine);
  const project =
    "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";
  await writeFile(path.join(mine, 'pyproject.toml'), project);
  // Leaves what setuptools leaves, and fails.
  const backend = `
import os
def prepare_metadata_for_build_wheel(folder, settings=None):
  os.mkdir('build'); os.mkdir('mine.egg-info')
  raise SystemExit('built in ' + os.getcwd())
build_wheel = prepare_metadata_for_build_wheel
`;
  await writeFile(path.join(mine, 'backend.py'), backend);
  await assert.rejects(
    ensure({ requirementsFolder, packages: [mine] }),
    coded(
      'PACKAGE_NOT_INSTALLABLE',
      new RegExp(`${mine} cannot be installed[^]*built in ${mine}\\n`),
    ),
  );
  assert.deepEqual((await readdir(mine)).sort(), ['backend.py', 'pyproject.toml']);
  assert.deepEqual(await readdir(path.join(home, 'cache', 'envs')), []);
});
