// SPDX-License-Identifier: Apache-2.0
// Runs the example of docs/testing.md as a reader would, on a machine without Python. Starts Node.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';

const root = new URL('../..', import.meta.url);
const page = readFileSync(new URL('docs/testing.md', root), 'utf8');

/** The page's files: blocks that begin with their name. */
function files(): [string, string][] {
  const blocks = page.matchAll(/```ts\n\/\/ (\S+\.ts)\n(.*?)```/gs);
  return [...blocks].map(([, name = '', text = '']) => [name, text]);
}

/** The package is not installed for itself: its doors are found in the sources. */
function withSources(text: string): string {
  return text.replaceAll(
    /'beambridge(?:\/(\w+))?'/g,
    (_, door?: string) => `'${new URL(`src/${door ? `${door}/` : ''}index.ts`, root).href}'`,
  );
}

test('the example of docs/testing.md passes with neither Python nor the model', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-docs-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    for (const [name, text] of files()) writeFileSync(join(folder, name), withSources(text));
    const done = await execa(
      process.execPath,
      ['--import', 'tsx', '--test', '--test-reporter=tap', join(folder, 'digits.test.ts')],
      {
        cwd: root.pathname,
        reject: false,
        extendEnv: false,
        // Nothing is on this path, and no environment was built in this home.
        env: { PATH: folder, HOME: folder, BEAMBRIDGE_HOME: folder },
      },
    );
    assert.equal(done.exitCode, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /# pass 4\n/);
    assert.match(done.stdout, /# fail 0\n/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the page shows the handler and the types of the README', () => {
  const readme = readFileSync(new URL('README.md', root), 'utf8');
  const handler = /const digits = sklearn\(.*?;/s;
  assert.ok(handler.test(page));
  assert.equal(handler.exec(page)?.[0], handler.exec(readme)?.[0]);
});
