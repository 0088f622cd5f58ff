// SPDX-License-Identifier: Apache-2.0
// Without packages that users install if they want them: each is named where it is wanted, before there is a row. Starts Node.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { writeToParquet } from '../../../src/io/index.ts';
import { int64, row } from '../../../src/schema/index.ts';
import { ownPrefix, writeRows } from '../../helpers/row-files.ts';
import { file } from './scratch.ts';

const ROOT = join(import.meta.dirname, '../../..');
const url = (path: string) => JSON.stringify(pathToFileURL(join(ROOT, path)).href);

/** What the pipelines say of a program that lacks the packages, each on a line. */
async function told(pipelines: readonly string[]): Promise<string[]> {
  const program = `
import { createRunner } from ${url('src/index.ts')};
import { create } from ${url('src/transforms/index.ts')};
import * as io from ${url('src/io/index.ts')};
import { row, int64 } from ${url('src/schema/index.ts')};
const schema = row({ id: int64 });
for (const build of [${pipelines.map((one) => `(root) => { ${one}; }`).join(',')}]) {
  const failure = await createRunner().run(build).then(() => 'none', (error) => error);
  console.log(JSON.stringify(failure.code + ' ' + failure.message));
}`;
  const hook = pathToFileURL(join(ROOT, 'test/fixtures/programs/without-package.mjs')).href;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--import', hook, '--input-type=module', '-e', program],
    { cwd: ROOT, env: { ...process.env, WITHOUT: 'hyparquet,hyparquet-writer,fzstd,seek-bzip' } },
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('each package is named by what wants it, with how to install it, also where there are no rows', async () => {
  const { prefix } = await writeRows([{ id: 1 }], row({ id: int64 }), (at) => writeToParquet(at));
  const out = JSON.stringify(ownPrefix());
  const write = (ids: string) =>
    `root.apply(create(${ids})).map((id) => ({ id })).apply(io.writeToParquet(${out}, { schema }))`;
  const [read, some, none, zstd, bzip2] = await told([
    `root.apply(io.readFromParquet(${JSON.stringify(`${prefix}*`)}, { schema }))`,
    write('[1]'),
    write('[]'),
    ...['a.zst', 'a.bz2'].map(
      (name) => `root.apply(io.readFromText(${JSON.stringify(file(name, 'x'))}))`,
    ),
  ]);
  assert.match(
    read!,
    /^PACKAGE_NOT_FOUND .*reading Parquet files needs the package hyparquet\b(?!-)/,
  );
  assert.match(read!, /npm install hyparquet\b(?!-)/);
  assert.match(zstd!, /^PACKAGE_NOT_FOUND .*reading zstd files needs the package fzstd\b/);
  assert.match(bzip2!, /^PACKAGE_NOT_FOUND .*reading bzip2 files needs the package seek-bzip\b/);
  for (const written of [some!, none!]) {
    assert.match(written, /^PACKAGE_NOT_FOUND .*writing Parquet files needs .* hyparquet-writer/);
    assert.match(written, /npm install hyparquet-writer/);
  }
});
