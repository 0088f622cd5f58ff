// SPDX-License-Identifier: Apache-2.0
// A host that is kept warm between programs, by the command and by the functions behind it. Its state
// is in a cache folder of this test; its Python is the managed one.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { create, createRunner, pythonTransform, withSchema } from '../../src/index.ts';
import { string } from '../../src/schema/index.ts';
import {
  ensurePythonEnvironment,
  findDetachedHost,
  getHost,
  listDetachedHosts,
  runningHosts,
  startDetachedHost,
  stopDetachedHosts,
  stopHosts,
} from '../../src/services/index.ts';
import { processes } from '../helpers/alive.ts';

const command = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

let home: string;
before(async () => {
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  home = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  Object.assign(process.env, { BEAMBRIDGE_PYTHON: python, BEAMBRIDGE_HOME: home });
});
after(async () => {
  await stopDetachedHosts();
  await stopHosts();
  await rm(home, { recursive: true, force: true });
});

async function cli(...args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const add = (data: Buffer) => {
    output += data.toString();
  };
  child.stdout.on('data', add);
  child.stderr.on('data', add);
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

async function stateFile(): Promise<string> {
  const folder = path.join(home, 'warm');
  const name = (await readdir(folder)).find((entry) => entry.endsWith('.json'));
  assert.ok(name);
  return path.join(folder, name);
}

test('the command starts a host that every program uses, shows it, and stops it', async () => {
  assert.deepEqual(await cli('host', 'status'), { code: 1, output: 'no warm host\n' });
  const started = await cli('host', 'start');
  const [, pid] = /^host (\d+) at 127\.0\.0\.1:\d+\n$/.exec(started.output) ?? [];
  assert.ok(pid, started.output);
  assert.match((await cli('host', 'status')).output, new RegExp(`^host ${pid} at `));
  assert.equal((await cli('host', 'start')).output, started.output);

  const host = await getHost();
  assert.equal(host.pid, Number(pid));
  await stopHosts();
  assert.ok(host.alive, 'a program does not stop the warm host that it used');

  assert.deepEqual(await cli('host', 'stop'), { code: 0, output: 'stopped 1\n' });
  assert.ok(!host.alive);
  assert.deepEqual(await listDetachedHosts(), []);
});

test('the state of a warm host is readable by its owner alone, or else ignored', async () => {
  const host = await startDetachedHost();
  const file = await stateFile();
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await chmod(file, 0o644);
  assert.equal(await findDetachedHost(host.environment), undefined);
  await chmod(file, 0o600);
  assert.equal((await findDetachedHost(host.environment))?.pid, host.pid);
  await host.stop();
});

test('a state file of a process that is gone, or of another program, is ignored', async () => {
  const host = await startDetachedHost();
  const file = await stateFile();
  const state = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  const write = (changes: object) => writeFile(file, JSON.stringify({ ...state, ...changes }));
  // This test's own process number: alive, but not started when the state says.
  await write({ pid: process.pid });
  assert.equal(await findDetachedHost(host.environment), undefined);
  await write({ program: 'another version' });
  assert.equal(await findDetachedHost(host.environment), undefined);
  await writeFile(file, '{');
  assert.equal(await findDetachedHost(host.environment), undefined);
  await write({});
  await host.stop();
  assert.equal(await findDetachedHost(host.environment), undefined);
});

const sleeps = fileURLToPath(new URL('../fixtures/programs/run-sleep.ts', import.meta.url));

async function startSleep(seconds: number, cancelAfter = 0) {
  const args = ['--import', 'tsx', sleeps, String(seconds), String(cancelAfter)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
  });
  const closed = once(child, 'close');
  return closed.then(() => output.trim().split('\n').at(-1));
}

test('a cancelled job that cannot be interrupted ends neither the warm host nor the jobs of others', async () => {
  const host = await startDetachedHost();
  const other = startSleep(15);
  assert.equal(await startSleep(90, 5), 'CANCELLED');
  assert.ok(host.alive);
  assert.equal(await other, 'DONE');
  assert.ok(!host.isOwn && host.alive);
  await host.stop();
});

for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
  test(`a start that ${signal} ends leaves no host`, async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', command, 'host', 'start'], {
      stdio: 'ignore',
    });
    const own = () => processes().filter(({ environment }) => environment.includes(home));
    const hosts = () =>
      own().filter(({ command: line }) => line.includes('start.py beambridge_host'));
    while (hosts().length === 0) await delay(20);
    const exit = once(child, 'exit');
    child.kill(signal);
    const [code] = (await exit) as [number | null];
    if (signal !== 'SIGKILL') assert.notEqual(code, 0);
    const deadline = Date.now() + 20_000;
    while (hosts().length > 0) {
      assert.ok(Date.now() < deadline, 'the host is still there');
      await delay(50);
    }
    assert.deepEqual(await listDetachedHosts(), []);
  });
}

for (const runner of ['node', 'direct'] as const) {
  test(`${runner}: a warm host that is lost while it expands is told of, with its last words, and not replaced`, async () => {
    const host = await startDetachedHost();
    const source = `
import os, signal, sys
def f():
  print('last words', file=sys.stderr, flush=True)
  os.kill(os.getpid(), signal.SIGKILL)`;
    const run = createRunner({ runner, progress: false }).run((root) => {
      root
        .apply(create(['x']))
        .apply(withSchema(string))
        .apply(pythonTransform('__constructor__', [], { source }, { output: string }));
    });
    await assert.rejects(run, {
      code: 'HOST_DIED',
      shortMessage: `the warm Python host (process ${host.pid}) is gone`,
      hint: /beambridge host start/,
      detail: /last words$/,
    });
    assert.ok(!host.alive);
    assert.equal((await runningHosts()).length, 0);
  });
}

test('a warm host that nobody uses ends itself', async () => {
  const host = await startDetachedHost({ idleTimeout: 1 });
  const deadline = Date.now() + 20_000;
  while (host.alive) {
    assert.ok(Date.now() < deadline);
    await delay(100);
  }
  assert.equal(await findDetachedHost(host.environment), undefined);
});
