// SPDX-License-Identifier: Apache-2.0
// A pool that starts a process for each worker that a runner asks for: starts shells and Node processes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { createClient, fn, type MessageInitShape } from '../../src/proto/index.ts';
import { ProcessPool } from '../../src/worker/index.ts';
import { gone, isAlive, processes } from '../helpers/alive.ts';

const scratch = mkdtempSync(join(tmpdir(), 'beambridge-pool-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** A worker that says what it was given, and sleeps. */
const SLEEPER = ['/bin/sh', '-c', 'echo "$$ $*"; exec sleep 600', 'worker'] as const;

/** Collects lines, and gives each once it is there. */
function lines() {
  const seen: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  return {
    onLine: (line: string) => {
      const next = waiting.shift();
      if (next) next(line);
      else seen.push(line);
    },
    next: async () =>
      seen.shift() ?? (await new Promise<string>((resolve) => waiting.push(resolve))),
  };
}

function request(
  workerId: string,
  control: string,
  token?: string,
): MessageInitShape<typeof fn.StartWorkerRequestSchema> {
  return {
    workerId,
    controlEndpoint: { url: control },
    provisionEndpoint: { url: 'runner:2' },
    ...(token !== undefined && { params: { token } }),
  };
}

test('each worker is a process by the container contract; two runners may use one id', async () => {
  const { onLine, next } = lines();
  const pool = await ProcessPool.start({ command: SLEEPER, onLine });
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  assert.equal((await client.startWorker(request('1-1', 'a:1'))).error, '');
  const [pid, flags] = (await next()).split(/ (.*)/);
  assert.equal(flags, '--id=1-1 --provision_endpoint=runner:2 --control_endpoint=a:1');
  assert.equal((await client.startWorker(request('1-1', 'b:1'))).error, '');
  const [other] = (await next()).split(' ');
  assert.notEqual(other, pid);
  assert.match((await client.startWorker(request('1-1', 'a:1'))).error, /runs already/);
  // It could be either of them: both end with their runners.
  assert.equal((await client.stopWorker({ workerId: '1-1' })).error, '');
  assert.ok(isAlive(Number(pid)) && isAlive(Number(other)));
  client.close();
  await pool[Symbol.asyncDispose]();
  await gone(Number(pid));
  await gone(Number(other));
});

test('a worker that has ended may be started anew', async () => {
  const { onLine, next } = lines();
  await using pool = await ProcessPool.start({ command: ['/bin/sh', '-c', 'echo $$'], onLine });
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  await client.startWorker(request('w', 'a:1'));
  await gone(Number(await next()));
  let error = 'not asked';
  while (error !== '') ({ error } = await client.startWorker(request('w', 'a:1')));
  await next();
  client.close();
});

test('a pool with a token starts nothing without it', async () => {
  const { onLine, next } = lines();
  await using pool = await ProcessPool.start({ command: SLEEPER, onLine, token: 'secret' });
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  for (const token of [undefined, '', 'secre', 'secret2']) {
    assert.match((await client.startWorker(request('w', 'a:1', token))).error, /demands its token/);
  }
  assert.equal((await client.startWorker(request('w', 'a:1', 'secret'))).error, '');
  assert.match(await next(), /--id=w/);
  client.close();
});

test('a pool for other machines demands a token, and a request without a provision service is refused', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.test']) {
    await assert.rejects(ProcessPool.start({ command: SLEEPER, listen: { host } }), {
      code: 'INVALID_ARGUMENT',
    });
  }
  await using pool = await ProcessPool.start({
    command: SLEEPER,
    listen: { host: '0.0.0.0' },
    token: 't',
  });
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  const { error } = await client.startWorker({ workerId: 'w', params: { token: 't' } });
  assert.match(error, /no provision endpoint/);
  client.close();
});

test('an address that is taken is told', async () => {
  await using pool = await ProcessPool.start({ command: SLEEPER });
  const port = Number(pool.address.split(':').at(-1));
  await assert.rejects(ProcessPool.start({ command: SLEEPER, listen: { port } }), {
    code: 'INVALID_ARGUMENT',
  });
});

test('a command that cannot be started is the answer to the runner, or ends at once', async () => {
  const { onLine, next } = lines();
  await using pool = await ProcessPool.start({ command: ['/no/such/command'], onLine });
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  await client.startWorker(request('w', 'a:1'));
  assert.match(await next(), /no\/such\/command/);
  client.close();
});

test('a worker that does not obey SIGTERM is killed when the pool ends', async () => {
  const { onLine, next } = lines();
  const pool = await ProcessPool.start({
    command: ['/bin/sh', '-c', 'trap "" TERM; echo $$; while :; do sleep 1; done'],
    onLine,
  });
  const client = createClient(fn.BeamFnExternalWorkerPool, pool.address);
  await client.startWorker(request('w', 'a:1'));
  const pid = Number(await next());
  client.close();
  await pool[Symbol.asyncDispose]();
  await gone(pid);
});

/** Starts the command, and a worker in it that waits for a runner. */
async function command(flags: string[], parent = false) {
  const args = ['--import', 'tsx', main, 'worker-pool', ...flags];
  const child = parent
    ? execa('/bin/sh', ['-c', '"$0" "$@" & echo $! >&2; wait', process.execPath, ...args], {
        reject: false,
      })
    : execa(process.execPath, args, { reject: false });
  const pid = parent ? Number(String((await once(child.stderr, 'data'))[0]).trim()) : child.pid!;
  const [said] = await once(child.stdout, 'data');
  const [, address] = /^worker pool at (\S+)\n$/.exec(String(said)) ?? assert.fail(String(said));
  return { child, pid, address: address! };
}

test('the command ends its workers and itself at SIGTERM, and its workers end with it when it is killed', async () => {
  const tokenFile = join(scratch, 'token');
  writeFileSync(tokenFile, 'secret\n');
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const { child, address } = await command([`--token-file=${tokenFile}`]);
    const client = createClient(fn.BeamFnExternalWorkerPool, address);
    const { error } = await client.startWorker({
      workerId: `${signal}-worker`,
      provisionEndpoint: { url: '192.0.2.1:1' },
      params: { token: 'secret' },
    });
    assert.equal(error, '');
    client.close();
    const workers = processes().filter(({ command }) => command.includes(`--id=${signal}-worker`));
    assert.ok(workers.length > 0);
    child.kill(signal);
    const { exitCode } = await child;
    assert.equal(exitCode, signal === 'SIGTERM' ? 143 : undefined);
    for (const { pid } of workers) await gone(pid);
  }
});

test('the command ends with its parent where it is told to', async () => {
  const { child, pid } = await command(['--with-parent'], true);
  child.kill('SIGKILL');
  await gone(pid);
});
