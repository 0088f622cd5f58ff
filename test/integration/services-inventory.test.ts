// SPDX-License-Identifier: Apache-2.0
// Which environments there are, and their removal. uv and Python are the stand-ins of
// test/fixtures/python-tools; the process that uses an environment is a real Python.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  cleanPythonEnvironments,
  ensurePythonEnvironment,
  getHost,
  getHostLike,
  listPythonEnvironments,
  type PythonEnvironment,
  prunePythonEnvironments,
  sizeOf,
  stopHosts,
} from '../../src/services/index.ts';

const tools = fileURLToPath(new URL('../fixtures/python-tools/', import.meta.url));
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const DAY_MS = 24 * 3600_000;

let home: string;
let envs: string;
let environmentBefore: NodeJS.ProcessEnv;

beforeEach(async () => {
  environmentBefore = { ...process.env };
  home = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  envs = path.join(home, 'cache', 'envs');
  delete process.env.BEAMBRIDGE_PYTHON;
  Object.assign(process.env, {
    BEAMBRIDGE_HOME: path.join(home, 'cache'),
    BEAMBRIDGE_UV: path.join(tools, 'uv'),
    BEAMBRIDGE_BASE_PYTHON: path.join(tools, 'python'),
    FAKE_UV_LOG: path.join(home, 'uv.log'),
  });
});

afterEach(async () => {
  for (const name of Object.keys(process.env)) {
    if (!(name in environmentBefore)) delete process.env[name];
  }
  Object.assign(process.env, environmentBefore);
  await rm(home, { recursive: true, force: true });
});

const ensure = (...extras: string[]) => ensurePythonEnvironment({ extras, onProgress: () => {} });
const folderOf = ({ key }: PythonEnvironment) => path.join(envs, key);

/** As if programs had not asked for it for so many days. */
async function usedBefore(environment: PythonEnvironment, days: number): Promise<void> {
  const time = new Date(Date.now() - days * DAY_MS);
  await utimes(path.join(folderOf(environment), 'beambridge.json'), time, time);
}

/** A process that runs on the environment's Python. */
async function use(environment: PythonEnvironment) {
  await rm(environment.python);
  const { stdout } = spawn('python3', ['-c', 'import sys; print(sys.executable)']);
  const [real] = (await once(stdout, 'data')) as [Buffer];
  await symlink(real.toString().trim(), environment.python);
  const child = spawn(environment.python, ['-c', 'print("up"); import time; time.sleep(100)'], {
    env: { ...process.env, PYTHONUNBUFFERED: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    pid: child.pid!,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

/** The build of an environment that goes on until the test ends it. */
async function startBuild(extra: string) {
  process.env.FAKE_UV = 'stuck';
  const ending = new AbortController();
  const building = ensurePythonEnvironment({
    extras: [extra],
    signal: ending.signal,
    onProgress: () => {},
  });
  const failed = assert.rejects(building, { code: 'ABORTED' });
  while (!existsSync(path.join(home, 'uv.log.pid'))) await delay(20);
  delete process.env.FAKE_UV;
  return async () => {
    ending.abort();
    await failed;
  };
}

function run(...args: string[]): Promise<{ output: string; code: number }> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, 'env', ...args]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  return once(child, 'close').then(([code]) => ({ output, code: code as number }));
}

test('each environment is listed with what it has, and the last use counts', async () => {
  const plain = await ensure();
  const sklearn = await ensure('sklearn');
  await usedBefore(plain, 5);
  await usedBefore(sklearn, 9);
  await mkdir(path.join(envs, 'not-ours'));
  const [first, second, ...more] = await listPythonEnvironments();
  assert.deepEqual(more, []);
  assert.deepEqual([first!.key, second!.key], [plain.key, sklearn.key]);
  assert.deepEqual(second!.extras, ['sklearn']);
  assert.equal(second!.version, '3.11.7');
  assert.equal(second!.state, 'whole');
  assert.ok((await sizeOf(second!.folder)) > 0);
  await ensure('sklearn');
  assert.equal((await listPythonEnvironments())[0]!.key, sklearn.key);
});

test('what was not used for so long is removed, with its traces', async () => {
  const old = await ensure();
  const recent = await ensure('sklearn');
  await usedBefore(old, 40);
  await usedBefore(recent, 5);
  const removals = await prunePythonEnvironments({ unusedFor: 30 * DAY_MS });
  assert.deepEqual(
    removals.map(({ environment: { key }, kept }) => [key, kept]),
    [[old.key, undefined]],
  );
  assert.ok(removals[0]!.freed! > 0);
  assert.deepEqual(await readdir(envs), [recent.key]);
});

test('an environment on whose Python a process runs is never pruned', async () => {
  const environment = await ensure();
  await using user = await use(environment);
  await usedBefore(environment, 40);
  assert.deepEqual((await listPythonEnvironments())[0]!.processes, [user.pid]);
  for (const options of [{}, { unusedFor: DAY_MS }]) {
    const [removal] = await prunePythonEnvironments(options);
    assert.equal(removal!.kept, 'in use');
  }
  assert.ok(existsSync(environment.python));
});

test('one that a program found a moment ago is not pruned: its Python is about to start', async () => {
  const environment = await ensure();
  const [removal] = await prunePythonEnvironments();
  assert.equal(removal!.kept, 'in use');
  assert.ok(existsSync(environment.python));
});

test('one that a program finds while others are removed is kept', async () => {
  const first = await ensure();
  const second = await ensure('sklearn');
  // So many files that their removal takes a while.
  const names = Array.from({ length: 2000 }, (_, i) => path.join(folderOf(first), `${i}`));
  await Promise.all(names.map((name) => writeFile(name, '')));
  await usedBefore(first, 5);
  await usedBefore(second, 9);
  const pruning = prunePythonEnvironments({ unusedFor: DAY_MS });
  while (existsSync(folderOf(first))) await new Promise((resolve) => setImmediate(resolve));
  const found = await ensure('sklearn');
  assert.deepEqual(
    (await pruning).map(({ kept }) => kept),
    [undefined, 'in use'],
  );
  assert.equal(found.key, second.key);
  assert.ok(existsSync(found.python));
});

/** A Python whose hosts serve nothing. */
async function standIn({ python }: PythonEnvironment): Promise<void> {
  const ready = '{"ready":true,"address":"127.0.0.1:1","pool":"127.0.0.1:2","pid":%s}\\n';
  await rm(python);
  await writeFile(python, `#!/bin/sh\nprintf '${ready}' $$\nexec sleep 100\n`, { mode: 0o755 });
}

test('a host in the place of one that died has no more packages than that one had', async () => {
  const larger = await ensure('sklearn');
  // Without being asked for exactly, and so from then on.
  assert.equal((await ensure()).key, larger.key);
  const exact = await ensurePythonEnvironment({ isExact: true, onProgress: () => {} });
  assert.notEqual(exact.key, larger.key);
  await standIn(larger);
  await standIn(exact);
  try {
    const host = await getHost({ isExact: true });
    assert.equal(host.environment, exact.key);
    process.kill(host.pid, 'SIGKILL');
    while (host.alive) await delay(10);
    assert.equal((await getHostLike(host)).environment, exact.key);
  } finally {
    await stopHosts();
  }
});

for (const [what, remove] of [
  ['clean', cleanPythonEnvironments],
  ['prune', prunePythonEnvironments],
] as const) {
  test(`${what} leaves alone what is being built, and removes the rest`, async () => {
    const other = await ensure();
    await usedBefore(other, 40);
    const endBuild = await startBuild('sklearn');
    const before = (await readdir(envs)).filter((name) => name !== other.key);
    assert.equal(
      (await listPythonEnvironments()).find(({ key }) => key !== other.key)!.state,
      'building',
    );
    const removals = await remove();
    assert.deepEqual(removals.map(({ kept }) => kept).sort(), ['being built', undefined]);
    assert.deepEqual(await readdir(envs), before);
    await endBuild();
  });

  test(`${what} removes what a build that was killed left`, async () => {
    const environment = await ensure();
    await usedBefore(environment, 40);
    await mkdir(path.join(envs, `${environment.key}.building-0123`, 'bin'), { recursive: true });
    const alone = 'ab'.repeat(10);
    await mkdir(path.join(envs, `${alone}.building-0123`));
    await remove();
    assert.deepEqual(await readdir(envs), []);
  });
}

test('a build that cleaning met goes on to its end', async () => {
  process.env.FAKE_UV = 'slow';
  const building = ensure('sklearn');
  while (!existsSync(envs) || (await readdir(envs)).length < 2) await delay(10);
  await cleanPythonEnvironments();
  const { python } = await building;
  assert.ok(existsSync(python));
});

test('the command lists, prunes and cleans', async () => {
  const plain = await ensure();
  const sklearn = await ensure('sklearn');
  await usedBefore(plain, 12);
  await usedBefore(sklearn, 40);
  const listed = await run('list');
  assert.match(listed.output, /^KEY +PYTHON +SIZE +LAST USED +STATE +HAS\n/);
  assert.match(listed.output, new RegExp(`${plain.key} .* 12 days ago +unused +Beam`));
  assert.match(listed.output, new RegExp(`${sklearn.key} .* 40 days ago +unused +sklearn`));
  assert.match((await run('prune')).output, new RegExp(`^removed ${sklearn.key} sklearn\n`));
  assert.ok(existsSync(plain.python));
  assert.match((await run('prune', '--days', 'many')).output, /a number of days/);
  assert.match((await run('prune', '--all')).output, new RegExp(`^removed ${plain.key}\n`));
  await ensure();
  assert.match((await run('clean')).output, /^removed/);
  assert.deepEqual(await readdir(envs), []);
});
