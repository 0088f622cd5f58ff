// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { artifactFolder } from '../../../src/services/engines/artifact-folder.ts';

test('artifacts of a job server go with it, or stay for jobs that go on, or are somebody else’s', async () => {
  const ours = await artifactFolder('flink', 'while we run');
  assert.match(basename(ours.folder), /^beambridge-flink-/);
  await writeFile(join(ours.folder, 'program'), '');
  await ours.tidyUp();
  assert.equal(existsSync(ours.folder), false);

  const jobs = await artifactFolder('flink', 'while jobs run');
  await writeFile(join(jobs.folder, 'program'), '');
  await jobs.tidyUp();
  assert.equal(existsSync(jobs.folder), true);
  await rm(join(jobs.folder, 'program'));
  await jobs.tidyUp();
  assert.equal(existsSync(jobs.folder), false);

  const theirs = await artifactFolder('flink', { folder: 's3://bucket/artifacts' });
  assert.equal(theirs.folder, 's3://bucket/artifacts');
  await theirs.tidyUp();
});

test('a folder whose program was killed goes at the next start of such a server, and no other does', async (context) => {
  const parent = await mkdtemp(join(tmpdir(), 'beambridge-artifacts-test-'));
  const { TMPDIR } = process.env;
  process.env.TMPDIR = parent;
  context.after(async () => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    await rm(parent, { recursive: true });
  });
  const ours = await artifactFolder('spark', 'while we run');
  const self = JSON.parse(readFileSync(join(ours.folder, '.beambridge-owner'), 'utf8'));
  assert.equal(self.pid, process.pid);

  const folderOf = async (engine: string, owner?: object | string) => {
    const folder = await mkdtemp(join(parent, `beambridge-${engine}-`));
    await writeFile(join(folder, 'program'), '');
    if (owner !== undefined) {
      const text = typeof owner === 'string' ? owner : JSON.stringify(owner);
      await writeFile(join(folder, '.beambridge-owner'), text);
    }
    return folder;
  };
  // Numbers of processes are used again: this one's, with another start, is that of one that is gone.
  const gone = { ...self, start: 'another' };
  const left = await folderOf('spark', gone);
  const leftToo = await folderOf('spark', { ...self, pid: 2 ** 30 });
  const kept = [
    await folderOf('spark'),
    await folderOf('spark', '{"pid":'),
    await folderOf('spark', { ...gone, host: 'elsewhere' }),
    await folderOf('flink', gone),
  ];
  const linked = join(parent, 'beambridge-spark-link');
  await symlink(await folderOf('other', gone), linked);

  const next = await artifactFolder('spark', 'while we run');
  assert.deepEqual([left, leftToo].map(existsSync), [false, false]);
  for (const folder of [...kept, linked, join(linked, 'program'), ours.folder, next.folder]) {
    assert.ok(existsSync(folder), folder);
  }
  await next.tidyUp();
  await ours.tidyUp();
  assert.ok(!existsSync(ours.folder));
});
