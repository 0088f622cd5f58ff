// SPDX-License-Identifier: Apache-2.0
// A program with a job under way ends in every way that there is. Runs test/fixtures/programs/run-job.ts,
// which starts a Python host. Whatever a program started carries its environment, by which it is found.

import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { getHost } from '../../src/services/index.ts';

const program = fileURLToPath(new URL('../fixtures/programs/run-job.ts', import.meta.url));
const TAG = 'BEAMBRIDGE_TEST_TAG';

interface Ran {
  child: ChildProcessByStdio<null, Readable, Readable>;
  tag: string;
  said: Record<string, unknown>[];
  errors: string[];
  /** Resolves once the program said something with this name. */
  says(name: string): Promise<void>;
  exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

function run(...args: string[]): Ran {
  const tag = randomUUID();
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [TAG]: tag },
  });
  const said: Record<string, unknown>[] = [];
  const errors: string[] = [];
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  createInterface(child.stdout).on('line', (line) => said.push(JSON.parse(line)));
  createInterface(child.stderr).on('line', (line) => errors.push(line));
  const says = async (name: string) => {
    const over = exit.then(() => 'over');
    while (!said.some((line) => name in line)) {
      const still = await Promise.race([over, delay(20)]);
      assert.ok(still === undefined, `the program ended too early: ${errors.join('\n')}`);
    }
  };
  return { child, tag, said, errors, says, exit };
}

/** Numbers of the processes that a program with this tag started, and of itself. */
function family(tag: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${TAG}=${tag}`);
      } catch {
        return false;
      }
    });
}

async function nothingLeft(tag: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (family(tag).length > 0) {
    assert.ok(Date.now() < deadline, `alive after 10 s: ${family(tag)}`);
    await delay(100);
  }
}

const skip = process.platform !== 'linux' && 'finds processes by /proc';

// The environment is built before the clock of a test starts.
before(async () => {
  await getHost();
});

test('a program ends by itself after a job is done', { skip }, async () => {
  const ran = run('done');
  assert.deepEqual(await ran.exit, { code: 0, signal: null });
  assert.deepEqual(ran.said.at(-1), { ended: 'DONE' });
  assert.deepEqual(ran.errors, []);
  await nothingLeft(ran.tag);
});

test('a program ends by itself after a job failed', { skip }, async () => {
  const ran = run('fails');
  assert.deepEqual(await ran.exit, { code: 0, signal: null });
  assert.deepEqual(ran.said.at(-1), { error: 'USER_CODE_FAILED' });
  await nothingLeft(ran.tag);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const) {
  test(`${signal} ends a program and all that it started`, { skip }, async () => {
    const ran = run('long');
    await ran.says('running');
    assert.ok(family(ran.tag).length > 1);
    ran.child.kill(signal);
    assert.deepEqual(await ran.exit, { code: null, signal });
    // The program's own code does not go on while it is being ended.
    assert.ok(!ran.said.some((line) => 'error' in line || 'ended' in line));
    await nothingLeft(ran.tag);
  });
}

test('a run that is not cleaned up in time leaves no temporary folder either', {
  skip,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-stuck-'));
  try {
    const ran = run('stuck', join(folder, 'part'));
    await ran.says('running');
    while (readdirSync(folder).length === 0) await delay(20);
    ran.child.kill('SIGINT');
    assert.deepEqual(await ran.exit, { code: null, signal: 'SIGINT' });
    assert.deepEqual(readdirSync(folder), []);
    await nothingLeft(ran.tag);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a second SIGINT ends a program at once', { skip }, async () => {
  const ran = run('long');
  await ran.says('running');
  ran.child.kill('SIGINT');
  await delay(100);
  ran.child.kill('SIGINT');
  assert.deepEqual(await ran.exit, { code: null, signal: 'SIGINT' });
  await nothingLeft(ran.tag);
});

test('a signal while the host starts ends the program too', { skip }, async () => {
  const ran = run('long');
  while (family(ran.tag).length < 2) await delay(20);
  ran.child.kill('SIGTERM');
  assert.deepEqual(await ran.exit, { code: null, signal: 'SIGTERM' });
  await nothingLeft(ran.tag);
});

test('a program that handles SIGINT gets its job cancelled and goes on', { skip }, async () => {
  const ran = run('own-handler');
  await ran.says('running');
  ran.child.kill('SIGINT');
  assert.deepEqual(await ran.exit, { code: 0, signal: null });
  assert.ok(ran.said.some((line) => 'handled' in line));
  assert.deepEqual(ran.said.at(-1), { error: 'JOB_CANCELLED' });
  await nothingLeft(ran.tag);
});
