// SPDX-License-Identifier: Apache-2.0
// The package as it is published: bundled, packed by npm and unpacked into a folder of its own, where
// programs import it. Declarations are left out: scripts/test checks those when it builds all.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { globSync } from 'tinyglobby';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { seenNames } from '../fixtures/programs/seen-names.ts';

const root = resolve(import.meta.dirname, '../..');
const PUBLISHED = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'docs',
  'proto',
  'python-env',
  'java-env',
];

let folder: string;
/** Where npm would put the package. */
let installed: string;

before(() => {
  mkdirSync(join(root, '.cache'), { recursive: true });
  // Below the repository, so that the packages that it needs are found.
  folder = mkdtempSync(join(root, '.cache/package-'));
  // A package of its own: within this one, `beambridge` would mean the repository's own `dist`.
  writeFileSync(join(folder, 'package.json'), '{ "name": "program" }');
  const source = join(folder, 'source');
  for (const name of PUBLISHED) {
    cpSync(join(root, name), join(source, name), {
      recursive: true,
      filter: (path) => !path.endsWith('__pycache__'),
    });
  }
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), join(source, 'dist')]);
  const quiet = { cwd: folder, stdio: 'pipe', encoding: 'utf8' } as const;
  const packed = execFileSync('npm', ['pack', '--silent', source], quiet).trim();
  execFileSync('tar', ['-xzf', packed], quiet);
  installed = join(folder, 'node_modules/beambridge');
  cpSync(join(folder, 'package'), installed, { recursive: true });
});
after(() => rmSync(folder, { recursive: true, force: true }));

const command = () => join(installed, 'dist/cli/main.js');

test('names in the package are those in the sources, and its own frames are not the program’s', async () => {
  const program = join(folder, 'seen-names.mjs');
  await build({
    entryPoints: [join(root, 'test/fixtures/programs/seen-names.ts')],
    outfile: program,
    packages: 'external',
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Without the paths that lead from the package's name to its sources.
    tsconfigRaw: {},
  });
  const say = `console.log(JSON.stringify(await (await import('./seen-names.mjs')).seenNames()))`;
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', say], {
    cwd: folder,
    encoding: 'utf8',
  });
  const published: Awaited<ReturnType<typeof seenNames>> = JSON.parse(said);
  assert.deepEqual(published, await seenNames());
  assert.deepEqual(published.failure, {
    name: 'BeamBridgeError',
    code: 'USER_CODE_FAILED',
    transform: 'map(fails)',
    isOurs: true,
    file: true,
  });
});

test('a program that starts reads a few files of ours, and none of other packages', () => {
  const files = globSync('**/*.js', { cwd: join(installed, 'dist') });
  assert.ok(files.length >= 7 && files.length < 36, `${files.length} files`);
  const eager = files
    .filter((file) => !file.startsWith('cli/'))
    .flatMap((file) => {
      const text = readFileSync(join(installed, 'dist', file), 'utf8');
      return [...text.matchAll(/^(?:import|export) .*?"([^"]+)";$|^\} from "([^"]+)";$/gm)];
    })
    .map(([, one, other]) => one ?? other ?? '')
    .filter((name) => !/^(\.|node:)/.test(name))
    .map((name) => name.split('/').slice(0, 2).join('/'));
  assert.deepEqual([...new Set(eager)], []);
});

test('notices of the library that is part of the bundle are in the package', () => {
  const notices = readFileSync(join(installed, 'dist/NOTICES.txt'), 'utf8');
  assert.match(notices, /Buf Technologies[\s\S]*Apache License/);
  assert.match(notices, /Google Inc[\s\S]*Redistributions in binary form/);
});

test('the command runs as a program of its own and tells its version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(execFileSync(command(), ['--version'], { encoding: 'utf8' }).trim(), version);
});

test('the command of workers is one file that takes the flags of the container contract alone', () => {
  const worker = command().replace(/main\.js$/, 'worker-main.js');
  const { status, stderr } = spawnSync(
    worker,
    ["--id='w'", '--provision_endpoint=127.0.0.1:1', '--start-timeout=0.1'],
    { encoding: 'utf8' },
  );
  assert.equal(status, 1);
  assert.match(stderr, /^beambridge worker w: .* did not answer within 0\.1 s/);
});

test('links of the README and of the pages lead to files of the package', () => {
  const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: installed })];
  assert.ok(pages.includes('docs/install.md'));
  assert.deepEqual(globSync('docs/api/**', { cwd: installed }), []);
  const broken = pages.flatMap((page) => {
    const markdown = readFileSync(join(installed, page), 'utf8');
    const links = [...markdown.matchAll(/\]\((?!\w+:)([^)#\s]+)/g)];
    return links
      .filter(([, path = '']) => !existsSync(join(installed, dirname(page), path)))
      .map(([, path]) => `${page}: ${path}`);
  });
  assert.deepEqual(broken, []);
});

test('the Python folder is found beside the published code', async () => {
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  // An environment's name is a digest of the files of requirements, which lie in that folder.
  const args = ['env', 'path', '--extra', 'sklearn'];
  assert.equal(execFileSync(command(), args, { encoding: 'utf8' }).trim(), python);
});
