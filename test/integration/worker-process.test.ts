// SPDX-License-Identifier: Apache-2.0
// `beambridge worker` as a runner starts it, against the services of a fake runner: starts Node processes.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { fromBinary, pb } from '../../src/proto/index.ts';
import { constructPipeline, type PipelineOptions } from '../../src/runners/index.ts';
import { optionsToStruct } from '../../src/runners/options.ts';
import { prepareElsewhere } from '../../src/runners/portable/elsewhere.ts';
import { PROGRAM_OPTION, programOf, programToText } from '../../src/worker/contract.ts';
import { late, score } from '../fixtures/worker/program.ts';
import { gone } from '../helpers/alive.ts';
import { FakeRunner, type FakeRunnerOptions } from '../helpers/fake-runner.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-worker-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** What workers are told. */
const TOLD = { environmentType: 'PROCESS', given: 2.0, none: null };
const OPTIONS = { ...TOLD, environmentConfig: '/bin/true' };

let submitted: FakeRunnerOptions & { text: string };
let asModule: FakeRunnerOptions;

async function submission(options: PipelineOptions, source = score): Promise<typeof submitted> {
  const graph = await constructPipeline(source, options);
  const told = await prepareElsewhere(graph, options, source);
  const [artifact] = told.environment.dependencies as pb.ArtifactInformation[];
  return {
    options: optionsToStruct(told.options),
    text: String(told.options[PROGRAM_OPTION]),
    dependencies: artifact ? [artifact] : [],
    ...(artifact && {
      artifact: readFileSync(fromBinary(pb.ArtifactFilePayloadSchema, artifact.typePayload).path),
    }),
  };
}

before(async () => {
  submitted = await submission(OPTIONS);
  asModule = await submission({ ...OPTIONS, workerProgram: 'module' });
});

let home = 0;

/** Starts a worker with a cache of its own. */
function start(runner: { address: string }, env: Record<string, string> = {}, ...flags: string[]) {
  return execa(
    process.execPath,
    [
      '--import',
      'tsx',
      main,
      'worker',
      '--id=w1',
      `--provision_endpoint=${runner.address}`,
      ...flags,
    ],
    { reject: false, env: { BEAMBRIDGE_HOME: join(scratch, `home${home++}`), ...env } },
  );
}

/** The worker's status and what it said once it is gone. */
async function end(worker: PromiseLike<{ exitCode?: number | undefined; stderr?: unknown }>) {
  const { exitCode, stderr } = await worker;
  return { exitCode, stderr: String(stderr) };
}

test('a worker fetches its program, serves each of its ids, and ends with status 0 when the runner hangs up', async () => {
  await using runner = await FakeRunner.start({ ...submitted, siblings: ['w2', 'w1'] });
  const worker = start(runner, { WORKER_TEST: 'options' }, "--id='w1'", '--unknown=1');
  await Promise.all([runner.worker('w1'), runner.worker('w2')]);
  runner.hangUp();
  const { exitCode, stderr } = await end(worker);
  assert.equal(exitCode, 0, stderr);
  assert.equal(runner.fetched.length, 1);
  assert.match(runner.fetched[0]!, /^program-[0-9a-f]{16}\.mjs$/);
  // The options are those of the submitting program, whatever runners make of numbers and nulls.
  assert.ok(stderr.includes(`options ${JSON.stringify(TOLD)}`), stderr);
  assert.deepEqual(
    new Set(runner.seen),
    new Set(['provision w1', 'artifacts w1', 'control w1', 'control w2']),
  );
});

test('a program that runs its pipeline when it is loaded serves, and runs nothing', async () => {
  await using runner = await FakeRunner.start(submitted);
  const worker = start(runner, { WORKER_TEST_ENDPOINT: 'localhost:1' });
  await runner.worker('w1');
  runner.hangUp();
  const { exitCode, stderr } = await end(worker);
  assert.deepEqual([exitCode, stderr], [0, '']);
});

test('a program whose machine has it is loaded from where it lies', async () => {
  await using runner = await FakeRunner.start(asModule);
  const worker = start(runner);
  await runner.worker('w1');
  runner.hangUp();
  assert.deepEqual(await end(worker), { exitCode: 0, stderr: '' });
  assert.deepEqual(runner.fetched, []);
});

test('older runners hand out what they staged for a token', async () => {
  const { name } = programOf(submitted.options as Record<string, unknown>).bundle!;
  await using runner = await FakeRunner.start({
    ...submitted,
    dependencies: [],
    retrievalToken: 'token',
  });
  runner.legacyName = name;
  const worker = start(runner);
  await runner.worker('w1');
  runner.hangUp();
  assert.equal((await end(worker)).exitCode, 0);
  assert.deepEqual(runner.fetched, [`legacy ${name}`]);
});

/** Each worker that refuses its work says why: to the runner's log, on standard error, and to each bundle. */
async function refusal(behaviour: FakeRunnerOptions, env: Record<string, string> = {}) {
  await using runner = await FakeRunner.start(behaviour);
  const worker = start(runner, env);
  const { error } = await runner.runBundle('w1', descriptorOf());
  runner.hangUp();
  const { exitCode, stderr } = await end(worker);
  assert.equal(exitCode, 1, stderr);
  assert.equal(runner.logs.length, 1);
  assert.ok(stderr.includes(runner.logs[0]!), stderr);
  assert.ok(error.includes(runner.logs[0]!), error);
  return error;
}

/** A stage of one function. */
function descriptorOf(): pb.Components {
  return componentsOf;
}
let componentsOf: pb.Components;
before(async () => {
  const { pipelineToProto } = await import('../../src/pipeline/index.ts');
  componentsOf = pipelineToProto(await constructPipeline(score, {}), {}).components!;
  for (const [id, transform] of Object.entries(componentsOf.transforms)) {
    if (transform.uniqueName !== 'map(plus)') delete componentsOf.transforms[id];
  }
});

test('a program that constructs another pipeline is refused, with the first transform that differs', async () => {
  const error = await refusal(submitted, { WORKER_TEST: 'other name' });
  assert.match(
    error,
    /map\(more\) was applied where map\(plus\) was submitted \[WORKER_MISMATCH\]/,
  );
  assert.match(error, /in transform: map\(more\)/);
});

test('a damaged artifact is not run', async () => {
  const artifact = Buffer.concat([
    Buffer.from("process.stderr.write('ran');\n"),
    submitted.artifact!,
  ]);
  const damaged = artifact.subarray(0, submitted.artifact!.length);
  const error = await refusal({ ...submitted, artifact: damaged });
  assert.match(error, /\[ARTIFACT_DAMAGED\]/);
  assert.doesNotMatch(error, /ran/);
});

test('a program that was not staged is told', async () => {
  assert.match(await refusal({ ...submitted, dependencies: [] }), /\[WORKER_START_FAILED\]/);
});

test('a module without the export, and a version that is another, are refused', async () => {
  const program = programOf(submitted.options as Record<string, unknown>);
  const changed = (change: object) => ({
    ...submitted,
    options: optionsToStruct({ [PROGRAM_OPTION]: programToText({ ...program, ...change }) }),
  });
  assert.match(
    await refusal(changed({ exportName: 'sorce' })),
    /exports no pipeline sorce in this worker \[WORKER_MISMATCH\]\n {2}hint: It exports late, score\./,
  );
  assert.match(
    await refusal(changed({ version: '0.0.1' })),
    /submitted with beambridge 0\.0\.1, and program-.* \[WORKER_MISMATCH\]/,
  );
});

test('a pipeline that is exported behind a run that the program awaits is refused', async () => {
  const behind = await submission(OPTIONS, late);
  const error = await refusal(behind, { WORKER_TEST_ENDPOINT: 'localhost:1' });
  assert.match(error, /exports late behind a run that it awaits.* \[WORKER_MISMATCH\]/);
});

test('what the program throws when it is loaded is told', async () => {
  const error = await refusal(submitted, { WORKER_TEST: 'throws' });
  assert.match(error, /could not be loaded \[USER_CODE_FAILED\]/);
  assert.match(error, /TypeError: no such variable/);
});

test('a program that ends the process when it is loaded is told', async () => {
  await using runner = await FakeRunner.start(submitted);
  const TMPDIR = mkdtempSync(join(scratch, 'tmp-'));
  const { exitCode, stderr } = await end(start(runner, { WORKER_TEST: 'exits', TMPDIR }));
  assert.equal(exitCode, 4);
  assert.match(stderr, /ended the worker with status 4 while it was loaded/);
  // But for what tsx, which runs the sources, keeps there.
  assert.deepEqual(
    readdirSync(TMPDIR).filter((name) => !name.startsWith('tsx-')),
    [],
  );
});

test('a runner that names no program is told', async () => {
  assert.match(await refusal({}), /told this worker of no program.* \[WORKER_START_FAILED\]/);
});

test('a provision service that does not answer, and one that is not there, end the worker in time', async () => {
  await using runner = await FakeRunner.start({ answers: false });
  const silent = end(start(runner, {}, '--start-timeout=0.5'));
  const nowhere = end(start({ address: '127.0.0.1:1' }, {}, '--start-timeout=0.5'));
  for (const { exitCode, stderr } of [await silent, await nowhere]) {
    assert.equal(exitCode, 1);
    assert.match(stderr, /did not answer within 0\.5 s \[WORKER_START_FAILED\]/);
  }
});

test('SIGTERM ends a worker that serves, with the status of that', async () => {
  await using runner = await FakeRunner.start(submitted);
  const worker = start(runner);
  await runner.worker('w1');
  worker.kill('SIGTERM');
  assert.equal((await end(worker)).exitCode, 143);
});

test('a worker whose event loop never comes to rest does not outlive the process that started it', async () => {
  await using runner = await FakeRunner.start(submitted);
  const command = `'${process.execPath}' --import tsx '${main}' worker --id=w1 --provision_endpoint=${runner.address} & echo $!; wait`;
  const parent = execa('/bin/sh', ['-c', command], {
    reject: false,
    env: { BEAMBRIDGE_HOME: join(scratch, 'blocked'), WORKER_TEST: 'blocked' },
  });
  const pid = Number(
    await new Promise<string>((resolve) =>
      parent.stdout.once('data', (data) => resolve(String(data))),
    ),
  );
  while (runner.fetched.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  parent.kill('SIGKILL');
  await gone(pid);
});
