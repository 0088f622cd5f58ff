// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolders } from '../../../src/base/index.ts';

test('makes what is missing, whoever else does so at once, and leaves what is there', async () => {
  const root = await mkdtemp(join(tmpdir(), 'make-folders-'));
  try {
    const deep = join(root, 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 8 }, () => makeFolders(deep, 0o700)));
    assert.equal((await stat(deep)).mode & 0o777, 0o700);
    await makeFolders(deep);
    await makeFolders('/');
    await writeFile(join(root, 'file'), '');
    await assert.rejects(makeFolders(join(root, 'file')), { code: 'EEXIST' });
    await assert.rejects(makeFolders(join(root, 'file', 'x')), { code: 'ENOTDIR' });
  } finally {
    await rm(root, { recursive: true });
  }
});

test('ends where a folder takes none', { skip: process.platform !== 'linux' }, async () => {
  await assert.rejects(makeFolders('/proc/nope/x'), { code: 'ENOENT' });
  await assert.rejects(makeFolders('/proc/1/nope/x'), { code: /ENOENT|EACCES/ });
});
