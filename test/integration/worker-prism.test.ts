// SPDX-License-Identifier: Apache-2.0
// Workers that Prism starts, as processes of its own, for a program that submits and may then be gone.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { ownCommand, ProcessPool } from '../../src/worker/index.ts';
import { PRISM_BINARY, PRISM_SKIP, type Prism, startPrism } from '../helpers/prism.ts';
import { makeProgramPackage, PACKAGED } from '../helpers/program-package.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-prism-'));
const program = fileURLToPath(new URL('../fixtures/worker/submit.ts', import.meta.url));
let prism: Prism;

before(async () => {
  if (!PRISM_SKIP) prism = await startPrism();
});
after(async () => {
  await prism?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

/** Submits; workers have a cache of their own, so that what they run was staged. */
function submit(mode: string, more: Record<string, unknown> = {}) {
  const options = {
    jobEndpoint: prism.jobEndpoint,
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
  return execa(process.execPath, args, {
    reject: false,
    timeout: 120_000,
  });
}

/** The lines of an output, once it is there. */
async function output(mode: string): Promise<string[]> {
  for (;;) {
    try {
      const names = readdirSync(join(scratch, mode)).filter((name) => name.startsWith('out-'));
      if (names.length > 0) {
        return names.flatMap((name) =>
          readFileSync(join(scratch, mode, name), 'utf8')
            .trim()
            .split('\n'),
        );
      }
    } catch {
      // The folder comes with the output.
    }
    await delay(50);
  }
}

const LINE = /^20500 in (\d+) with \{"n":2,"none":null,"list":\[1\.5,null\]\}$/;

test('functions of a program run in a process of the runner, from the bundle that was staged', {
  skip: PRISM_SKIP,
}, async () => {
  const { stdout, stderr } = await submit('whole');
  const [, submitter] = /^DONE by (\d+)$/.exec(stdout) ?? assert.fail(stdout + stderr);
  const [line] = await output('whole');
  assert.match(line!, LINE);
  assert.notEqual(LINE.exec(line!)![1], submitter);
  assert.equal(readdirSync(join(scratch, 'home', 'programs')).length, 1);
});

test('functions of a program run from the package that was staged and installed by the worker', {
  skip: PRISM_SKIP,
}, async () => {
  const folder = join(scratch, 'program');
  mkdirSync(folder);
  const moduleUrl = makeProgramPackage(folder, { program: PACKAGED });
  const home = join(scratch, 'packaged home');
  const options = {
    jobEndpoint: prism.jobEndpoint,
    environmentType: 'PROCESS',
    environmentConfig: { env: { BEAMBRIDGE_HOME: home } },
    workerProgram: 'package',
  };
  const args = [
    fileURLToPath(moduleUrl),
    join(scratch, 'packaged', 'out'),
    JSON.stringify(options),
  ];
  const { exitCode, stderr } = await execa(process.execPath, ['--import', 'tsx', ...args], {
    reject: false,
    timeout: 120_000,
  });
  assert.equal(exitCode, 0, stderr + prism.log());
  const lines = (await output('packaged')).sort();
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    ['40', '42'],
  );
  assert.ok(lines[0]!.includes(join(home, 'programs/packages/')), lines[0]);
});

test('a job goes on when the program that submitted it is gone, and its output gets its name', {
  skip: PRISM_SKIP,
}, async () => {
  const { stdout } = await submit('leaves');
  assert.match(stdout, /^submitted by/);
  assert.match((await output('leaves'))[0]!, LINE);
  // The hidden folder of its parts goes right behind.
  while (readdirSync(join(scratch, 'leaves')).some((name) => name.startsWith('.'))) await delay(50);
});

test('what a function throws in a worker is the error of the run', {
  skip: PRISM_SKIP,
}, async () => {
  const { exitCode, stderr } = await submit('throws');
  assert.equal(exitCode, 1);
  assert.match(stderr, /RangeError: 100 is too many \[USER_CODE_FAILED\]/);
  assert.match(stderr, /in transform: map\(key\)/);
  // Nothing of the output is left, not even hidden.
  assert.deepEqual(readdirSync(join(scratch, 'throws')), []);
});

test('a worker that does not start is the error of the run, with what it said', {
  skip: PRISM_SKIP,
}, async () => {
  const command = join(scratch, 'no worker');
  writeFileSync(command, '#!/bin/sh\necho "cannot find module beambridge" >&2\nexit 3\n');
  const started = { runner: 'prism', jobEndpoint: undefined, prismBinary: PRISM_BINARY };
  const tried = async (mode: string) => {
    const more = { ...started, environmentConfig: command };
    const { exitCode, stderr } = await submit(mode, more);
    assert.equal(exitCode, 1);
    return stderr;
  };
  assert.match(await tried('unstarted'), /permission denied.* \[WORKER_START_FAILED\]/);
  chmodSync(command, 0o755);
  const said = await tried('ended');
  assert.match(said, /process failed while running: exit status 3 \[WORKER_START_FAILED\]/);
  assert.match(said, /cannot find module beambridge/);
});

test('a pool starts the workers, and which has the token of the environment', {
  skip: PRISM_SKIP,
}, async () => {
  const [file = '', ...args] = ownCommand();
  await using pool = await ProcessPool.start({
    command: [file, ...args, 'worker'],
    token: 'secret',
    env: { BEAMBRIDGE_HOME: join(scratch, 'pool') },
  });
  const environmentConfig = { url: pool.address, params: { token: 'secret' } };
  const { stdout, stderr } = await submit('pool', {
    environmentType: 'EXTERNAL',
    environmentConfig,
  });
  assert.match(stdout, /^DONE by/, stderr);
  assert.match((await output('pool'))[0]!, LINE);
});

test('Python stages run in processes of the runner, too, and go on when the program is gone', {
  skip: PRISM_SKIP,
}, async () => {
  const { stdout, stderr } = await submit('leaves python');
  assert.match(stdout, /^submitted by/, stderr);
  assert.match((await output('leaves python'))[0]!, LINE);
});

test('what Python raises in such a worker is the error of the run', {
  skip: PRISM_SKIP,
}, async () => {
  const { stderr } = await submit('python throws');
  assert.match(stderr, /ZeroDivisionError: .* \[PYTHON_EXCEPTION\]/);
});

test('Python stages run in the workers of a pool of their own', { skip: PRISM_SKIP }, async () => {
  await using pool = await command('worker-pool', '--python');
  const { stdout, stderr } = await submit('python pool', {
    pythonEnvironmentType: 'EXTERNAL',
    pythonEnvironmentConfig: pool.address,
  });
  assert.match(stdout, /^DONE by/, stderr);
  assert.match((await output('python pool'))[0]!, LINE);
});

/** A pool as the command starts it. */
async function command(...args: string[]) {
  const [file = '', ...before] = ownCommand();
  const child = execa(file, [...before, ...args], { reject: false });
  const [said] = await once(child.stdout, 'data');
  const address = /at (\S+)\n$/.exec(String(said))?.[1] ?? assert.fail(String(said));
  return {
    address,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      assert.equal((await child).exitCode, 143);
    },
  };
}
