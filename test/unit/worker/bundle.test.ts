// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import { bundleProgram } from '../../../src/worker/bundle.ts';
import { nativePackage } from '../../../src/worker/native.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-bundle-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes files, and gives the first as a module with an export `score`. */
function program(name: string, files: Record<string, string>) {
  const folder = join(scratch, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const moduleUrl = pathToFileURL(join(folder, Object.keys(files)[0]!)).href;
  return { folder, exported: { moduleUrl, exportName: 'score' } };
}

async function load(name: string, text: Uint8Array) {
  const path = join(scratch, `${name}.mjs`);
  writeFileSync(path, text);
  return import(pathToFileURL(path).href);
}

test('names of functions and classes stay, though two files have the same', async () => {
  const { exported } = program('names', {
    'main.ts':
      "import { other } from './other.ts';\nfunction parse() {}\nclass Parser {}\nexport const score: string[] = [parse.name, Parser.name, ...other];",
    'other.ts':
      'function parse() {}\nclass Parser {}\nexport const other = [parse.name, Parser.name];',
  });
  const { text } = await bundleProgram(exported);
  assert.deepEqual((await load('names', text)).score, ['parse', 'Parser', 'parse', 'Parser']);
});

test('closures of a program are named, and those of this package left as they are', async () => {
  const index = fileURLToPath(new URL('../../../src/index.ts', import.meta.url));
  const { exported } = program('closures', {
    'main.ts': `import { create } from ${JSON.stringify(index)};\nconst names = () => {\n  const inner = () => 0;\n  return inner;\n};\nexport const score = [names().name, create([1]).name];`,
  });
  const text = Buffer.from((await bundleProgram(exported)).text).toString();
  assert.match(text, /^ {2,}.*__same\(/m);
  assert.match(text, /^ {2}const inner = .*__name\(/m);
  assert.equal((await load('closures', Buffer.from(text))).score[0], 'inner');
});

test('the same program is the same bundle; packages, CommonJS and JSON are in it', async () => {
  const { exported } = program('packages', {
    'main.mjs':
      "import plus from 'plus';\nimport data from './n.json' with { type: 'json' };\nexport const score = plus(data.n);",
    'n.json': '{ "n": 4 }',
    'node_modules/plus/package.json': '{ "name": "plus", "main": "plus.cjs" }',
    'node_modules/plus/plus.cjs':
      "const { sep } = require('node:path');\nmodule.exports = (n) => n + sep.length;",
  });
  const [one, two] = [await bundleProgram(exported), await bundleProgram(exported)];
  assert.equal(one.sha256, two.sha256);
  rmSync(join(scratch, 'packages'), { recursive: true });
  assert.equal((await load('packages', one.text)).score, 5);
});

test('the source map names the sources by whole paths', async () => {
  const { exported, folder } = program('map', { 'main.ts': 'export const score: number = 1;' });
  const text = Buffer.from((await bundleProgram(exported)).text).toString();
  const map = JSON.parse(Buffer.from(text.split('base64,').at(-1)!, 'base64').toString('utf8'));
  assert.ok(map.sources.includes(pathToFileURL(join(folder, 'main.ts')).href));
});

test('packages with native code are refused by name, with the file that imports each', async () => {
  const { exported } = program('native', {
    'main.ts':
      "import { read } from 'addon';\nimport { open } from './db.ts';\nexport const score = [read, open];",
    'db.ts': "import Database from 'better-sqlite3';\nexport const open = Database;",
    'node_modules/addon/package.json': '{ "name": "addon", "main": "index.js" }',
    'node_modules/addon/index.js': "module.exports = require('./build/addon.node');",
    'node_modules/addon/build/addon.node': '',
  });
  await assert.rejects(bundleProgram(exported), (error: BeamBridgeError) => {
    assert.equal(error.code, 'NATIVE_PACKAGE');
    assert.match(error.shortMessage, /: addon, better-sqlite3$/);
    assert.match(error.detail!, /better-sqlite3 is imported by .*db\.ts/);
    assert.match(error.hint!, /workerProgram: 'module'/);
    return true;
  });
});

test('an import that cannot be found, and a program with an error, are told with their place', async () => {
  const missing = program('missing', { 'main.ts': "import 'not-there';\nexport const score = 1;" });
  await assert.rejects(
    bundleProgram(missing.exported),
    (error: BeamBridgeError) =>
      error.code === 'PROGRAM_NOT_BUNDLED' && /main\.ts:1:\d+: .*not-there/.test(error.detail!),
  );
  const broken = program('broken', { 'main.ts': 'export const score = ;' });
  await assert.rejects(bundleProgram(broken.exported), { code: 'PROGRAM_NOT_BUNDLED' });
});

test('what finds native code counts for the package that asks for it', () => {
  const importer = '/app/node_modules/@scope/fast/lib/index.js';
  assert.equal(nativePackage('node-gyp-build', importer), '@scope/fast');
  assert.equal(nativePackage('bindings', '/app/main.ts'), 'bindings');
  assert.equal(nativePackage('./a.node', '/app/main.ts'), './a.node');
  assert.equal(nativePackage('onnxruntime-node/package.json', '/app/main.ts'), 'onnxruntime-node');
  assert.equal(nativePackage('node:fs', '/app/main.ts'), undefined);
  assert.equal(nativePackage('./sharp', '/app/main.ts'), undefined);
});
