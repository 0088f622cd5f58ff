// SPDX-License-Identifier: Apache-2.0
// Programs that travel to workers as packages of npm's: starts npm, tar and Node processes, and no network.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { BeamBridgeError } from '../../src/base/index.ts';
import { fromBinary, pb } from '../../src/proto/index.ts';
import {
  constructPipeline,
  type PipelineDefinition,
  type PipelineOptions,
} from '../../src/runners/index.ts';
import { optionsToStruct } from '../../src/runners/options.ts';
import { prepareElsewhere } from '../../src/runners/portable/elsewhere.ts';
import { PROGRAM_OPTION, programOf, programToText } from '../../src/worker/contract.ts';
import { FakeRunner, type FakeRunnerOptions } from '../helpers/fake-runner.ts';
import { makeProgramPackage, type ProgramPackageOptions } from '../helpers/program-package.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-package-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const OPTIONS: PipelineOptions = {
  environmentType: 'PROCESS',
  environmentConfig: '/bin/true',
  workerProgram: 'package',
};

let count = 0;

/** A package made by a test. */
function made(options?: ProgramPackageOptions): { folder: string; moduleUrl: string } {
  const folder = join(scratch, `p${count++}`);
  mkdirSync(folder);
  return { folder, moduleUrl: makeProgramPackage(folder, options) };
}

async function submit(moduleUrl: string): Promise<FakeRunnerOptions> {
  const { score } = (await import(moduleUrl)) as { score: PipelineDefinition };
  const graph = await constructPipeline(score, OPTIONS);
  const { environment, options } = await prepareElsewhere(graph, OPTIONS, score);
  const [artifact] = environment.dependencies as [pb.ArtifactInformation];
  assert.equal(artifact.roleUrn, 'beam:artifact:type:npm:v1');
  const { path } = fromBinary(pb.ArtifactFilePayloadSchema, artifact.typePayload);
  return {
    options: optionsToStruct(options),
    dependencies: [artifact],
    artifact: readFileSync(path),
  };
}

/** Starts a worker; `home` is its cache. */
function start(runner: { address: string }, home: string, env: Record<string, string> = {}) {
  const args = [
    '--import',
    'tsx',
    main,
    'worker',
    '--id=w',
    `--provision_endpoint=${runner.address}`,
  ];
  return execa(process.execPath, args, {
    reject: false,
    env: { BEAMBRIDGE_HOME: join(scratch, home), ...env },
  });
}

/** What a worker says that refuses its work. */
async function refusal(behaviour: FakeRunnerOptions, env: Record<string, string> = {}) {
  await using runner = await FakeRunner.start(behaviour);
  const worker = start(runner, `refusing${count++}`, env);
  await runner.worker('w');
  runner.hangUp();
  const { exitCode, stderr } = await worker;
  assert.equal(exitCode, 1, stderr);
  assert.ok(stderr.includes(runner.logs[0]!), stderr);
  return stderr;
}

const locked = made();
const submitted = await submit(locked.moduleUrl);

test('a package is fetched, installed with its lock file once, and served by all workers of a machine', async () => {
  await using runner = await FakeRunner.start(submitted);
  const workers = [start(runner, 'home'), start(runner, 'home')];
  await runner.worker('w');
  while (runner.seen.filter((each) => each === 'control w').length < 2) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  runner.hangUp();
  workers[0]!.kill();
  workers[1]!.kill();
  await Promise.all(workers);
  const packages = join(scratch, 'home/programs/packages');
  const [folder = '', ...others] = readdirSync(packages);
  assert.deepEqual(others, []);
  const installed = readdirSync(join(packages, folder, 'node_modules'));
  assert.deepEqual(installed.filter((name) => !name.startsWith('.')).sort(), [
    'beambridge',
    'tiny',
  ]);
  assert.deepEqual(
    readFileSync(join(packages, folder, 'npm-shrinkwrap.json'), 'utf8'),
    readFileSync(join(locked.folder, 'package-lock.json'), 'utf8'),
  );
});

test('what is installed on a machine is not fetched again', async () => {
  await using runner = await FakeRunner.start(submitted);
  const worker = start(runner, 'home');
  await runner.worker('w');
  assert.deepEqual(runner.fetched, []);
  runner.hangUp();
  const { exitCode, stderr } = await worker;
  assert.deepEqual([exitCode, stderr], [0, '']);
});

test('equal content is one tarball', async () => {
  assert.deepEqual((await submit(locked.moduleUrl)).artifact, submitted.artifact);
});

test('without a lock file npm takes what it finds, and both sides say so', async () => {
  const { moduleUrl } = made({ isLocked: false });
  const unlocked = await submit(moduleUrl);
  await using runner = await FakeRunner.start(unlocked);
  const worker = start(runner, 'unlocked');
  await runner.worker('w');
  runner.hangUp();
  const { exitCode, stderr } = await worker;
  assert.equal(exitCode, 0, stderr);
  assert.match(stderr, /scores-[0-9a-f]+\.tgz has no lock file: its packages are what npm finds/);
});

test('a machine without npm is told, and one that cannot install has the last lines of npm', async () => {
  const tools = join(scratch, 'tools');
  mkdirSync(tools);
  const stand = (text: string) => {
    const path = join(tools, 'npm');
    writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  };
  const env = { BEAMBRIDGE_NPM: join(tools, 'npm') };
  assert.match(await refusal(submitted, env), /there is no npm .* \[PROGRAM_NOT_INSTALLED\]/);
  stand('echo "npm error code EINTEGRITY" >&2; echo "npm error tiny is another" >&2; exit 1');
  assert.match(
    await refusal(submitted, env),
    /npm cannot install .* \[PROGRAM_NOT_INSTALLED\][\s\S]*npm error tiny is another/,
  );
  stand('echo "npm error code ENOTFOUND" >&2; exit 1');
  assert.match(await refusal(submitted, env), /registry of npm cannot be reached/);
});

test('a package that is not the one of the lock file, and a registry that is away, are told', async () => {
  const { folder, moduleUrl } = made();
  const changed = async (
    name: string,
    change: (json: Record<string, Record<string, unknown>>) => void,
  ) => {
    const path = join(folder, name);
    const json = JSON.parse(readFileSync(path, 'utf8'));
    change(json);
    writeFileSync(path, JSON.stringify(json));
    return submit(moduleUrl);
  };
  const other = await changed('package-lock.json', ({ packages }) => {
    const tiny = packages!['node_modules/tiny'] as { integrity: string };
    tiny.integrity = `sha512-${Buffer.alloc(64).toString('base64')}`;
  });
  assert.match(
    await refusal(other),
    /npm cannot install .* \[PROGRAM_NOT_INSTALLED\][\s\S]*EINTEGRITY/,
  );
  const absent = await changed('package.json', ({ dependencies }) => {
    Object.assign(dependencies!, { 'beambridge-is-not-there': '1.0.0' });
  });
  const env = { npm_config_registry: 'http://127.0.0.1:1/', npm_config_fetch_retries: '0' };
  assert.match(
    await refusal(absent, env),
    /registry of npm cannot be reached .* \[PROGRAM_NOT_INSTALLED\]/,
  );
});

test('a program with another version of this package is refused, with what pins it', async () => {
  const program = programOf(submitted.options as Record<string, unknown>);
  const options = optionsToStruct({
    [PROGRAM_OPTION]: programToText({ ...program, version: '0.0.9' }),
  });
  assert.match(
    await refusal({ ...submitted, options }),
    /submitted with beambridge 0\.0\.9, and test-scores-.* \[WORKER_MISMATCH\]\n.*--save-exact beambridge@0\.0\.9/,
  );
});

test('a damaged tarball is not unpacked', async () => {
  const artifact = Buffer.from(submitted.artifact!);
  artifact[200]! ^= 1;
  assert.match(await refusal({ ...submitted, artifact }), /\[ARTIFACT_DAMAGED\]/);
});

test('what would not be whole where workers are is refused before it is submitted', async () => {
  const refused = async (options: ProgramPackageOptions, code: string, says: RegExp) => {
    const { moduleUrl } = made(options);
    await assert.rejects(submit(moduleUrl), (error: BeamBridgeError) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, says);
      return true;
    });
  };
  await refused(
    { manifest: { files: ['vendor/*.tgz'] } },
    'PROGRAM_NOT_PACKED',
    /src\/program\.mjs is not among the \d+ files that npm packs/,
  );
  await refused(
    { manifest: { files: ['src'] } },
    'PROGRAM_NOT_PACKED',
    /depends on beambridge by "file:vendor.*, which workers do not have/,
  );
  const vendor = 'file:vendor/beambridge-0.1.0.tgz';
  await refused(
    {
      manifest: {
        dependencies: { tiny: 'file:vendor/tiny-1.0.0.tgz' },
        devDependencies: { beambridge: vendor },
      },
    },
    'PROGRAM_NOT_PACKED',
    /does not name beambridge in its dependencies[\s\S]*Move it there from devDependencies/,
  );
  await refused(
    { version: '0.0.9' },
    'WORKER_MISMATCH',
    /package-lock\.json has beambridge 0\.0\.9, which workers would install/,
  );
});
