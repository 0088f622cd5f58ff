// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  collectRequirements,
  constraintsOf,
  PYTHON_EXTRAS,
} from '../../../src/services/python/requirements.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('every extra has a file in which every line is pinned and hashed', async () => {
  const { texts } = await collectRequirements(PYTHON_EXTRAS, []);
  assert.equal(texts.length, PYTHON_EXTRAS.length + 1);
  for (const text of texts) {
    const blocks = text.trimEnd().split(/\n(?=\S)/);
    assert.ok(blocks.length > 0);
    for (const block of blocks) {
      assert.match(block, /^[\w.-]+==\S+( ; .*)? \\\n( {4}--hash=sha256:[0-9a-f]{64}( \\\n|$))+/);
    }
    assert.doesNotMatch(text, /https?:|index-url/);
  }
});

test('an extra pins what the others pin in the same way', async () => {
  const { texts } = await collectRequirements(PYTHON_EXTRAS, []);
  const pins = new Map<string, Set<string>>();
  for (const text of texts) {
    const own = new Map<string, string[]>();
    for (const [, name, rest] of text.matchAll(/^([\w.-]+)==(.*?) \\$/gm)) {
      own.set(name!, [...(own.get(name!) ?? []), rest!]);
    }
    for (const [name, versions] of own) {
      const found = versions.map((version) => version.split(' ')[0]).join(' ');
      pins.set(name, (pins.get(name) ?? new Set()).add(found));
    }
  }
  const several = [...pins].filter(([, versions]) => versions.size > 1).map(([name]) => name);
  assert.deepEqual(several, []);
});

test('constraints are the pins without their hashes', () => {
  const text =
    'six==1.17.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nnumpy==2 ; x < 3 \\\n    --hash=sha256:cc\n';
  assert.equal(constraintsOf([text, text]), 'six==1.17.0\nnumpy==2 ; x < 3\n');
});

test('a folder with a package counts by its source, not by what building leaves in it', async () => {
  await writeFile(path.join(folder, 'pyproject.toml'), '');
  const digest = async () => (await collectRequirements([], [folder])).digest;
  const before = await digest();
  await mkdir(path.join(folder, 'build'));
  await writeFile(path.join(folder, 'build', 'x'), 'x');
  assert.equal(await digest(), before);
  await writeFile(path.join(folder, 'module.py'), 'x = 1');
  assert.notEqual(await digest(), before);
});
