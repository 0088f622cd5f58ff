// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
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
