// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
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

/** Every extra but those that stand alone, and gcp, which does not join vertexai. */
const APART: readonly string[] = ['vllm', 'dataframe', 'gcp'];
const JOINT = PYTHON_EXTRAS.filter((extra) => !APART.includes(extra));
const WITH_GCP = [...JOINT.filter((extra) => extra !== 'vertexai'), 'gcp'];

test('every extra has a file in which every line is pinned and hashed', async () => {
  const { texts } = await collectRequirements(JOINT, []);
  assert.equal(texts.length, JOINT.length + 1);
  const alone = await collectRequirements(['vllm'], []);
  assert.equal(alone.texts.length, 1, 'with Beam in the same file');
  assert.match(alone.texts[0]!, /^apache-beam==2\.77\.0 /m);
  const frames = await collectRequirements(['dataframe'], []);
  assert.match(frames.texts[1]!, /^pandas==2\./m, 'which Beam knows');
  const cloud = await collectRequirements(['gcp'], []);
  assert.doesNotMatch(cloud.texts[1]!, /^apache-beam/m, 'which the base has');
  for (const text of [...texts, ...alone.texts, ...frames.texts, ...cloud.texts]) {
    const blocks = text.trimEnd().split(/\n(?=\S)/);
    assert.ok(blocks.length > 0);
    for (const block of blocks) {
      assert.match(block, /^[\w.-]+==\S+( ; .*)? \\\n( {4}--hash=sha256:[0-9a-f]{64}( \\\n|$))+/);
    }
    assert.doesNotMatch(text, /https?:|index-url/);
  }
});

test('an extra that stands alone is refused beside others', async () => {
  await assert.rejects(collectRequirements(['sklearn', 'vllm'], []), {
    code: 'INVALID_ARGUMENT',
    message: /"vllm" cannot be installed beside sklearn/,
  });
  await assert.rejects(collectRequirements(['sklearn', 'dataframe'], []), {
    message: /"dataframe" cannot be installed beside sklearn/,
  });
  await assert.rejects(collectRequirements(['sklearn', 'vertexai', 'gcp'], []), {
    message: /"gcp" cannot be installed beside vertexai/,
  });
});

test('an extra pins what the others pin in the same way', async () => {
  await pinAlike(JOINT);
  await pinAlike(WITH_GCP);
});

async function pinAlike(extras: readonly string[]): Promise<void> {
  const { texts } = await collectRequirements(extras, []);
  const pins = new Map<string, Set<string>>();
  const several = new Set<string>();
  for (const text of texts) {
    const own = new Map<string, Set<string>>();
    for (const [, name, rest] of text.matchAll(/^([\w.-]+)==(.*?) \\$/gm)) {
      own.set(name!, (own.get(name!) ?? new Set()).add(rest!.split(' ')[0]!));
    }
    for (const [name, versions] of own) {
      const others = pins.get(name) ?? versions;
      // One may need fewer of them: another version for a Python on which it needs none.
      const [fewer, more] = others.size < versions.size ? [others, versions] : [versions, others];
      if ([...fewer].some((version) => !more.has(version))) several.add(name);
      pins.set(name, more);
    }
  }
  assert.deepEqual([...several], []);
}

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

test('a folder with a package counts by all that is installed of it: linked, hidden and oddly named too', async () => {
  const source = path.join(folder, 'source');
  const shared = path.join(folder, 'shared');
  for (const each of ['mine/build', 'mine/dist', '.git']) {
    await mkdir(path.join(source, each), { recursive: true });
  }
  await mkdir(shared);
  await writeFile(path.join(source, 'pyproject.toml'), '');
  await writeFile(path.join(shared, 'common.py'), 'x = 1');
  await symlink(path.join(shared, 'common.py'), path.join(source, 'mine', 'common.py'));
  await symlink(shared, path.join(source, 'mine', 'sub'));
  await symlink('..', path.join(source, 'mine', 'loop'));
  await symlink('nowhere', path.join(source, 'mine', 'broken'));
  const specs = [source, `file://${source}`, `mine[some] @ file://${source}#egg=mine`];
  const digests = () =>
    Promise.all(specs.map(async (spec) => (await collectRequirements([], [spec])).digest));
  let before = await digests();
  const changed = async (isNew: boolean) => {
    const now = await digests();
    assert.deepEqual(
      now.map((digest, i) => digest !== before[i]),
      specs.map(() => isNew),
    );
    before = now;
  };
  await changed(false);
  for (const file of ['mine/build/a.py', 'mine/dist/b.py', 'mine/.config.json']) {
    await mkdir(path.dirname(path.join(source, file)), { recursive: true });
    await writeFile(path.join(source, file), 'x = 1');
    await changed(true);
  }
  await writeFile(path.join(shared, 'common.py'), 'x = 2');
  await changed(true);
  for (const file of ['.git/HEAD', 'mine/.DS_Store', '.coverage', 'dist/mine.whl']) {
    await mkdir(path.dirname(path.join(source, file)), { recursive: true });
    await writeFile(path.join(source, file), 'x');
    await changed(false);
  }
  assert.deepEqual((await collectRequirements([], specs)).packages, [source, specs[2]]);
});

test('a folder counts once, however many links lead to it', async () => {
  const names = Array.from({ length: 12 }, (_, i) => `package${i}`);
  for (const name of names) await mkdir(path.join(folder, name));
  for (const name of names) {
    for (const other of names) {
      await symlink(path.join(folder, other), path.join(folder, name, other));
    }
  }
  const digest = async () => (await collectRequirements([], [folder])).digest;
  const before = await digest();
  assert.equal(await digest(), before);
  await writeFile(path.join(folder, 'package7', 'x.py'), '');
  assert.notEqual(await digest(), before);
});

test('a file URL that names no path is refused in words', async () => {
  await assert.rejects(collectRequirements([], ['file://relative/x']), {
    code: 'INVALID_ARGUMENT',
    hint: /absolute path/,
  });
});

test('a package whose Python side was left behind by a bundler says so', async () => {
  await assert.rejects(collectRequirements([], [], '/nowhere/python-env/requirements'), {
    code: 'UNSUPPORTED',
    hint: /bundler .* external/,
  });
});
