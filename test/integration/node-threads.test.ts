// SPDX-License-Identifier: Apache-2.0
// Stages in threads of the program, on the runner `node`: what they give, how they fail, and which stay where
// they are. Starts threads, and no process.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, setLogSink } from '../../src/base/index.ts';
import {
  create,
  createRunner,
  type PipelineOptions,
  type PipelineResult,
} from '../../src/index.ts';
import { all, failing, heavy, test as worker } from '../fixtures/worker/threads.ts';

const folder = mkdtempSync(join(tmpdir(), 'beambridge-threads-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const runner = createRunner({ progress: false });
/** All stages that can run in threads do, at once. */
const FORCED: PipelineOptions = { forceEncoding: true, nodeWorkers: 2 };

function linesOf(name: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.startsWith(name))
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'))
    .filter(Boolean)
    .sort();
}

const inThreads = (result: PipelineResult) =>
  result.stages.filter(({ where }) => where === 'threads').flatMap(({ transforms }) => transforms);

async function fails(how: string): Promise<BeamBridgeError> {
  try {
    await runner.run(failing, { ...FORCED, how });
  } catch (error) {
    assert.ok(error instanceof BeamBridgeError, String(error));
    return error;
  }
  throw new Error('the run did not fail');
}

describe('threads', { timeout: 600_000 }, () => {
  test('give what the main thread gives, and count what it counts', async () => {
    const here = await runner.run(all, { out: join(folder, 'here'), nodeWorkers: 0 });
    const there = await runner.run(all, { ...FORCED, nodeWorkers: 3, out: join(folder, 'there') });
    const right = linesOf('here');
    assert.ok(right.length > 300);
    assert.deepEqual(linesOf('there'), right);
    assert.equal((await there.counters()).seen, 300);
    assert.deepEqual(await there.counters(), await here.counters());
    assert.deepEqual(await there.distributions(), await here.distributions());
    assert.deepEqual(inThreads(here), []);
    assert.ok(
      inThreads(there).some((name) => name.startsWith('combinePerKey(sum)/combine/precombine')),
    );
    const kept = there.stages.filter(({ where }) => where === 'main thread');
    assert.ok(kept.some(({ because }) => /reads side inputs$/.test(because ?? '')));
  });

  test('an error keeps its code, the transform, the line of the function and what was thrown', async () => {
    const error = await fails('throws');
    assert.equal(error.code, 'USER_CODE_FAILED');
    assert.equal(error.shortMessage, 'RangeError: no 200');
    assert.equal(error.transform, 'map(broken)');
    assert.match(error.detail ?? '', /fixtures\/worker\/threads\.ts/);
    const { cause } = error;
    assert.ok(cause instanceof RangeError);
    assert.equal((cause as RangeError & { number: number }).number, 200);
  });

  test('process.exit() in a function ends its thread, and the run says so', async () => {
    const error = await fails('exits');
    assert.equal(error.code, 'WORKER_DIED');
    assert.match(error.message, /status 3/);
    assert.match(error.message, /map\(leaves\)/);
  });

  test('a function that waits for what never comes ends the run', async () => {
    const error = await fails('waits');
    assert.equal(error.code, 'USER_CODE_FAILED');
    assert.match(error.message, /does not come back/);
    assert.equal(error.transform, 'map(waits)');
  });

  test('what no coder keeps does not leave a thread', async () => {
    const error = await fails('instance');
    assert.equal(error.code, 'CODER_MISMATCH');
    assert.match(error.message, /Halves/);
    assert.match(error.hint ?? '', /nodeWorkers: 1|plain/);
  });

  test('a function that never ends is ended with the run', async () => {
    const mark = join(folder, 'loops');
    const result = await runner.runAsync(failing, { ...FORCED, how: 'loops', mark });
    while (!existsSync(mark)) await delay(20);
    assert.equal(await result.cancel(), 'CANCELLED');
  });

  test('take over a stage that has enough to do', async () => {
    worker.isOver = (at) => existsSync(join(at, 'taken'));
    const out = join(folder, 'heavy');
    const result = await runner.run(heavy, { nodeWorkers: 2, how: 'plain', out });
    assert.equal(linesOf('heavy').length, 300);
    assert.equal(new Set(linesOf('heavy')).size, 300);
    assert.ok(inThreads(result).includes('map(work)'));
  });

  test('leave a stage where it is whose elements no coder keeps', async () => {
    worker.isOver = () => true;
    const out = join(folder, 'instances');
    const result = await runner.run(heavy, { nodeWorkers: 2, how: 'instance', out });
    const numbers = linesOf('instances').map(
      (line) => (JSON.parse(line) as { value: number }).value,
    );
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      Array.from({ length: 300 }, (_, n) => n),
    );
    const stage = result.stages.find(({ transforms }) => transforms.includes('map(work)'));
    assert.match(stage?.because ?? '', /cannot be encoded/);
  });

  test('that cannot construct the same pipeline leave the run to the main thread, and say so', async () => {
    const told: string[] = [];
    const restore = setLogSink(({ message }) => told.push(message));
    const isTold = () => told.some((message) => /WORKER_MISMATCH/.test(message));
    worker.isOver = isTold;
    try {
      await runner.run(heavy, { nodeWorkers: 2, how: 'differs', out: join(folder, 'differs') });
    } finally {
      restore();
    }
    assert.equal(linesOf('differs').length, 300);
    assert.ok(isTold(), told.join('\n'));
  });

  test('are not for a pipeline written inline, which says so', async () => {
    const told: string[] = [];
    const restore = setLogSink(({ message }) => told.push(message));
    try {
      const inline = await runner.run((root) => root.apply(create([1])).map((n) => n), {
        nodeWorkers: 2,
      });
      assert.match(inline.stages[0]?.because ?? '', /written inline/);
    } finally {
      restore();
    }
    assert.ok(told.some((message) => /nodeWorkers is 2.*written inline/.test(message)));
  });
});
