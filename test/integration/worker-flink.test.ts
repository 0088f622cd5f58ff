// SPDX-License-Identifier: Apache-2.0
// Workers that Flink starts, as processes of its own, where its jars are on this machine.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { ensurePythonEnvironment, pythonBoot } from '../../src/services/index.ts';
import { makeLauncher, ownCommand } from '../../src/worker/index.ts';
import { flinkHere } from '../helpers/engines.ts';
import { makeProgramPackage, PACKAGED } from '../helpers/program-package.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-flink-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const program = fileURLToPath(new URL('../fixtures/worker/submit.ts', import.meta.url));
const here = await flinkHere();

/** Submits; workers have a cache of their own, so that what they run was staged. */
function submit(mode: string, more: object = {}, env: Record<string, string> = {}) {
  const options = {
    runner: 'flink',
    flinkMaster: '[local]',
    flinkJobServer: 'jars' in here ? here.jars : '',
    environmentType: 'PROCESS',
    environmentConfig: { env: { BEAMBRIDGE_HOME: join(scratch, 'home') } },
    given: { n: 2, none: null, list: [1.5, null] },
    ...more,
  };
  const args = [
    '--import',
    'tsx',
    program,
    mode,
    join(scratch, mode, 'out'),
    JSON.stringify(options),
  ];
  return execa(process.execPath, args, { reject: false, timeout: 300_000, env });
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

test('functions run from the package that was staged, and installed by the workers', {
  skip: 'skip' in here && here.skip,
}, async () => {
  const folder = join(scratch, 'program');
  mkdirSync(folder);
  const module = fileURLToPath(makeProgramPackage(folder, { program: PACKAGED }));
  const home = join(scratch, 'packaged home');
  const options = {
    runner: 'flink',
    flinkJobServer: 'jars' in here ? here.jars : '',
    environmentType: 'PROCESS',
    environmentConfig: { env: { BEAMBRIDGE_HOME: home } },
    workerProgram: 'package',
  };
  const args = [module, join(scratch, 'packaged', 'out'), JSON.stringify(options)];
  const { exitCode, stderr } = await execa(process.execPath, ['--import', 'tsx', ...args], {
    reject: false,
    timeout: 300_000,
  });
  assert.equal(exitCode, 0, stderr);
  const lines = readdirSync(join(scratch, 'packaged')).map((name) =>
    readFileSync(join(scratch, 'packaged', name), 'utf8'),
  );
  assert.match(lines.join(''), /^4[02] from .*packaged home\/programs\/packages\//);
});

test('a container for each language, as Flink starts it, runs its stages', {
  skip: 'skip' in here && here.skip,
}, async () => {
  const home = { BEAMBRIDGE_HOME: join(scratch, 'containers') };
  const { python } = await ensurePythonEnvironment({});
  const boot = pythonBoot(python);
  const log = join(scratch, 'docker.log');
  const docker = fileURLToPath(new URL('../fixtures/worker/', import.meta.url));
  const { stdout, stderr } = await submit(
    'python containers',
    {
      environmentType: 'DOCKER',
      environmentConfig: 'registry.example/typescript:1',
      pythonEnvironmentType: 'DOCKER',
      pythonEnvironmentConfig: 'registry.example/python:1',
    },
    {
      PATH: `${docker}:${process.env.PATH}`,
      DOCKER_LOG: log,
      IMAGE_typescript: await makeLauncher([...ownCommand(), 'worker'], home),
      IMAGE_python: await makeLauncher(boot.command, boot.env),
    },
  );
  assert.match(stdout, /^DONE/, stderr);
  const calls = readFileSync(log, 'utf8');
  for (const image of ['typescript', 'python']) {
    assert.match(
      calls,
      new RegExp(`^run .* registry\\.example/${image}:1 --id=\\S+ --provision_endpoint=`, 'm'),
    );
  }
});
