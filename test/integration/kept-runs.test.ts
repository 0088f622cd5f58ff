// SPDX-License-Identifier: Apache-2.0
// What a host keeps from one run to the next, a worker with its model and the answer of an expansion, and that nothing
// of it is ever one run too old. That a worker served before is seen by the model that it does not load.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { create, createRunner } from '../../src/index.ts';
import {
  inferenceMetrics,
  RunInference,
  type SklearnOptions,
  sklearn,
} from '../../src/ml/index.ts';
import { array, float64 } from '../../src/schema/index.ts';
import { ensurePythonEnvironment, runningHosts, stopHosts } from '../../src/services/index.ts';
import { gone, isAlive, processes } from '../helpers/alive.ts';

const options = { skip: process.platform !== 'linux' && 'processes are found by /proc' };

const MODELS = `
import pickle, sys
import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression

def save(name, model):
  with open(name, 'wb') as file:
    pickle.dump(model.fit([[0.0, 0.0], [1.0, 1.0]], [0.0, 1.0]), file)

for name, constant in (('three', 3.0), ('four', 4.0)):
  save(name, DummyRegressor(strategy='constant', constant=constant))
save('linear', LinearRegression())
# Its draws are a state that goes on from call to call.
save('draws', DummyClassifier(strategy='uniform', random_state=np.random.RandomState(7)))

sys.path.append('.')
import of_a_user
save('own', of_a_user.Own())
`;

const OWN = (value: number) => `
class Own:
  def fit(self, x, y):
    return self
  def predict(self, x):
    return [${value}.0 for _ in range(len(x))]
`;

let folder: string;
let home: string;
before(async () => {
  home = process.cwd();
  folder = mkdtempSync(join(tmpdir(), 'beambridge-kept-'));
  // Python looks for a user's modules in the folder where the host starts.
  process.chdir(folder);
  await writeFile('of_a_user.py', OWN(5));
  await writeFile('models.py', MODELS);
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  await execa(python, ['models.py'], { env: { PYTHONDONTWRITEBYTECODE: '1' } });
  // A file that has just been written is not kept.
  await delay(2100);
});
beforeEach(() => cpSync(join(folder, 'three'), join(folder, 'model')));
afterEach(() => rmSync(join(folder, 'model'), { force: true }));
after(async () => {
  await stopHosts();
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly predictions: number[];
  /** How many models were loaded. */
  readonly loads: number;
}

const ROWS = [
  [0, 0],
  [1, 1],
];

async function run(more: Partial<SklearnOptions> = {}, rows = ROWS): Promise<Outcome> {
  const predictions: number[] = [];
  const model = sklearn({
    modelUri: 'three',
    example: array(float64),
    inference: float64,
    ...more,
  });
  const runner = createRunner({ runner: 'node', progress: false });
  const result = await runner.run((root) =>
    root
      .apply(create(rows))
      .apply(RunInference.of(model))
      .map(({ inference }) => {
        predictions.push(inference);
      }),
  );
  const { modelLoadMillis } = inferenceMetrics(await result.metrics());
  return { predictions, loads: modelLoadMillis?.count ?? 0 };
}

/** Workers of this program's host: children of the helper that forks them. */
async function workers(): Promise<number[]> {
  const [host] = await runningHosts();
  const all = processes();
  const helpers = all.filter(({ parent }) => parent === host?.pid).map(({ pid }) => pid);
  return all.filter(({ parent }) => helpers.includes(parent)).map(({ pid }) => pid);
}

/** A model's file with the contents of another, which has been there for a while. */
async function settled(name: string): Promise<void> {
  cpSync(join(folder, name), join(folder, 'model'));
  await delay(2100);
}

test('the second run of a pipeline finds the model loaded', options, async () => {
  assert.deepEqual(await run(), { predictions: [3, 3], loads: 1 });
  const [worker, ...others] = await workers();
  assert.deepEqual(others, []);
  for (let i = 0; i < 3; i++) assert.deepEqual(await run(), { predictions: [3, 3], loads: 0 });
  assert.deepEqual(await workers(), [worker]);
});

test('another model, and another option, have a worker of their own', options, async () => {
  assert.equal((await run()).loads, 0);
  assert.deepEqual(await run({ modelUri: 'four' }), { predictions: [4, 4], loads: 1 });
  assert.deepEqual(await run({ maxBatchSize: 1 }), { predictions: [3, 3], loads: 1 });
  assert.equal((await run()).loads, 0);
});

test('code, packages and variables of the program are never kept', options, async () => {
  const predict = 'lambda model, batch, inference_args: [6.0 for _ in batch]';
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await run({ inferenceFn: predict }), { predictions: [6, 6], loads: 1 });
    assert.deepEqual(await run({ envVars: { A: 'b' } }), { predictions: [3, 3], loads: 1 });
  }
});

test('a model in the place of another is loaded', options, async () => {
  await settled('three');
  const modelUri = 'model';
  assert.deepEqual(await run({ modelUri }), { predictions: [3, 3], loads: 1 });
  assert.deepEqual(await run({ modelUri }), { predictions: [3, 3], loads: 0 });
  cpSync(join(folder, 'four'), join(folder, 'new'));
  renameSync(join(folder, 'new'), join(folder, 'model'));
  assert.deepEqual(await run({ modelUri }), { predictions: [4, 4], loads: 1 });
});

test(
  'also one of the same size and time that was written into the same file',
  options,
  async () => {
    await settled('three');
    const modelUri = 'model';
    assert.equal((await run({ modelUri })).loads, 1);
    assert.equal((await run({ modelUri })).loads, 0);
    const { atime, mtime, size, ino } = statSync('model');
    // Not cpSync, which puts another file in its place.
    writeFileSync('model', readFileSync(join(folder, 'four')));
    utimesSync('model', atime, mtime);
    const now = statSync('model');
    assert.deepEqual([now.size, now.ino, +now.mtime], [size, ino, +mtime]);
    assert.deepEqual(await run({ modelUri }), { predictions: [4, 4], loads: 1 });
  },
);

test(
  'a model that has just been written is loaded by each run until it has been there for a while',
  options,
  async () => {
    const modelUri = 'model';
    assert.equal((await run({ modelUri })).loads, 1);
    assert.equal((await run({ modelUri })).loads, 1);
  },
);

test('a model that is gone is told as it is in a first run', options, async () => {
  await settled('three');
  const modelUri = 'model';
  assert.equal((await run({ modelUri })).loads, 1);
  rmSync('model');
  await assert.rejects(run({ modelUri }), { code: 'MODEL_NOT_FOUND' });
});

test('a model that changes while it predicts is loaded anew', options, async () => {
  const modelUri = 'draws';
  const rows = Array.from({ length: 50 }, () => [0, 0]);
  const first = await run({ modelUri }, rows);
  assert.deepEqual(await run({ modelUri }, rows), first);
});

test("a user's module that was edited is imported anew", options, async () => {
  const modelUri = 'own';
  assert.deepEqual(await run({ modelUri }), { predictions: [5, 5], loads: 1 });
  await writeFile('of_a_user.py', OWN(6));
  rmSync('__pycache__', { recursive: true, force: true });
  assert.deepEqual(await run({ modelUri }), { predictions: [6, 6], loads: 1 });
});

test('after a run that fails, the next has a worker of its own', options, async () => {
  const modelUri = 'linear';
  assert.equal((await run({ modelUri })).loads, 1);
  assert.equal((await run({ modelUri })).loads, 0);
  await assert.rejects(run({ modelUri }, [[1, 2, 3]]), { code: 'PYTHON_EXCEPTION' });
  assert.equal((await run({ modelUri })).loads, 1);
  assert.equal((await run({ modelUri })).loads, 0);
});

test('a worker that is killed between two runs is replaced', options, async () => {
  await run();
  for (const worker of await workers()) {
    process.kill(worker, 'SIGKILL');
    await gone(worker);
  }
  assert.deepEqual(await run(), { predictions: [3, 3], loads: 1 });
});

test('a host that is killed between two runs is replaced', options, async () => {
  await run();
  assert.equal((await run()).loads, 0);
  const [host] = await runningHosts();
  process.kill(host!.pid, 'SIGKILL');
  // At once, whether this program knows of it or not, and when it does.
  assert.deepEqual((await run()).predictions, [3, 3]);
  await gone(host!.pid);
  assert.deepEqual((await run()).predictions, [3, 3]);
});

test('runs at the same time have workers of their own, and few are kept', options, async () => {
  const both = await Promise.all(Array.from({ length: 6 }, () => run()));
  assert.deepEqual(
    both.map(({ predictions }) => predictions),
    both.map(() => [3, 3]),
  );
  const again = await Promise.all([run(), run()]);
  assert.deepEqual(
    again.map(({ loads }) => loads),
    [0, 0],
  );
  const deadline = Date.now() + 20_000;
  while ((await workers()).length > 4) {
    assert.ok(Date.now() < deadline, 'more than four workers are kept');
    await delay(50);
  }
});

test(
  'with BEAMBRIDGE_KEEP_SECONDS=0 nothing is kept, and nonsense is refused',
  options,
  async () => {
    try {
      process.env.BEAMBRIDGE_KEEP_SECONDS = '0';
      const modelUri = 'four';
      await stopHosts();
      for (let i = 0; i < 2; i++) assert.equal((await run({ modelUri })).loads, 1);
      assert.deepEqual(await workers(), []);
      process.env.BEAMBRIDGE_KEEP_SECONDS = 'long';
      await assert.rejects(run(), { code: 'INVALID_ARGUMENT' });
      process.env.BEAMBRIDGE_KEEP_SECONDS = '0.2';
      await run({ modelUri });
      const deadline = Date.now() + 20_000;
      while ((await workers()).length > 0) {
        assert.ok(Date.now() < deadline, 'a worker is kept for longer than it should');
        await delay(50);
      }
    } finally {
      delete process.env.BEAMBRIDGE_KEEP_SECONDS;
    }
  },
);

test('a worker that serves many runs grows by nothing that they leave', options, async () => {
  await run();
  const [worker] = await workers();
  const open = () => [
    readdirSync(`/proc/${worker}/fd`).length,
    readdirSync(`/proc/${worker}/task`).length,
  ];
  for (let i = 0; i < 3; i++) await run();
  const before = open();
  for (let i = 0; i < 12; i++) assert.equal((await run()).loads, 0);
  assert.deepEqual(await workers(), [worker]);
  const now = open();
  for (const [i, count] of now.entries()) {
    assert.ok(count < before[i]! + 8, `files and threads went from ${before} to ${now}`);
  }
});

test('kept workers end with the program, however it ends', options, async () => {
  const program = `
    import { create, createRunner } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
    import { RunInference, sklearn } from ${JSON.stringify(new URL('../../src/ml/index.ts', import.meta.url).href)};
    import { array, float64 } from ${JSON.stringify(new URL('../../src/schema/index.ts', import.meta.url).href)};
    const model = sklearn({ modelUri: 'three', example: array(float64), inference: float64 });
    await createRunner({ runner: 'node', progress: false }).run((root) =>
      root.apply(create([[1, 2]])).apply(RunInference.of(model)).map(() => {}));
    console.log('done');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', program],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  const all = processes();
  const descendants = (pid: number): number[] =>
    all
      .filter(({ parent }) => parent === pid)
      .flatMap((each) => [each.pid, ...descendants(each.pid)]);
  const below = descendants(child.pid!);
  assert.ok(below.length >= 4, 'a guard, a host, its helper and a worker');
  child.kill('SIGKILL');
  for (const pid of below) await gone(pid);
  assert.ok(below.every((pid) => !isAlive(pid)));
});
