// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync, readlinkSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import { acquireLock, startOf } from '../../../src/services/python/lock.ts';

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
  await writeFile(file, JSON.stringify(owners[0]?.[1]));
  await writeFile(`${file}.takeover`, '1');
  const old = new Date(Date.now() - 60_000);
  await utimes(`${file}.takeover`, old, old);
  await using _lock = await acquireLock(file);
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
