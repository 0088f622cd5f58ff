// SPDX-License-Identifier: Apache-2.0
// The node runner with Python stages in worker processes: every element comes out once, also when a
// worker dies in the middle.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BeamBridgeError, setLogSink } from '../../src/base/index.ts';
import { VarIntCoder } from '../../src/coders/index.ts';
import { pythonCallable, pythonTransform } from '../../src/external/index.ts';
import { createRunner, type PipelineOptions } from '../../src/runners/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { create, withCoder } from '../../src/transforms/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'beambridge-node-'));
after(() => rmSync(folder, { recursive: true }));

const COUNT = 20_000;
const NUMBERS = Array.from({ length: COUNT }, (_, i) => i);

/** What Python makes of all numbers, sorted. */
async function throughPython(source: string, options: PipelineOptions = {}): Promise<number[]> {
  const out: number[] = [];
  await createRunner({ runner: 'node', progress: false, ...options }).run((root) => {
    root
      .apply(create(NUMBERS))
      .apply(withCoder(new VarIntCoder()))
      .apply(pythonTransform('apache_beam.Map', [pythonCallable(source)], {}, { output: int64 }))
      .map((value) => {
        out.push(value as number);
      });
  });
  return out.sort((a, b) => a - b);
}

const doubled = NUMBERS.map((value) => 2 * value);

test('each element of many blocks goes through a Python stage once', async () => {
  assert.deepEqual(await throughPython('lambda x: x * 2'), doubled);
});

test('several Python workers share the work', async () => {
  assert.deepEqual(await throughPython('lambda x: x * 2', { pythonWorkers: 2 }), doubled);
});

test('what a worker had begun when it died is done by another, once, and told of in one line', async () => {
  const source = `
import os
def die_once(x):
  if x == 7777 and not os.path.exists(${JSON.stringify(join(folder, 'died'))}):
    open(${JSON.stringify(join(folder, 'died'))}, 'w').close()
    os._exit(9)
  return x * 2
`;
  const told: string[] = [];
  const restore = setLogSink(({ level, message, error }) => {
    told.push([level, message, error].filter(Boolean).join(' '));
  });
  try {
    assert.deepEqual(await throughPython(source), doubled);
  } finally {
    restore();
  }
  assert.equal(told.length, 1, told.join('\n'));
  assert.match(told[0]!, /^warn a bundle of .* runs again \(1\): [^\n]+$/);
});

const onLinux = process.platform !== 'linux' && 'workers are forked on Linux only';

test('a Python worker is a fork of what the host has imported', { skip: onLinux }, async () => {
  const source = "lambda x: int('beambridge_host.worker' in open('/proc/self/cmdline').read())";
  assert.deepEqual(new Set(await throughPython(source)), new Set([0]));
});

test('workers are programs of their own when the helper that forks them was killed', {
  skip: onLinux,
}, async () => {
  const source = `
import os, signal, time
def kill_helper(x):
  if x == 7777 and not os.path.exists(${JSON.stringify(join(folder, 'killed'))}):
    open(${JSON.stringify(join(folder, 'killed'))}, 'w').close()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
  return x * 2
`;
  assert.deepEqual(await throughPython(source), doubled);
  const cmdline = "lambda x: int('beambridge_host.worker' in open('/proc/self/cmdline').read())";
  assert.deepEqual(new Set(await throughPython(cmdline)), new Set([1]));
});

test('an exception in Python fails the run with its own words and the transform', async () => {
  await assert.rejects(throughPython('lambda x: 1 // (x - 5)'), (error) => {
    assert.ok(error instanceof BeamBridgeError);
    assert.equal(error.code, 'PYTHON_EXCEPTION');
    assert.match(error.message, /ZeroDivisionError/);
    assert.match(String(error.transform), /Python\(apache_beam\.Map\)/);
    return true;
  });
});
