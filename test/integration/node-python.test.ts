// SPDX-License-Identifier: Apache-2.0
// The node runner's executor of Python stages, with workers of the managed Python host.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../src/base/index.ts';
import { GlobalWindow, NO_FIRING } from '../../src/coders/index.ts';
import {
  create,
  globalWindows,
  P,
  pythonCallable,
  pythonTransform,
  type Root,
  withSchema,
} from '../../src/index.ts';
import { RunInference } from '../../src/ml/index.ts';
import { PackExamples } from '../../src/ml/packing/packing.ts';
import { UnpackPredictions } from '../../src/ml/packing/unpacking.ts';
import { isWorkerLost, PythonExecutor } from '../../src/runners/node/python/index.ts';
import { array, int64, type string } from '../../src/schema/index.ts';
import { runningHosts, stopHosts } from '../../src/services/index.ts';
import { gone, isAlive } from '../helpers/alive.ts';
import { linesOf, predictedByPython, trainedDigits } from '../helpers/digits.ts';
import { bundleIO, type PythonStage, pythonStage } from '../helpers/python-stage.ts';

after(() => stopHosts());

/** A stage that maps whole numbers by a Python function. */
const mapping = (source: string, output: typeof int64 | typeof string = int64) =>
  pythonStage((root: Root) =>
    root
      .apply(create([1]))
      .apply(withSchema(int64))
      .apply(
        pythonTransform(
          'apache_beam.Map',
          [pythonCallable(source)],
          {},
          { output: output as typeof int64 },
        ),
      ),
  );

async function run(python: PythonExecutor, stage: PythonStage, values: readonly unknown[]) {
  const { io, written } = bundleIO([stage.encode(values)]);
  const result = await python.start(stage.environment, stage.descriptor, io).done;
  return { values: stage.decode(written()), result };
}

async function rejection(promise: Promise<unknown>): Promise<BeamBridgeError> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof BeamBridgeError, String(error));
  return error;
}

const pidOf = "lambda x: __import__('os').getpid()";

test('bundles of several stages, one after another and in many chunks, in one worker', async () => {
  await using python = await PythonExecutor.start();
  const square = await mapping('lambda x: x * x');
  python.warmUp(square.environment);
  assert.deepEqual((await run(python, square, [1, 2, 3])).values, [1, 4, 9]);
  assert.deepEqual((await run(python, square, [])).values, []);
  const { io, closed, written } = bundleIO(
    (async function* () {
      for (let i = 0; i < 1000; i++) {
        if (i % 100 === 0) await delay(1);
        yield square.encode([i, i]);
      }
    })(),
  );
  const { monitoringInfos } = await python.start(square.environment, square.descriptor, io).done;
  assert.equal(square.decode(written()).length, 2000);
  assert.deepEqual(closed, ['sink']);
  assert.ok(monitoringInfos.some(({ urn }) => urn === 'beam:metric:element_count:v1'));
  const pid = await mapping(pidOf);
  const [first] = (await run(python, pid, [0])).values;
  const [second] = (await run(python, pid, [0])).values;
  assert.equal(first, second);
});

test('inference on packed batches gives what scikit-learn gives', async () => {
  const digits = await trainedDigits();
  const types = { example: array(int64), inference: int64 };
  const stage = await pythonStage((root) =>
    root
      .apply(create([[0]]))
      .apply(
        RunInference.of(
          'apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy',
          types,
        ).withKwarg('model_uri', digits.model),
      ),
  );
  const pack = new PackExamples(types, globalWindows().windowCoder());
  const at = {
    window: { lookup: () => GlobalWindow.INSTANCE },
    timestamp: { lookup: () => 0 },
    pane: { lookup: () => NO_FIRING },
  };
  pack.startBundle();
  const rows = linesOf(digits.all).map((line) => line.split(',').map(Number));
  for (const [, ...pixels] of rows) pack.process(pixels, at as never);
  const batches = pack.finishBundle().map(({ value }) => value);
  await using python = await PythonExecutor.start();
  const { values } = await run(python, stage, batches);
  const unpack = new UnpackPredictions(types, ['example', 'inference']);
  const answers = values.flatMap((answer) => [
    ...(unpack.process(answer as Uint8Array, { timestamp: at.timestamp } as never) as Iterable<{
      inference: number;
    }>),
  ]);
  assert.deepEqual(
    answers.map(({ inference }, i) => `${rows[i]![0]},${inference}`),
    predictedByPython(digits, digits.all),
  );
});

test('a side input is read in pieces', async () => {
  const source = `
def add(pcolls):
  return pcolls['main'] | beam.Map(
      lambda x, side: x + sum(side), beam.pvalue.AsList(pcolls['side']))`;
  const stage = await pythonStage(
    (root) => {
      const numbers = () => root.apply(create([1])).apply(withSchema(int64));
      return P({ main: numbers(), side: numbers() }).apply(
        pythonTransform('__callable__', { source }, undefined, { output: int64 }),
      );
    },
    ({ transforms }) =>
      Object.values(transforms).find((each) => 'side' in each.inputs)!.inputs.main!,
  );
  const asked: string[] = [];
  const { io, written } = bundleIO([stage.encode([1, 2])], {
    async *sideInput({ sideInputId }) {
      asked.push(sideInputId);
      for (let i = 0; i < 5; i++) yield stage.encodeBare(Array(300_000).fill(1));
    },
  });
  await using python = await PythonExecutor.start();
  await python.start(stage.environment, stage.descriptor, io).done;
  assert.deepEqual(stage.decode(written()), [1_500_001, 1_500_002]);
  assert.ok(asked.length > 0);
});

test("a side input that cannot be read fails the bundle with the reader's own error", async () => {
  const source = `
def add(pcolls):
  return pcolls['main'] | beam.Map(
      lambda x, side: x + side, beam.pvalue.AsSingleton(pcolls['side']))`;
  const stage = await pythonStage(
    (root) => {
      const numbers = () => root.apply(create([1])).apply(withSchema(int64));
      return P({ main: numbers(), side: numbers() }).apply(
        pythonTransform('__callable__', { source }, undefined, { output: int64 }),
      );
    },
    ({ transforms }) =>
      Object.values(transforms).find((each) => 'side' in each.inputs)!.inputs.main!,
  );
  const broken = new BeamBridgeError('IO_FAILED', 'the spill file is gone');
  const { io } = bundleIO([stage.encode([1])], {
    // biome-ignore lint/correctness/useYield: it fails first
    async *sideInput() {
      throw broken;
    },
  });
  await using python = await PythonExecutor.start();
  const error = await rejection(python.start(stage.environment, stage.descriptor, io).done);
  assert.equal(error, broken);
});

test('an exception in Python is told with its transform, and the worker goes on', async () => {
  await using python = await PythonExecutor.start();
  const stage = await mapping('lambda x: 100 // x');
  const error = await rejection(run(python, stage, [1, 0]));
  assert.equal(error.code, 'PYTHON_EXCEPTION');
  assert.match(error.shortMessage, /^ZeroDivisionError/);
  assert.match(error.transform ?? '', /apache_beam\.Map|Map/);
  assert.equal(isWorkerLost(error), false);
  assert.deepEqual((await run(python, stage, [5])).values, [20]);
});

test('input or output that fails ends the bundle with that error', async () => {
  await using python = await PythonExecutor.start();
  const stage = await mapping('lambda x: x');
  const broken = new BeamBridgeError('IO_FAILED', 'no more room');
  const one = bundleIO([stage.encode([1])]);
  const output = { ...one.io.output, write: () => Promise.reject(broken) };
  assert.equal(
    await rejection(python.start(stage.environment, stage.descriptor, { ...one.io, output }).done),
    broken,
  );
  const input = { next: () => Promise.reject(broken) };
  assert.equal(
    await rejection(python.start(stage.environment, stage.descriptor, { ...one.io, input }).done),
    broken,
  );
  assert.deepEqual((await run(python, stage, [5])).values, [5]);
});

test('a worker that is killed in the middle of a bundle is replaced', async () => {
  await using python = await PythonExecutor.start();
  const stage = await mapping(pidOf);
  const [pid] = (await run(python, stage, [0])).values as [number];
  let kill = () => {};
  const killed = new Promise<void>((resolve) => {
    kill = resolve;
  });
  const { io } = bundleIO(
    (async function* () {
      yield stage.encode([1]);
      await delay(100);
      process.kill(pid, 'SIGKILL');
      kill();
      await new Promise(() => {});
    })(),
  );
  const failing = rejection(python.start(stage.environment, stage.descriptor, io).done);
  await killed;
  const error = await failing;
  assert.equal(error.code, 'WORKER_DIED');
  assert.ok(isWorkerLost(error));
  assert.match(error.message, /signal 9/);
  const [next] = (await run(python, stage, [0])).values as [number];
  assert.notEqual(next, pid);
});

test('a worker that ends by its own function is replaced too', async () => {
  await using python = await PythonExecutor.start();
  const stage = await mapping("lambda x: __import__('os')._exit(0) if x else x");
  assert.ok(isWorkerLost(await rejection(run(python, stage, [1]))));
  assert.deepEqual((await run(python, stage, [0])).values, [0]);
});

test('two bundles at once run in two workers, a third waits', async () => {
  await using python = await PythonExecutor.start({ workers: 2 });
  const stage = await mapping(pidOf);
  python.warmUp(stage.environment);
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let started = 0;
  const start = () => {
    const held = bundleIO(
      (async function* () {
        if (++started === 2) release();
        await released;
        yield stage.encode([0]);
      })(),
    );
    const { done } = python.start(stage.environment, stage.descriptor, held.io);
    return done.then(() => stage.decode(held.written())[0]);
  };
  const pids = await Promise.all([start(), start(), start()]);
  assert.equal(new Set(pids).size, 2);
});

test('an aborted bundle ends at once, with its worker', async () => {
  await using python = await PythonExecutor.start();
  const stage = await mapping(pidOf);
  const [pid] = (await run(python, stage, [0])).values as [number];
  const { io } = bundleIO(
    (async function* () {
      yield stage.encode([1]);
      await new Promise(() => {});
    })(),
  );
  const bundle = python.start(stage.environment, stage.descriptor, io);
  await delay(50);
  const enough = new BeamBridgeError('JOB_CANCELLED', 'enough');
  bundle.abort(enough);
  assert.equal(await rejection(bundle.done), enough);
  await gone(pid);
  assert.equal((await run(python, stage, [0])).values.length, 1);
});

test('disposing ends bundles and leaves no worker', async () => {
  const python = await PythonExecutor.start({ workers: 2 });
  const stage = await mapping(pidOf);
  const [pid] = (await run(python, stage, [0])).values as [number];
  assert.ok(isAlive(pid));
  const { io } = bundleIO(
    (async function* () {
      await new Promise(() => {});
      yield new Uint8Array();
    })(),
  );
  const failing = rejection(python.start(stage.environment, stage.descriptor, io).done);
  await delay(50);
  await python[Symbol.asyncDispose]();
  assert.equal((await failing).code, 'ABORTED');
  await gone(pid);
  assert.equal((await rejection(run(python, stage, [0]))).code, 'ABORTED');
});

test('disposing lets idle workers tear their functions down', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-node-'));
  const source = `
class Careful(beam.DoFn):
  def process(self, x):
    yield x
  def teardown(self):
    open(${JSON.stringify(join(folder, 'torn'))}, 'w').close()
def careful(pcoll):
  return pcoll | beam.ParDo(Careful()).with_output_types(int)`;
  const stage = await pythonStage((root) =>
    root
      .apply(create([1]))
      .apply(withSchema(int64))
      .apply(pythonTransform('__callable__', { source }, undefined, { output: int64 })),
  );
  try {
    const python = await PythonExecutor.start();
    assert.deepEqual((await run(python, stage, [5])).values, [5]);
    await python[Symbol.asyncDispose]();
    assert.ok(existsSync(join(folder, 'torn')));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a host that dies is told, and no worker outlives it', async () => {
  await using python = await PythonExecutor.start();
  const stage = await mapping("lambda x: __import__('os').getpid()");
  const [pid] = (await run(python, stage, [0])).values as [number];
  const hosts = await runningHosts();
  const { io } = bundleIO(
    (async function* () {
      for (const host of hosts) process.kill(host.pid, 'SIGKILL');
      await new Promise(() => {});
      yield new Uint8Array();
    })(),
  );
  const error = await rejection(python.start(stage.environment, stage.descriptor, io).done);
  assert.equal(error.code, 'HOST_DIED');
  assert.equal(isWorkerLost(error), false);
  assert.equal((await python.lost).code, 'HOST_DIED');
  await gone(pid);
});

test('a host in whose place none starts ends everything; the next bundle asks again', async () => {
  let asked = 0;
  await using python = await PythonExecutor.start({
    replaceHost: async () => {
      asked += 1;
      throw new BeamBridgeError('HOST_START_FAILED', 'no memory');
    },
  });
  const stage = await mapping('lambda x: x + 1');
  assert.deepEqual((await run(python, stage, [1])).values, [2]);
  for (const host of await runningHosts()) process.kill(host.pid, 'SIGKILL');
  assert.equal((await python.lost).code, 'HOST_START_FAILED');
  assert.equal(asked, 1);
  // Not the answer of before, for ever: that address is a pool without a host of ours now.
  const error = await rejection(
    python.start(stage.environment, stage.descriptor, bundleIO([]).io).done,
  );
  assert.equal(error.code, 'HOST_START_FAILED');
  assert.match(error.message, /workers of .* in a row/);
});
