// SPDX-License-Identifier: Apache-2.0
// Child processes that behave and that do not. Runs the scripts of test/fixtures/processes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import { type Service, type ServiceOptions, startService } from '../../src/services/index.ts';
import { runTool } from '../../src/services/process/run-tool.ts';
import { gone, isAlive, watchersOf } from '../helpers/alive.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/processes/${name}`, import.meta.url));
const program = fileURLToPath(new URL('../fixtures/programs/start-service.ts', import.meta.url));

function start(
  name: string,
  options: Partial<ServiceOptions<string>> = {},
): Promise<Service<string>> {
  return startService<string>({
    name: 'the fixture',
    command: fixture(name),
    ready: (line) => (line.startsWith('ready') ? line : undefined),
    ...options,
  });
}

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

const pidOf = (announcement: string): number => Number(announcement.split(' ')[1]);

test('a process that ends before it is ready fails the start with its last words', async () => {
  await assert.rejects(
    start('exits-at-once.sh'),
    coded('HOST_START_FAILED', /ended with status 3[\s\S]*cannot find my things/),
  );
});

test('a process that is never ready is ended and fails the start with its last words', async () => {
  await assert.rejects(
    start('never-ready.sh', { startTimeout: 500 }),
    coded('HOST_START_FAILED', /was not ready after 0\.5 s[\s\S]*thinking about it/),
  );
});

test('a command that does not exist fails the start and is named', async () => {
  await assert.rejects(
    start('x', { command: '/no/such/command' }),
    coded('HOST_START_FAILED', /\/no\/such\/command/),
  );
});

test('a folder that does not exist fails the start before there is a process', async () => {
  await assert.rejects(
    start('exits-at-once.sh', { cwd: '/no/such/folder' }),
    coded('HOST_START_FAILED', /could not be started.*ENOENT/),
  );
  const tool = await runTool('true', [], { cwd: '/no/such/folder' });
  assert.deepEqual([tool.ok, tool.code, tool.missing], [false, undefined, false]);
  assert.match(tool.output, /ENOENT/);
});

test('the end of a flood of errors is kept and the rest is not', async () => {
  await assert.rejects(start('floods-stderr.sh'), (error: unknown) => {
    assert.ok(error instanceof BeamBridgeError);
    assert.match(error.detail ?? '', /the last word$/);
    assert.ok((error.detail ?? '').length <= 16 * 1024);
    return true;
  });
});

test('a process that prints garbage first is still heard when it is ready', async () => {
  await using service = await start('prints-garbage.sh');
  assert.match(service.info, /^ready \d+$/);
});

test('a process that ignores SIGTERM is stopped with SIGKILL', async () => {
  const service = await start('ignores-sigterm.sh', { killAfter: 200 });
  const exit = await service.stop();
  assert.equal(exit.expected, true);
  assert.equal(exit.signal, 'SIGKILL');
  await gone(pidOf(service.info));
});

test('a process that dies later says so, and why', async () => {
  const service = await start('dies-later.sh');
  const waiting = setInterval(() => {}, 1000);
  const exit = await service.exited;
  clearInterval(waiting);
  assert.deepEqual(exit, { code: 7, signal: undefined, expected: false, stderr: 'out of luck' });
  assert.equal(service.exit, exit);
});

test('stopping ends the children of the process too, also those that ignore SIGTERM', async () => {
  const service = await start('leaves-children.sh', { killAfter: 200 });
  await service.stop();
  await gone(pidOf(service.info));
});

test('stopping twice is one stop, and stopping what has ended is none', async () => {
  const service = await start('ignores-sigterm.sh', { killAfter: 100 });
  const [first, second] = await Promise.all([service.stop(), service.stop()]);
  assert.equal(first, second);
  assert.equal(await service.stop(), first);
});

test('a start that is cancelled leaves no process', async () => {
  const controller = new AbortController();
  const starting = start('never-ready.sh', {
    signal: controller.signal,
    onErrorLine: () => controller.abort(),
  });
  await assert.rejects(starting, coded('ABORTED', /cancelled/));
  await assert.rejects(
    start('ignores-sigterm.sh', { signal: AbortSignal.abort() }),
    coded('ABORTED', /cancelled/),
  );
});

async function run(
  behaviour: string,
  name: string,
): Promise<{ announced: string; end: (signal: NodeJS.Signals) => void; exit: Promise<unknown[]> }> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, behaviour, fixture(name)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = once(child, 'exit');
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { announced: line.toString().trim(), end: (signal) => child.kill(signal), exit };
}

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`a program that ${signal} ends takes its processes and their children with it`, async () => {
    const running = await run('waits', 'leaves-children.sh');
    const pid = pidOf(running.announced);
    assert.ok(isAlive(pid));
    running.end(signal);
    await running.exit;
    await gone(pid);
  });
}

test('a program whose guard lost one of its watchers still takes its processes with it', async () => {
  const running = await run('waits', 'leaves-children.sh');
  const pid = pidOf(running.announced);
  const watchers = watchersOf(pid);
  assert.equal(watchers.length, 2);
  process.kill(watchers[0]!, 'SIGKILL');
  running.end('SIGKILL');
  await running.exit;
  await gone(pid);
});

for (const [behaviour, status] of [
  ['ends', 0],
  ['exits', 3],
  ['throws', 1],
] as const) {
  test(`a program that ${behaviour} is not kept alive by a process, nor outlived`, async () => {
    const running = await run(behaviour, 'ignores-sigterm.sh');
    assert.deepEqual(await running.exit, [status, null]);
    await gone(pidOf(running.announced));
  });
}
