// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync, readlinkSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import { startOf } from '../../../src/services/process/identity.ts';
import { acquireLock } from '../../../src/services/python/lock.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  file = path.join(folder, 'a.lock');
});
afterEach(() => rm(folder, { recursive: true }));

test('one at a time holds the lock', async () => {
  let holders = 0;
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      await using _lock = await acquireLock(file);
      holders += 1;
      assert.equal(holders, 1);
      await new Promise((resolve) => setTimeout(resolve, 10));
      holders -= 1;
    }),
  );
  assert.deepEqual(await readdir(folder), []);
});

test('whoever waits is told for whom, once, and may give up', async () => {
  await using _lock = await acquireLock(file);
  const controller = new AbortController();
  const waits: unknown[] = [];
  const onWait = (pid: number | undefined): void => {
    waits.push(pid);
    controller.abort();
  };
  await assert.rejects(
    acquireLock(file, { signal: controller.signal, onWait }),
    (error) => (error as BeamBridgeError).code === 'ABORTED',
  );
  assert.deepEqual(waits, [process.pid]);
});

const numbers = existsSync('/proc/self/ns/pid') ? readlinkSync('/proc/self/ns/pid') : '';
const here = { start: '1', host: hostname(), numbers };
const owners: [what: string, owner: object][] = [
  ['a process that does not exist', { ...here, pid: 2 ** 22 + 1 }],
  ['another process with the same number', { ...here, pid: process.pid }],
];
for (const [what, owner] of owners) {
  test(`the lock of ${what} is taken over`, { skip: startOf(process.pid) === '' }, async () => {
    await writeFile(file, JSON.stringify(owner));
    await using _lock = await acquireLock(file);
    assert.deepEqual(await readdir(folder), ['a.lock']);
  });
}

test('a lock that was never written whole is taken over when it is old', async () => {
  await writeFile(file, '{"pid"');
  const old = new Date(Date.now() - 60_000);
  await utimes(file, old, old);
  await using _lock = await acquireLock(file);
});

test('a taker that died while it took over does not block the next', async () => {
  const dead = owners[0]?.[1];
  await writeFile(file, JSON.stringify({ ...dead, id: 'a0' }));
  await writeFile(`${file}.a0`, JSON.stringify({ ...dead, id: 'b0' }));
  // The taker of its marker, of whom nothing is known.
  await writeFile(`${file}.a0.b0`, '');
  const old = new Date(Date.now() - 60_000);
  await utimes(`${file}.a0.b0`, old, old);
  await using _lock = await acquireLock(file);
  assert.deepEqual(await readdir(folder), ['a.lock']);
});

test('a lock that was taken over is neither touched nor removed by its old owner', async () => {
  const lock = await acquireLock(file, { touchEvery: 20 });
  await rm(file);
  const next = JSON.stringify({ pid: 1, host: 'elsewhere', id: 'c0' });
  await writeFile(file, next);
  const past = new Date(1_700_000_000_000);
  await utimes(file, past, past);
  await delay(200);
  assert.equal((await stat(file)).mtimeMs, past.getTime());
  await lock.release();
  assert.equal(await readFile(file, 'utf8'), next);
  assert.deepEqual(await readdir(folder), ['a.lock']);
});

test('the owner of a lock touches it, and gives it back once', async () => {
  const lock = await acquireLock(file, { touchEvery: 20 });
  const past = new Date(Date.now() - 60_000);
  await utimes(file, past, past);
  while ((await stat(file)).mtimeMs <= past.getTime()) await delay(10);
  await Promise.all([lock.release(), lock.release()]);
  await using _next = await acquireLock(file);
  await lock.release();
  assert.deepEqual(await readdir(folder), ['a.lock']);
});

test('two that give back and take over one lock remove none but the one they mean', async () => {
  // Every owner seems to be gone to those who wait, though it works and gives its lock back.
  let made = 0;
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      for (let turn = 0; turn < 10; turn++) {
        await writeFile(file, JSON.stringify({ ...owners[0]?.[1], id: `d${made++}` }), {
          flag: 'wx',
        }).catch(() => {});
        const lock = await acquireLock(file);
        const { id } = JSON.parse(await readFile(file, 'utf8')) as { id: string };
        await delay(1);
        assert.equal((JSON.parse(await readFile(file, 'utf8')) as { id: string }).id, id);
        await lock.release();
      }
    }),
  );
});

const future = new Date(Date.now() + 3600_000);
const left: [what: string, content: string, mtime: Date][] = [
  ['of a container that was killed', '{"pid":42,"host":"3f2a9c0d1b7e"}', new Date()],
  [
    'of the same host name in another container',
    JSON.stringify({ ...here, numbers: 'x', pid: 1 }),
    new Date(),
  ],
  ['with null inside', 'null', future],
  ['that is empty, of a time in the future', '', future],
];
for (const [what, content, mtime] of left) {
  test(`a lock ${what} is taken over once nobody touches it`, async () => {
    await writeFile(file, content);
    await writeFile(`${file}.other`, '');
    await utimes(file, mtime, mtime);
    await using _lock = await acquireLock(file, { staleAfter: 300 });
    assert.match(await readFile(file, 'utf8'), new RegExp(`"pid":${process.pid}`));
  });

  test(`a lock ${what} is waited for while somebody touches it`, async () => {
    await writeFile(file, content);
    await utimes(file, mtime, mtime);
    let time = mtime.getTime();
    const touching = setInterval(() => {
      time += 10;
      void utimes(file, new Date(time), new Date(time));
    }, 50);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 1500);
    await assert.rejects(acquireLock(file, { staleAfter: 1000, signal: controller.signal }), {
      code: 'ABORTED',
    });
    clearInterval(touching);
  });
}

test('a lock that is a folder, and cannot be removed, is named', async () => {
  await mkdir(file);
  await assert.rejects(acquireLock(file, { staleAfter: 300 }), {
    code: 'ENVIRONMENT_BUILD_FAILED',
    message: /a\.lock was left behind/,
  });
});

test('a lock that cannot be read is taken over alike', async () => {
  await writeFile(file, '{}');
  await chmod(file, 0);
  await using _lock = await acquireLock(file, { staleAfter: 300 });
});
