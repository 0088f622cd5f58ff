// SPDX-License-Identifier: Apache-2.0
// The real Python host: started, shared, replaced, and gone when its program is. Starts Node
// programs and hosts on the managed Python.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BeamBridgeError } from '../../src/base/index.ts';
import {
  ensurePythonEnvironment,
  getHost,
  startHost,
  stopHosts,
} from '../../src/services/index.ts';
import { gone, isAlive, processes, watchersOf } from '../helpers/alive.ts';

const program = fileURLToPath(new URL('../fixtures/programs/start-host.ts', import.meta.url));
const tools = fileURLToPath(new URL('../fixtures/python-tools/', import.meta.url));

let python: string;
let folder: string;
/** The temporary folder of programs that are started. */
let scratch: string;
before(async () => {
  ({ python } = await ensurePythonEnvironment({ extras: ['sklearn'] }));
  folder = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  scratch = await mkdtemp(path.join(folder, 'tmp-'));
});
after(async () => {
  await stopHosts();
  await rm(folder, { recursive: true, force: true });
});

test('a program shares one host, and replaces it when it died', async () => {
  const [first, second] = await Promise.all([
    getHost({ extras: ['sklearn'] }),
    getHost({ extras: ['sklearn'] }),
  ]);
  assert.equal(first, second);
  assert.match(first.address, /^127\.0\.0\.1:\d+$/);
  process.kill(first.pid, 'SIGKILL');
  while (first.alive) await delay(20);
  const error = first.diedError();
  assert.equal(error.code, 'HOST_DIED');
  assert.match(error.message, /was ended by SIGKILL/);
  const next = await getHost({ extras: ['sklearn'] });
  assert.notEqual(next.pid, first.pid);
  assert.ok(next.alive);
});

test('a start that is cancelled by one caller goes on for the other', async () => {
  await stopHosts();
  const controller = new AbortController();
  const cancelled = getHost({ extras: ['sklearn'], signal: controller.signal });
  const kept = getHost({ extras: ['sklearn'] });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(cancelled, (error) => (error as BeamBridgeError).code === 'ABORTED');
  assert.ok((await kept).alive);
});

test('two hosts at once have ports and tokens of their own', async () => {
  await using first = await startHost({ python });
  await using second = await startHost({ python });
  assert.notEqual(first.address, second.address);
  assert.notEqual(first.token, second.token);
});

test('a Python without Beam fails the start with what it printed', async () => {
  const bare = path.join(folder, 'python');
  await writeFile(bare, `#!/bin/sh\nexec ${python} -S "$@"\n`, { mode: 0o755 });
  await assert.rejects(startHost({ python: bare }), (error) => {
    assert.ok(error instanceof BeamBridgeError);
    assert.equal(error.code, 'HOST_START_FAILED');
    assert.match(error.detail ?? '', /ModuleNotFoundError/);
    return true;
  });
});

test('a host that takes too long fails the start and is gone', async () => {
  await assert.rejects(startHost({ python, startTimeout: 50 }), (error) => {
    assert.equal((error as BeamBridgeError).code, 'HOST_START_FAILED');
    return true;
  });
});

test('an environment whose host does not start is repaired once', async () => {
  const saved = { ...process.env };
  Object.assign(process.env, {
    BEAMBRIDGE_HOME: path.join(folder, 'cache'),
    BEAMBRIDGE_UV: path.join(tools, 'uv'),
    BEAMBRIDGE_BASE_PYTHON: path.join(tools, 'python'),
    FAKE_UV_LOG: path.join(folder, 'uv.log'),
  });
  const phases: string[] = [];
  const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
  try {
    const environment = await ensurePythonEnvironment({ onProgress });
    await writeFile(path.join(path.dirname(environment.python), '..', 'broken'), '');
    const host = await getHost({ onProgress });
    await host.stop();
    assert.equal(phases.filter((phase) => phase === 'ready').length, 2);
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in saved)) delete process.env[name];
    Object.assign(process.env, saved);
  }
});

async function run(
  behaviour: string,
): Promise<{ child: ChildProcess; pid: number; exit: Promise<unknown[]> }> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, behaviour], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: scratch },
  });
  const exit = once(child, 'exit');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, pid: (JSON.parse(line.toString()) as { pid: number }).pid, exit };
}

/** What hosts have in the temporary folder of the programs; the programs' compiler has its own there. */
async function leftovers(): Promise<string[]> {
  const names = await readdir(scratch);
  return names.filter((name) => !name.startsWith('tsx-'));
}

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
  test(`a program that ${signal} ends takes its host with it`, async () => {
    const { child, pid, exit } = await run('waits');
    assert.ok(isAlive(pid));
    assert.equal((await leftovers()).length, 1);
    child.kill(signal);
    await exit;
    await gone(pid);
    assert.deepEqual(await leftovers(), []);
  });
}

test('a host whose guard lost all that watches ends with its program, and all of its group', async () => {
  const { child, pid, exit } = await run('waits');
  const { group } = processes().find((each) => each.pid === pid)!;
  const watchers = watchersOf(pid);
  assert.equal(watchers.length, 2);
  for (const watcher of watchers) process.kill(watcher, 'SIGKILL');
  child.kill('SIGKILL');
  await exit;
  await gone(pid);
  await gone(group);
  const deadline = Date.now() + 5000;
  while (processes().some((each) => each.group === group)) {
    assert.ok(Date.now() < deadline, 'the zygote, say, is still there');
    await delay(50);
  }
  assert.deepEqual(await leftovers(), []);
});

test('a program that is ended while its host imports leaves nothing', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', program, 'waits'], {
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: scratch },
  });
  while ((await leftovers()).length === 0) await delay(5);
  child.kill('SIGKILL');
  await once(child, 'exit');
  // The host sees its program's end once its imports are through, which take long from a cold disk.
  const deadline = Date.now() + 40_000;
  while ((await leftovers()).length > 0) {
    assert.ok(Date.now() < deadline, 'the folder of the host is still there');
    await delay(50);
  }
});

test('a host does not keep its program alive, nor outlive it', async () => {
  const { pid, exit } = await run('ends');
  assert.deepEqual(await exit, [0, null]);
  await gone(pid);
  assert.deepEqual(await leftovers(), []);
});

test('a host that is stopped (SIGSTOP) still ends with its program', async () => {
  const { child, pid, exit } = await run('waits');
  process.kill(pid, 'SIGSTOP');
  child.kill('SIGKILL');
  await exit;
  await gone(pid);
  // It was killed: the next one removes what it could not.
  const left = await leftovers();
  assert.equal(left.length, 1);
  const next = await run('waits');
  while ((await leftovers()).some((name) => left.includes(name))) await delay(50);
  next.child.kill();
  await next.exit;
  await gone(next.pid);
  assert.deepEqual(await leftovers(), []);
});
