// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import {
  findProgram,
  forgetOld,
  keepProgram,
  programPath,
} from '../../../src/worker/program-cache.ts';

const home = process.env.BEAMBRIDGE_HOME;
const scratch = mkdtempSync(join(tmpdir(), 'beambridge-programs-'));
after(() => {
  if (home === undefined) delete process.env.BEAMBRIDGE_HOME;
  else process.env.BEAMBRIDGE_HOME = home;
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach((context) => {
  process.env.BEAMBRIDGE_HOME = join(scratch, (context as { name: string }).name.slice(0, 20));
});

const text = (content: string) => {
  const bytes = Buffer.from(content);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { bytes, wanted: { sha256, bytes: bytes.length } };
};
const kept = () => readdirSync(join(process.env.BEAMBRIDGE_HOME!, 'programs'));

test('a bundle is kept whole and found again', async () => {
  const { bytes, wanted } = text('export const a = 1;');
  assert.equal(await findProgram(wanted.sha256), undefined);
  const path = await keepProgram(wanted, [bytes.subarray(0, 4), bytes.subarray(4)]);
  assert.deepEqual(readFileSync(path), bytes);
  assert.equal(await findProgram(wanted.sha256), path);
  assert.deepEqual(kept(), [`${wanted.sha256}.mjs`]);
});

test('other bytes, fewer and more are refused, and leave nothing', async () => {
  const { bytes, wanted } = text('export const b = 1;');
  for (const chunks of [
    [Buffer.from('export const b = 2;')],
    [bytes.subarray(1)],
    [bytes, bytes],
    [],
  ]) {
    await assert.rejects(keepProgram(wanted, chunks), { code: 'ARTIFACT_DAMAGED' });
  }
  assert.deepEqual(kept(), []);
});

test('a bundle that was damaged on the disk is not found, and is replaced', async () => {
  const { bytes, wanted } = text('export const c = 1;');
  await keepProgram(wanted, [bytes]);
  writeFileSync(programPath(wanted.sha256), 'export const c = 2;');
  assert.equal(await findProgram(wanted.sha256), undefined);
  await keepProgram(wanted, [bytes]);
  assert.equal(await findProgram(wanted.sha256), programPath(wanted.sha256));
});

test('workers that fetch one bundle at the same time do not disturb each other', async () => {
  const { bytes, wanted } = text('export const d = 1;');
  const paths = await Promise.all(Array.from({ length: 8 }, () => keepProgram(wanted, [bytes])));
  assert.equal(new Set(paths).size, 1);
  assert.deepEqual(kept(), [`${wanted.sha256}.mjs`]);
});

test('where the cache cannot be written the bundle has a folder of its own', async () => {
  writeFileSync(process.env.BEAMBRIDGE_HOME!, 'a file');
  const { bytes, wanted } = text('export const e = 1;');
  const path = await keepProgram(wanted, [bytes]);
  assert.ok(path.startsWith(tmpdir()));
  assert.deepEqual(readFileSync(path), bytes);
  rmSync(join(path, '..'), { recursive: true });
});

test('bundles that nobody used for days go, and the latest stay', async () => {
  const old = Array.from({ length: 25 }, (_, i) => text(`export const n = ${i};`));
  for (const { bytes, wanted } of old) {
    const path = await keepProgram(wanted, [bytes]);
    utimesSync(path, 1, 1);
  }
  const { bytes, wanted } = text('export const latest = 1;');
  await keepProgram(wanted, [bytes]);
  assert.equal(kept().length, 20);
  assert.ok(kept().includes(`${wanted.sha256}.mjs`));
});

test('packages among the programs stay however old their folder is, and go by their own times', async () => {
  const packages = join(process.env.BEAMBRIDGE_HOME!, 'programs', 'packages');
  const used = join(packages, 'used');
  mkdirSync(used, { recursive: true });
  const before = new Date(Date.now() - 25 * 3600_000);
  utimesSync(packages, before, before);
  for (let i = 0; i < 21; i++) {
    const { bytes, wanted } = text(`export const p = ${i};`);
    await keepProgram(wanted, [bytes]);
  }
  assert.equal(kept().length, 22);
  assert.ok(existsSync(used));

  for (let i = 0; i < 21; i++) mkdirSync(join(packages, `late-${i}`));
  utimesSync(used, before, before);
  writeFileSync(join(packages, 'old.lock'), '');
  utimesSync(join(packages, 'old.lock'), before, before);
  await forgetOld(packages, 'folders');
  assert.ok(!existsSync(used));
  assert.ok(existsSync(join(packages, 'late-0')));
  assert.equal(readdirSync(packages).length, 22);
});
