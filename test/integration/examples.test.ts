// SPDX-License-Identifier: Apache-2.0
// Runs the examples as a stranger would, each a program of its own, and compares what they write
// with what Python itself gives. Starts Node, and through it the managed Python host.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { execa } from 'execa';
import { type Digits, linesOf, predictedByPython, trainedDigits } from '../helpers/digits.ts';

const root = new URL('../..', import.meta.url).pathname;
let digits: Digits;
let scratch: string;
before(async () => {
  digits = await trainedDigits();
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-examples-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function example(name: string, flags: Record<string, string>) {
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  return execa(process.execPath, ['--import', 'tsx', 'scripts/example.ts', name, ...args], {
    cwd: root,
    reject: false,
  });
}

/** Lines of all shards of a prefix in the scratch folder. */
function shards(prefix: string): string[] {
  const names = readdirSync(scratch).filter((name) => name.startsWith(`${prefix}-`));
  for (const name of names) assert.match(name, /-\d{5}-of-\d{5}$/);
  return names.flatMap((name) => linesOf(join(scratch, name)));
}

test('mnist gives what scikit-learn itself gives for all 1,797 digits', async () => {
  const done = await example('mnist', {
    input: digits.all,
    output: join(scratch, 'mnist'),
    modelPath: digits.model,
    runner: 'direct',
  });
  assert.equal(done.exitCode, 0, done.stderr);
  assert.match(done.stdout, /^accuracy: 0\.9\d* \(1797 examples\)$/m);
  assert.deepEqual(shards('mnist').sort(), predictedByPython(digits, digits.all).sort());
  assert.equal(done.stderr, '', 'a run that goes well says nothing else');
});

test('mnist skips header lines and reads every file of a glob', async () => {
  const lines = linesOf(digits.all).slice(0, 60);
  writeFileSync(join(scratch, 'in-a.csv'), `label,pixels\n${lines.slice(0, 25).join('\n')}\n`);
  writeFileSync(join(scratch, 'in-b.csv'), `label,pixels\n${lines.slice(25).join('\r\n')}\r\n`);
  const done = await example('mnist', {
    input: join(scratch, 'in-*.csv'),
    output: join(scratch, 'glob'),
    modelPath: digits.model,
  });
  assert.equal(done.exitCode, 0, done.stderr);
  writeFileSync(join(scratch, 'sixty.csv'), `${lines.join('\n')}\n`);
  assert.deepEqual(
    shards('glob').sort(),
    predictedByPython(digits, join(scratch, 'sixty.csv')).sort(),
  );
});

test('wordcount counts as a plain loop does', async () => {
  const input = join(root, 'docs/errors.md');
  const done = await example('wordcount', { input, output: join(scratch, 'words') });
  assert.equal(done.exitCode, 0, done.stderr);
  const counts = new Map<string, number>();
  for (const word of readFileSync(input, 'utf8').match(/[\p{Letter}\p{Number}']+/gu) ?? []) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  assert.deepEqual(shards('words').sort(), [...counts].map(([w, n]) => `${w}: ${n}`).sort());
});

test('an example that does not exist is refused with the names of those that do', async () => {
  const done = await example('no-such', {});
  assert.equal(done.exitCode, 1);
  assert.match(done.stderr, /mnist.*quickstart.*wordcount/s);
});

test('an example whose model is missing fails with the error code and no output', async () => {
  const done = await example('mnist', {
    input: digits.all,
    output: join(scratch, 'none'),
    modelPath: join(scratch, 'none.pkl'),
  });
  assert.notEqual(done.exitCode, 0);
  assert.match(done.stderr, /MODEL_NOT_FOUND/);
  assert.deepEqual(shards('none'), []);
});
