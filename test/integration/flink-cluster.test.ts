// SPDX-License-Identifier: Apache-2.0
// scripts/flink-cluster with a Java that is a script here: what does not start is told, and leaves nothing.
// The real one is what scripts/test-engines starts. Starts shells.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Told } from '../../scripts/engines/detached.ts';
import { FlinkCluster } from '../../scripts/engines/flink-cluster.ts';
import { gone, isAlive, processes } from '../helpers/alive.ts';

const SIZE = { taskManagers: 2, slots: 3 };
const REGISTERED = 'echo Successful registration at resource manager; exec sleep 300';
const told = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Told, String(error));
  assert.match(error.message, message);
  return true;
};

describe('a Flink cluster of processes', () => {
  const { JAVA_HOME } = process.env;
  let scratch: string;
  let folder: string;
  let jobManager: string;
  const rest = createServer((_, response) =>
    response.end('{"taskmanagers":2,"slots-total":6,"flink-version":"1.19.3"}'),
  );

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'beambridge-cluster-'));
    await mkdir(join(scratch, 'bin'));
    process.env.JAVA_HOME = scratch;
    await new Promise<void>((resolve) => rest.listen(0, '127.0.0.1', resolve));
    const { port } = rest.address() as AddressInfo;
    jobManager = `echo Actor system started at pekko.tcp://flink@127.0.0.1:1234; echo Rest endpoint listening at 127.0.0.1:${port}; exec sleep 300`;
  });
  beforeEach(async () => {
    folder = join(await mkdtemp(join(scratch, 'run-')), 'cluster');
  });
  after(async () => {
    if (JAVA_HOME === undefined) delete process.env.JAVA_HOME;
    else process.env.JAVA_HOME = JAVA_HOME;
    rest.close();
    await rm(scratch, { recursive: true });
  });

  /** A cluster whose Java does as these say. */
  async function cluster(job: string, task: string, startMs?: number): Promise<FlinkCluster> {
    const file = join(scratch, 'bin', 'java');
    const text = `#!/bin/sh
case "$*" in
  -version) echo 'openjdk version "17.0.1"' >&2 ;;
  *GET_*) echo BASH_JAVA_UTILS_EXEC_RESULT:-Xmx1m; echo BASH_JAVA_UTILS_EXEC_RESULT:-D a=b ;;
  *StandaloneSession*) ${job} ;;
  *TaskManagerRunner*) echo "$@"; ${task} ;;
esac
`;
    await writeFile(file, text);
    await chmod(file, 0o755);
    return new FlinkCluster(folder, async () => join(scratch, 'flink'), startMs);
  }

  /** Nothing of the folder is left: no process that inherited its mark, no file. */
  function assertGone(): void {
    assert.equal(existsSync(folder), false);
    const left = processes().filter(({ environment }) => environment.includes(folder));
    assert.deepEqual(left, []);
  }

  test('is up when all slots are there, is up already, and goes with all that it started', async () => {
    // A worker that a TaskManager started is no child of ours.
    const one = await cluster(
      jobManager,
      `(sleep 301 & echo $! > "$TMPDIR/worker"); ${REGISTERED}`,
    );
    assert.equal(await one.status(), undefined);
    const { up, wasUp } = await one.up(SIZE);
    assert.equal(wasUp, false);
    assert.equal(up.address, `127.0.0.1:${(rest.address() as AddressInfo).port}`);
    assert.deepEqual([up.version, up.taskManagers, up.slots], ['1.19.3', 2, 3]);
    const log = await readFile(join(folder, 'logs', 'taskmanager-2.log'), 'utf8');
    assert.match(log, /-Xmx1m .*-D a=b -D jobmanager\.rpc\.port=1234/);
    assert.match(await readFile(join(folder, 'config.yaml'), 'utf8'), /parallelism\.default: 6/);

    assert.deepEqual(await one.up({ taskManagers: 1, slots: 1 }), { up, wasUp: true });
    assert.deepEqual(await one.status(), up);
    const worker = Number(await readFile(join(folder, 'tmp', 'worker'), 'utf8'));
    assert.ok(isAlive(worker));
    assert.equal(await one.down(), true);
    await gone(worker);
    assertGone();
    assert.equal(await one.down(), false);
    assertGone();
  });

  test('a process that ends while it is started is told with its last lines', async () => {
    const one = await cluster('echo Could not bind; exit 1', REGISTERED);
    await assert.rejects(
      one.up(SIZE),
      told(/jobmanager ended while it was started.*\nCould not bind/),
    );
    assertGone();
    const two = await cluster(jobManager, 'echo OutOfMemoryError; exit 3');
    await assert.rejects(two.up(SIZE), told(/taskmanager-1 ended[\s\S]*\nOutOfMemoryError/));
    assertGone();
  });

  test('a start that hangs ends, and is told with its last lines', async () => {
    const one = await cluster(jobManager, 'echo Could not resolve; exec sleep 300', 6000);
    await assert.rejects(one.up(SIZE), told(/taskmanager-1 was not ready after 6 s[\s\S]*resolve/));
    assertGone();
  });

  test('a cluster that is being started is not started again; what a crash left is cleared', async () => {
    const one = await cluster('exec sleep 300', REGISTERED, 3000);
    // Either may come first.
    const both = await Promise.allSettled([one.up(SIZE), one.up(SIZE)]);
    const reasons = both.map((each) => {
      assert.ok(each.status === 'rejected' && each.reason instanceof Told);
      return each.reason.message;
    });
    assert.deepEqual(
      reasons.map((reason) => /being started already/.test(reason)).sort(),
      [false, true],
      reasons.join(),
    );
    const two = await cluster(jobManager, REGISTERED);
    await two.up(SIZE);
    const killed = processes().filter(
      ({ command, environment }) => environment.includes(folder) && command.includes('sleep'),
    );
    for (const { pid } of killed) process.kill(pid, 'SIGKILL');
    await Promise.all(killed.map(({ pid }) => gone(pid)));
    assert.equal(await two.status(), undefined);
    const { wasUp } = await two.up(SIZE);
    assert.equal(wasUp, false);
    await two.down();
    assertGone();
  });
});
