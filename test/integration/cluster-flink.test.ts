// SPDX-License-Identifier: Apache-2.0
// A program on a cluster of Flink that it leaves alone once it has submitted, and that has the program in no
// folder: where BEAMBRIDGE_TEST_FLINK names one (scripts/flink-cluster up) and the job server's jars are here.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { flinkHere } from '../helpers/engines.ts';

const here = await flinkHere();
const [flinkMaster] = process.env.BEAMBRIDGE_TEST_FLINK?.split(',') ?? [];
const skip =
  'skip' in here
    ? here.skip
    : !flinkMaster && 'BEAMBRIDGE_TEST_FLINK names no cluster: scripts/flink-cluster starts one';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-cluster-'));
const from = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const source = (path: string) => JSON.stringify(from(path));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** One file: a closure over a variable, a package that only its own folder has, stages of two languages. */
const PROGRAM = `
import { double } from 'doubling';
import { combinePerKey, create, createRunner, pipeline, pythonCallable, pythonTransform, sum, withSchema } from ${source('src/index.ts')};
import { writeToText } from ${source('src/io/index.ts')};
import { int64 } from ${source('src/schema/index.ts')};
const [output, options] = process.argv.slice(2);
const plus = double(2);
export const score = pipeline(import.meta.url, (root) =>
  root
    .apply(create(Array.from({ length: 200 }, (_, n) => n)))
    .map((n) => n + plus)
    .apply(withSchema(int64))
    .apply(pythonTransform('apache_beam.Map', [pythonCallable('lambda x: (__import__("os").getpid(), x)[1]')], {}, { output: int64 }))
    .map((value) => ({ key: process.pid + ' ' + new URL(import.meta.url).pathname, value }))
    .apply(combinePerKey(sum))
    .map(({ key, value }) => value + ' in ' + key)
    .apply(writeToText(output)));
await createRunner(JSON.parse(options)).runAsync(score);
process.stdout.write('submitted by ' + process.pid);
process.exit(0);
`;

/** Flink's word about the job of a name. */
async function stateOf(jobName: string): Promise<string | undefined> {
  const response = await fetch(`http://${flinkMaster}/jobs/overview`);
  const { jobs } = (await response.json()) as { jobs: { name: string; state: string }[] };
  return jobs.find(({ name }) => name.startsWith(jobName))?.state;
}

/** Submits from a folder that is gone when the program is, and gives the lines of the output. */
async function runFrom(name: string, options: Record<string, unknown>) {
  const folder = join(scratch, name, 'program');
  await mkdir(join(folder, 'node_modules', 'doubling'), { recursive: true });
  await writeFile(
    join(folder, 'node_modules', 'doubling', 'index.js'),
    'exports.double = (n) => 2 * n;',
  );
  await writeFile(join(folder, 'node_modules', 'doubling', 'package.json'), '{"name":"doubling"}');
  await writeFile(join(folder, 'program.ts'), PROGRAM);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const jobName = `beambridge-test-${name}-${process.pid}`;
  const output = join(scratch, name, 'out', 'part');
  const all = {
    ...{ runner: 'flink', flinkMaster, flinkJobServer: 'jars' in here ? here.jars : '' },
    ...{ jobName, parallelism: 2, progress: false },
    ...options,
  };
  const args = ['--import', 'tsx', join(folder, 'program.ts'), output, JSON.stringify(all)];
  const { stdout, stderr } = await execa(process.execPath, args, {
    reject: false,
    timeout: 300_000,
    cwd: from('.'),
    // What is staged outlives the program, as long as nobody removes it.
    env: { TMPDIR: scratch },
  });
  const [, submitter] = /^submitted by (\d+)$/.exec(stdout) ?? assert.fail(stdout + stderr);
  rmSync(folder, { recursive: true });
  while (!['FINISHED', 'FAILED', 'CANCELED'].includes((await stateOf(jobName)) ?? ''))
    await delay(500);
  assert.equal(await stateOf(jobName), 'FINISHED');
  const names = readdirSync(join(scratch, name, 'out'));
  assert.ok(
    names.every((each) => each.startsWith('part-')),
    String(names),
  );
  const lines = names
    .map((each) => readFileSync(join(scratch, name, 'out', each), 'utf8').trim())
    .join('\n')
    .split('\n');
  return { lines, submitter };
}

/** Each line is of a worker that has the program among what it fetched; the sums are right together. */
function assertLines(
  { lines, submitter }: { lines: string[]; submitter: string | undefined },
  home: string,
) {
  const sums = lines.map((line) => {
    const [, sum, pid, path] = /^(\d+) in (\d+) (\S+)$/.exec(line) ?? assert.fail(line);
    assert.notEqual(pid, submitter);
    assert.ok(path!.startsWith(join(home, 'programs')), path);
    return Number(sum);
  });
  assert.equal(
    sums.reduce((all, each) => all + each, 0),
    200 * 4 + (199 * 200) / 2,
  );
}

describe('a program that leaves once it has submitted', { skip }, () => {
  test('its functions and its Python run in processes of the TaskManagers', async () => {
    const home = join(scratch, 'home-process');
    const result = await runFrom('process', {
      environmentType: 'PROCESS',
      environmentConfig: { env: { BEAMBRIDGE_HOME: home } },
    });
    assertLines(result, home);
  });

  test('and in those of pools', async () => {
    const home = join(scratch, 'home-pools');
    const pool = (flags: string[], env: Record<string, string>) =>
      execa(
        process.execPath,
        ['--import', 'tsx', from('src/cli/main.ts'), 'worker-pool', ...flags],
        {
          reject: false,
          env,
        },
      );
    const pools = [pool([], { BEAMBRIDGE_HOME: home }), pool(['--python'], {})];
    try {
      const [environmentConfig, pythonEnvironmentConfig] = await Promise.all(
        pools.map(async ({ stdout }) => {
          const [said] = await once(stdout, 'data');
          return /^worker pool at (\S+)\n$/.exec(String(said))?.[1] ?? assert.fail(String(said));
        }),
      );
      const result = await runFrom('pools', {
        environmentType: 'EXTERNAL',
        environmentConfig,
        pythonEnvironmentConfig,
      });
      assertLines(result, home);
    } finally {
      for (const each of pools) each.kill();
      await Promise.all(pools);
    }
  });
});
