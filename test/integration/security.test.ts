// SPDX-License-Identifier: Apache-2.0
// What another user of this machine finds of a run (docs/security.md): all ports that its processes
// listen on, each called without its secret, and the modes of all that lies in the temporary folder.
// Runs a program that sleeps in Python, on both runners.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  createClient,
  ExpansionService,
  fn,
  jobs,
  type ServiceError,
} from '../../src/proto/index.ts';
import { processes } from '../helpers/alive.ts';

const program = fileURLToPath(new URL('../fixtures/programs/run-sleep.ts', import.meta.url));
const LARGE = 'x'.repeat(32 << 20);

/** Address and port of every socket of these processes that listens for TCP. */
function listening(pids: readonly number[]): { address: string; port: number }[] {
  const inodes = new Set(
    pids.flatMap((pid) => {
      try {
        const folder = `/proc/${pid}/fd`;
        return readdirSync(folder).map((name) => readlinkSync(path.join(folder, name)));
      } catch {
        return []; // It has ended, or closed one meanwhile.
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && inodes.has(`socket:[${fields[9]}]`))
      .map((fields) => {
        const [address = '', port = ''] = fields[1]!.split(':');
        return { address, port: Number.parseInt(port, 16) };
      }),
  );
}

/** How a call ends that shows no secret: the status code, or what the answer says is wrong. */
async function outcome(call: Promise<object>): Promise<number | string> {
  try {
    return (((await call) as { error?: string }).error ?? '') || 'served';
  } catch (error) {
    return (error as ServiceError).code;
  }
}

/** Every kind of call of a port; each must be refused in one of the ways that a stranger is. */
async function tryAll(address: string): Promise<void> {
  const expansion = createClient(ExpansionService, address);
  const pool = createClient(fn.BeamFnExternalWorkerPool, address);
  const control = createClient(fn.BeamFnControl, address);
  const job = createClient(jobs.JobService, address);
  const timeoutMs = 20_000;
  const descriptor = { processBundleDescriptorId: LARGE };
  const order = { workerId: 'w', controlEndpoint: { url: '127.0.0.1:1' } };
  const outcomes = await Promise.all([
    outcome(expansion.expand({ namespace: LARGE }, { timeoutMs })),
    outcome(control.getProcessBundleDescriptor(descriptor, { timeoutMs })),
    outcome(job.getJobs({}, { timeoutMs })),
    outcome(pool.startWorker({ ...order, params: { token: 'guessed' } }, { timeoutMs })),
    outcome(pool.startWorker({ ...order, params: { token: LARGE } }, { timeoutMs })),
  ]);
  for (const client of [expansion, pool, control, job]) client.close();
  // RESOURCE_EXHAUSTED (too large), UNIMPLEMENTED (not here) or UNAUTHENTICATED, or the pool's own words.
  for (const each of outcomes) {
    assert.ok(
      [8, 12, 16].includes(each as number) || /demands/.test(String(each)),
      `${address} answered a stranger with ${each}`,
    );
  }
}

for (const runner of ['node', 'direct']) {
  test(`on ${runner}, no port and no file of a run lets a stranger in`, async (t) => {
    const scratch = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
    t.after(() => rm(scratch, { recursive: true, force: true }));
    const child = spawn(process.execPath, ['--import', 'tsx', program, '120', '0', runner], {
      stdio: 'ignore',
      env: { ...process.env, TMPDIR: scratch },
    });
    t.after(() => child.kill('SIGKILL'));
    const own = () => processes().filter(({ environment }) => environment.includes(scratch));
    const ports = () => listening(own().map(({ pid }) => pid));
    // The host's two, and the program's; on direct the job's as well.
    const least = runner === 'direct' ? 4 : 3;
    const deadline = Date.now() + 60_000;
    while (ports().length < least) {
      assert.ok(Date.now() < deadline, JSON.stringify(ports()));
      await delay(200);
    }
    await delay(1000);
    const found = ports();
    for (const { address, port } of found) {
      // 127.0.0.1, also as an IPv6 socket has it.
      assert.match(address, /0100007F$/);
      await tryAll(`127.0.0.1:${port}`);
    }
    for (const name of readdirSync(scratch)) {
      // The compiler of this test's own programs.
      if (name.startsWith('tsx-')) continue;
      assert.equal(statSync(path.join(scratch, name)).mode & 0o077, 0, name);
    }
    assert.equal(child.exitCode, null, 'nothing of this ended the run');
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
}
