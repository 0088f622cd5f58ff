// SPDX-License-Identifier: Apache-2.0
// Workers that Flink starts, as processes of its own, where its jars are on this machine.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { flinkHere } from '../helpers/engines.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-flink-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const program = fileURLToPath(new URL('../fixtures/worker/submit.ts', import.meta.url));
const here = await flinkHere();

/** Submits; workers have a cache of their own, so that what they run was staged. */
function submit(mode: string) {
  const options = {
    runner: 'flink',
    flinkMaster: '[local]',
    flinkJobServer: 'jars' in here ? here.jars : '',
    environmentType: 'PROCESS',
    environmentConfig: { env: { BEAMBRIDGE_HOME: join(scratch, 'home') } },
    given: { n: 2, none: null, list: [1.5, null] },
  };
  const args = [
    '--import',
    'tsx',
    program,
    mode,
    join(scratch, mode, 'out'),
    JSON.stringify(options),
  ];
  return execa(process.execPath, args, { reject: false, timeout: 300_000 });
}

test('functions, and stages of Python, run in processes of Flink, from the bundle that was staged', {
  skip: 'skip' in here && here.skip,
}, async () => {
  const { stdout, stderr } = await submit('python');
  const [, submitter] = /^DONE by (\d+)$/.exec(stdout) ?? assert.fail(stdout + stderr);
  const folder = join(scratch, 'python');
  const lines = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').trim());
  // Flink hands a bundle of elements to each of several workers.
  const sums = lines
    .join('\n')
    .split('\n')
    .map((line) => {
      const [, sum, pid] =
        /^(\d+) in (\d+) with \{"n":2,"none":null,"list":\[1\.5,null\]\}$/.exec(line) ??
        assert.fail(line);
      assert.notEqual(pid, submitter);
      return Number(sum);
    });
  assert.equal(
    sums.reduce((all, each) => all + each),
    20500,
  );
  assert.equal(readdirSync(join(scratch, 'home', 'programs')).length, 1);
});

test('what a function throws in a worker of Flink is the error of the run', {
  skip: 'skip' in here && here.skip,
}, async () => {
  const { stderr } = await submit('throws');
  assert.match(stderr, /RangeError: 100 is too many \[USER_CODE_FAILED\]/);
});
