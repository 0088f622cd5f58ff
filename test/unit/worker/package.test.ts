// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { packageVersion } from '../../../src/base/index.ts';
import { checkLock, checkPackage, packageOfModule } from '../../../src/worker/package/manifest.ts';
import { packProgram } from '../../../src/worker/package/pack.ts';
import { withFile } from '../../../src/worker/package/tarball.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-pack-test-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function folder(name: string, files: Record<string, string>): string {
  const made = join(scratch, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(made, path, '..'), { recursive: true });
    writeFileSync(join(made, path), text);
  }
  return made;
}

test('a file is added to what tar made, and both are read', () => {
  const long = `${'deep/'.repeat(30)}file.txt`;
  const made = folder('tar', { 'package/a.txt': 'a', [`package/${long}`]: 'x'.repeat(2000) });
  const tarball = execFileSync('tar', ['-czf', '-', '-C', made, 'package']);
  const content = Buffer.from(`{"a": "${'ü'.repeat(600)}"}`);
  const added = withFile(tarball, 'package/npm-shrinkwrap.json', content);
  const out = folder('out', { 'added.tgz': '' });
  writeFileSync(join(out, 'added.tgz'), added);
  execFileSync('tar', ['-xzf', join(out, 'added.tgz'), '-C', out]);
  assert.equal(readFileSync(join(out, 'package/a.txt'), 'utf8'), 'a');
  assert.equal(readFileSync(join(out, 'package', long), 'utf8').length, 2000);
  assert.deepEqual(readFileSync(join(out, 'package/npm-shrinkwrap.json')), content);
  assert.deepEqual(withFile(tarball, 'package/npm-shrinkwrap.json', content), added);
  // One without anything in it has an end, too.
  assert.ok(withFile(gzipSync(Buffer.alloc(1024)), 'a', content).length > 0);
});

test('the package of a module is the nearest with a name: a folder of build results may have none', () => {
  const made = folder('nested', {
    'package.json': '{ "name": "scores" }',
    'dist/package.json': '{ "type": "module" }',
    'dist/a.js': '',
  });
  const found = packageOfModule(join(made, 'dist/a.js'));
  assert.deepEqual([found.folder, found.manifest.name], [made, 'scores']);
});

test('a module of no package, a package.json that is none, and a module in TypeScript are refused', async () => {
  const none = folder('none', { 'a.js': '' });
  assert.throws(() => packageOfModule(join(none, 'a.js')), {
    code: 'PROGRAM_NOT_PACKED',
    message: /belongs to no package/,
  });
  const broken = folder('broken', { 'package.json': '{', 'a.js': '' });
  assert.throws(() => packageOfModule(join(broken, 'a.js')), { code: 'PROGRAM_NOT_PACKED' });
  const moduleUrl = pathToFileURL(join(none, 'a.mts')).href;
  await assert.rejects(packProgram({ moduleUrl, exportName: 'a' }), {
    code: 'PROGRAM_NOT_PACKED',
    message: /is TypeScript/,
  });
});

test('what a package depends on must be there for workers, too', () => {
  const check = (manifest: object, files = ['a.js', 'vendor/b.tgz']) =>
    checkPackage({ folder: '/program', manifest: { name: 'program', ...manifest } }, 'a.js', files);
  const beambridge = '^0.1.0';
  check({ dependencies: { beambridge } });
  check({ peerDependencies: { beambridge } });
  check({ dependencies: { beambridge, b: 'file:vendor/b.tgz' } });
  check({ dependencies: { beambridge, b: 'file:../b' }, bundleDependencies: ['b'] });
  check({ dependencies: { beambridge, b: 'link:../b' }, bundledDependencies: true });
  for (const spec of [
    'file:../b',
    '../b',
    '/b',
    '~/b',
    'link:./b',
    'workspace:*',
    'file:vendor/c',
  ]) {
    assert.throws(() => check({ dependencies: { beambridge, b: spec } }), {
      code: 'PROGRAM_NOT_PACKED',
      message: /program depends on b by/,
    });
  }
  assert.throws(() => check({}), { message: /does not name beambridge in its dependencies/ });
  assert.throws(() => check({ dependencies: { beambridge } }, ['b.js']), {
    message: /a\.js is not among the 1 files/,
  });
});

test('a lock file with another version of this package is refused', () => {
  const lock = (version: string) =>
    JSON.stringify({ packages: { 'node_modules/beambridge': { version } } });
  checkLock(lock(packageVersion()), 'package-lock.json');
  checkLock('{}', 'package-lock.json');
  assert.throws(() => checkLock(lock('0.0.1'), 'package-lock.json'), { code: 'WORKER_MISMATCH' });
  assert.throws(() => checkLock('{', 'package-lock.json'), { code: 'PROGRAM_NOT_PACKED' });
});
