// SPDX-License-Identifier: Apache-2.0
// Images of workers without docker: what their texts name as the entry point is started as a runner's
// DOCKER environment does, with the variables of the image alone and, where the kernel lets us, as PID 1.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { packagePath } from '../../src/base/index.ts';
import { fromBinary, pb } from '../../src/proto/index.ts';
import { constructPipeline } from '../../src/runners/index.ts';
import { optionsToStruct } from '../../src/runners/options.ts';
import { prepareElsewhere } from '../../src/runners/portable/elsewhere.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { score } from '../fixtures/worker/program.ts';
import { FakeRunner, type FakeRunnerOptions } from '../helpers/fake-runner.ts';

const root = packagePath('.');
mkdirSync(join(root, '.cache'), { recursive: true });
// Below the repository, so that the packages that it needs are found.
const scratch = mkdtempSync(join(root, '.cache/image-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const AS_INIT = ['--user', '--map-root-user', '--pid', '--kill-child', '--mount-proc'];
const noInit =
  spawnSync('unshare', [...AS_INIT, 'true']).status === 0
    ? false
    : 'processes cannot have namespaces of their own here';

/** An image's entry point, with its paths as they are here. */
interface Image {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/** What `beambridge worker image` prints, as docker reads it. */
function imageOf(paths: Readonly<Record<string, string>>, ...flags: string[]): Image {
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const args = ['--import', 'tsx', main, 'worker', 'image', '--print', ...flags];
  const text = execFileSync(process.execPath, args, { encoding: 'utf8' });
  const here = (path: string) =>
    Object.entries(paths).reduce((all, [there, own]) => all.replaceAll(there, own), path);
  const [, entry] = /^ENTRYPOINT (.*)$/m.exec(text)!;
  const [, variables] = /^ENV ((?:.*\\\n)*.*)$/m.exec(text)!;
  const [file, ...rest] = (JSON.parse(entry!) as string[]).map(here);
  return {
    command: [file!, ...rest],
    env: Object.fromEntries(
      [...variables!.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, here(value!)]),
    ),
  };
}

/** Starts it with the flags that Beam's DOCKER environments pass. */
function start({ command, env }: Image, { address }: FakeRunner, isInit = false) {
  const [file, ...args] = isInit ? ['unshare', ...AS_INIT, ...command] : command;
  const flags = ['logging', 'artifact', 'provision', 'control'].map(
    (name) => `--${name}_endpoint=${address}`,
  );
  return execa(file!, [...args, '--id=1', ...flags], {
    reject: false,
    extendEnv: false,
    env: { PATH: process.env.PATH ?? '', ...env, DOCKER_MAC_CONTAINER: '' },
  });
}

/** As `docker stop`: SIGTERM to the one process, by its number outside; all is killed after 10 s. */
async function stop(container: ReturnType<typeof start>): Promise<number | undefined> {
  const { pid } = container;
  const grace = setTimeout(() => container.kill('SIGKILL'), 10_000);
  for (;;) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (children !== '') {
      process.kill(Number(children.split(' ')[0]), 'SIGTERM');
      break;
    }
    await delay(20);
  }
  const { exitCode } = await container;
  clearTimeout(grace);
  return exitCode;
}

let typescript: Image;
let python: Image;
let submitted: FakeRunnerOptions;

before(async () => {
  const installed = join(scratch, 'node_modules/beambridge');
  for (const name of ['package.json', 'proto', 'python-env/requirements']) {
    cpSync(join(root, name), join(installed, name), { recursive: true });
  }
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), join(installed, 'dist')]);
  mkdirSync(join(scratch, 'node_modules/.bin'));
  const bin = join(scratch, 'node_modules/.bin/beambridge-worker');
  symlinkSync('../beambridge/dist/cli/worker-main.js', bin);
  execFileSync('chmod', ['+x', join(installed, 'dist/cli/worker-main.js')]);
  writeFileSync(join(scratch, 'package.json'), '{ "name": "image" }');
  mkdirSync(join(scratch, 'home'));
  const paths = { '/var/cache/beambridge': join(scratch, 'home') };
  typescript = imageOf({ ...paths, '/opt/beambridge': scratch });
  const environment = await ensurePythonEnvironment({});
  python = imageOf(
    {
      ...paths,
      '/opt/beambridge/venv/bin/python': environment.python,
      '/opt/beambridge/python-env': join(root, 'python-env'),
    },
    '--language=python',
  );
  const options = { environmentType: 'DOCKER', environmentConfig: 'registry.example/worker:1' };
  const told = await prepareElsewhere(await constructPipeline(score, options), options, score);
  const [artifact] = told.environment.dependencies as [pb.ArtifactInformation];
  const { path } = fromBinary(pb.ArtifactFilePayloadSchema, artifact.typePayload);
  submitted = {
    options: optionsToStruct(told.options),
    dependencies: [artifact],
    artifact: readFileSync(path),
  };
});

for (const language of ['typescript', 'python'] as const) {
  const image = () => (language === 'typescript' ? typescript : python);
  const behaviour = () => (language === 'typescript' ? submitted : {});

  test(`a container of ${language} serves its ids, and ends with status 0 when the runner hangs up`, async () => {
    await using runner = await FakeRunner.start({ ...behaviour(), siblings: ['1', '2'] });
    const container = start(image(), runner);
    await Promise.all([runner.worker('1'), runner.worker('2')]);
    runner.hangUp();
    const { exitCode, stderr } = await container;
    assert.equal(exitCode, 0, String(stderr));
  });

  test(`a container of ${language} that is stopped ends, as PID 1, with the status of SIGTERM`, {
    skip: noInit,
  }, async () => {
    await using runner = await FakeRunner.start({ ...behaviour(), siblings: ['2'] });
    const container = start(image(), runner, true);
    await Promise.all([runner.worker('1'), runner.worker('2')]);
    assert.equal(await stop(container), 143);
  });

  test(`a container of ${language} whose runner does not answer is stopped likewise`, {
    skip: noInit,
  }, async () => {
    await using runner = await FakeRunner.start({ answers: false });
    const container = start(image(), runner, true);
    while (!runner.seen.includes('provision 1')) await delay(20);
    assert.equal(await stop(container), 143);
  });
}
