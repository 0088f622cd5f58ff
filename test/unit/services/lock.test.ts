// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
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
  const waits: number[] = [];
  const onWait = (pid: number): void => {
    waits.push(pid);
    controller.abort();
  };
  await assert.rejects(
    acquireLock(file, { signal: controller.signal, onWait }),
    (error) => (error as BeamBridgeError).code === 'ABORTED',
  );
  assert.deepEqual(waits, [process.pid]);
});

const owners: [what: string, owner: object][] = [
  ['a process that does not exist', { pid: 2 ** 22 + 1, start: '1', host: hostname() }],
  ['another process with the same number', { pid: process.pid, start: '1', host: hostname() }],
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
