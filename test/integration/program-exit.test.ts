// SPDX-License-Identifier: Apache-2.0
// A program that ends in the middle of a run, by itself: starts a Node process of its own.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-exit-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const source = (path: string) =>
  JSON.stringify(fileURLToPath(new URL(`../../src/${path}`, import.meta.url)));
const program = (ending: string) => `
import { create, createRunner } from ${source('index.ts')};
import { writeToText } from ${source('io/index.ts')};
await createRunner({ progress: false }).run((root) =>
  root
    .apply(create(['a', 'b']))
    .map((x) => (setTimeout(() => { ${ending} }, 200), x))
    .map(async (x) => (await new Promise((r) => setTimeout(r, 60_000)), x))
    .apply(writeToText(${JSON.stringify(join(scratch, 'out'))})),
);`;

for (const ending of ['process.exit(3)', "throw new Error('nobody catches this')"]) {
  test(`${ending} leaves no temporary folder of an output`, () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', program(ending)],
      { encoding: 'utf8' },
    );
    assert.ok(status, stderr);
    assert.doesNotMatch(stderr, /SyntaxError|TypeError/);
    assert.deepEqual(readdirSync(scratch), []);
  });
}
