// SPDX-License-Identifier: Apache-2.0
// Models of this process: handlers in TypeScript, and ONNX models with onnxruntime-node. No Python.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ErrorCode } from '../../src/base/index.ts';
import { type ModelMetadata, modelHandler, onnxLocal, RunInference } from '../../src/ml/index.ts';
import { P } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  type Accepts,
  array,
  bigint64,
  float32,
  float64,
  int64,
  row,
  string,
  tensor,
} from '../../src/schema/index.ts';
import { assignTimestamps, create, flatten } from '../../src/transforms/index.ts';

const runner = createRunner({ runner: 'node' });
const modelAt = (name: string) => resolve(import.meta.dirname, `../fixtures/onnx/${name}.onnx`);
const code = (wanted: ErrorCode, says: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, wanted, error.message);
  assert.match(error.message, says);
  return true;
};

/** Runs a handler over examples; predictions in the order of the examples. */
async function score<E, I>(
  handler: Parameters<typeof RunInference.of<E, I>>[0],
  examples: readonly E[],
): Promise<I[]> {
  const found: { example: E; inference: I }[] = [];
  await runner.run((root) => {
    root
      .apply(create(examples as readonly Accepts<E>[]))
      .apply(RunInference.of(handler))
      .map((prediction) => found.push(prediction as never));
  });
  const at = new Map(found.map(({ example, inference }) => [JSON.stringify(example), inference]));
  return examples.map((example) => at.get(JSON.stringify(example))!);
}

/** A handler that counts what is done with its model. */
function counting(options: { batching?: { maxSize?: number } } = {}) {
  const seen = { loads: 0, closes: 0, batches: [] as number[] };
  const handler = modelHandler({
    name: 'doubling',
    modelUri: 'two',
    example: int64,
    inference: int64,
    ...options,
    loadModel: async (uri) => {
      seen.loads += 1;
      return { factor: uri === 'two' ? 2 : Number.NaN };
    },
    runInference: (batch, { factor }) => {
      seen.batches.push(batch.length);
      return batch.map((n) => {
        if (n < 0) throw new RangeError(`${n} is below zero`);
        return n * factor;
      });
    },
    closeModel: () => {
      seen.closes += 1;
    },
  });
  return { handler, seen };
}

test('a handler in TypeScript scores, and its model is loaded once for two stages and freed after', async () => {
  const { handler, seen } = counting();
  const doubled: number[] = [];
  await runner.run((root) => {
    const numbers = root.apply(create([1, 2, 3]));
    const once = numbers.apply(RunInference.of(handler)).map(({ inference }) => inference);
    const keyed = numbers
      .map((value) => ({ key: `k${value}`, value }))
      .apply(RunInference.ofKVs(handler, string))
      .map(({ value }) => value.inference);
    P([once, keyed])
      .apply(flatten<number>())
      .map((n) => doubled.push(n));
  });
  assert.deepEqual(doubled.sort(), [2, 2, 4, 4, 6, 6]);
  assert.deepEqual([seen.loads, seen.closes], [1, 1]);
});

test('batches grow while the model is fast, and stay below the size that was asked for', async () => {
  const { handler, seen } = counting();
  await score(
    handler,
    Array.from({ length: 5000 }, (_, i) => i),
  );
  assert.equal(seen.batches[0], 16);
  assert.ok(Math.max(...seen.batches) > 64, seen.batches.join());
  const small = counting({ batching: { maxSize: 3 } });
  assert.deepEqual(await score(small.handler, [1, 2, 3, 4, 5, 6, 7]), [2, 4, 6, 8, 10, 12, 14]);
  assert.ok(Math.max(...small.seen.batches) <= 3);
});

test('dead letters hold exactly the examples for which the handler throws', async () => {
  const { handler } = counting();
  const good: number[] = [];
  const bad: unknown[] = [];
  await runner.run((root) => {
    const { predictions, failed } = root
      .apply(create(Array.from({ length: 300 }, (_, i) => (i % 100 === 50 ? -i : i))))
      .apply(RunInference.of(handler).withDeadLetters());
    predictions.map(({ inference }) => good.push(inference));
    failed.map(({ element, errorType, message }) => bad.push([element, errorType, message]));
  });
  assert.equal(good.length, 297);
  assert.deepEqual(
    bad.sort(),
    [-150, -250, -50].map((n) => [n, 'RangeError', `${n} is below zero`]),
  );
});

test('dead letters of some error types only: any other fails the run', async () => {
  const run = (errorTypes: string[]) => {
    const bad: unknown[] = [];
    return runner
      .run((root) => {
        const { failed } = root
          .apply(create([1, -5, 3]))
          .apply(RunInference.of(counting().handler).withDeadLetters({ errorTypes }));
        failed.map(({ element }) => bad.push(element));
      })
      .then(() => bad);
  };
  assert.deepEqual(await run(['ValueError', 'RangeError']), [-5]);
  await assert.rejects(
    run(['ValueError']),
    code('DEAD_LETTER_REFUSED', /RangeError: -5 is below zero[\s\S]*only for ValueError/),
  );
  const handler = counting().handler;
  assert.throws(
    () => RunInference.of(handler).withDeadLetters({ errorTypes: [''] }),
    code('INVALID_ARGUMENT', /errorTypes/),
  );
});

test('the model of a prediction, and what the metrics say', async () => {
  const { handler } = counting();
  const ids = new Set<string | null>();
  const result = await runner.run((root) => {
    root
      .apply(create([1, 2, 3]))
      .apply(RunInference.of(handler).withModelId())
      .map(({ model_id }) => ids.add(model_id));
  });
  assert.deepEqual([...ids], ['two']);
  const metrics = await result.metrics();
  const { counters } = metrics.query({ name: 'num_inferences' });
  assert.equal(counters[0]?.value, 3);
});

test('model updates: the latest that is not after a row scores it, one that cannot be loaded does not', async () => {
  const factors: Record<string, number> = { one: 1, ten: 10, hundred: 100 };
  const loads: string[] = [];
  const freed: number[] = [];
  const times = modelHandler({
    name: 'times',
    modelUri: 'one',
    example: int64,
    inference: int64,
    loadModel: (uri = '') => {
      loads.push(uri);
      if (!(uri in factors)) throw new Error(`there is no model ${uri}`);
      return { factor: factors[uri]! };
    },
    runInference: (batch, { factor }) => batch.map((n) => n * factor),
    closeModel: ({ factor }) => {
      freed.push(factor);
    },
  });
  const rows: string[] = [];
  const result = await runner.run((root) => {
    const updates = root
      .apply(
        create<ModelMetadata & { at: number }>([
          { modelPath: 'hundred', at: 30 },
          { modelPath: 'ten', at: 20 },
          { modelPath: 'nothing', at: 40 },
        ]),
      )
      .apply(assignTimestamps(({ at }) => at));
    root
      .apply(create([15, 45, 20, 29, 30, 10, 39]))
      .apply(assignTimestamps((row: number) => row))
      .apply(RunInference.of(times).withModelUpdates(updates).withModelId())
      .map(({ example, inference, model_id }) =>
        rows.push(`${example}*${inference / example} ${model_id}`),
      );
  });
  assert.deepEqual(rows.toSorted(), [
    '10*1 one',
    '15*1 one',
    '20*10 ten',
    '29*10 ten',
    '30*100 hundred',
    '39*100 hundred',
    '45*100 hundred',
  ]);
  assert.deepEqual(loads.toSorted(), ['hundred', 'nothing', 'one', 'ten']);
  assert.deepEqual(freed.toSorted(), [1, 10, 100]);
  const { counters } = (await result.metrics()).query({ name: 'modelUpdateFailures' });
  assert.equal(counters[0]?.value, 1);
});

test('a prediction that does not fit, and too few of them', async () => {
  const half = modelHandler({
    name: 'half',
    example: int64,
    inference: int64,
    loadModel: () => undefined,
    runInference: (batch) => batch.map((n) => n / 2),
  });
  await assert.rejects(score(half, [3]), code('INFERENCE_MISMATCH', /1\.5/));
  const lazy = modelHandler({ ...half, runInference: () => [] });
  await assert.rejects(
    score(lazy, [3]),
    code('INFERENCE_MISMATCH', /the model handler half gave 0 predictions for 1 examples/),
  );
});

test('a prediction declared float32 is a fraction that is rounded, or a whole number that need not be', async () => {
  const same = (inference: typeof float32) =>
    modelHandler({
      name: 'same',
      example: float64,
      inference,
      loadModel: () => null,
      runInference: (batch: readonly number[]) => [...batch],
    });
  assert.deepEqual(await score(same(float32), [0.1, 2 ** 24]), [Math.fround(0.1), 2 ** 24]);
  await assert.rejects(
    score(same(float32), [2 ** 24 + 1]),
    code('INFERENCE_MISMATCH', /declared float32 but holds number 16777217/),
  );
  await assert.rejects(
    score({ ...same(float32), example: float32 }, [2 ** 24 + 1]),
    code('ROW_MISMATCH', /example is declared float32 but holds number 16777217/),
  );
});

test('an ONNX model: one output, another output, and all of them as a row', async () => {
  const modelUri = modelAt('classifier');
  const examples = [
    [1, 0],
    [0, 1],
    [-2, 0],
  ];
  const labels = onnxLocal({ modelUri, example: array(float32), inference: int64 });
  assert.deepEqual(await score(labels, examples), [0, 1, 2]);
  const scores = onnxLocal({
    modelUri,
    example: array(float32),
    inference: array(float32),
    output: 'scores',
  });
  assert.deepEqual(await score(scores, examples), [
    [1, 0, -1],
    [0, 2, 1],
    [-2, 0, 2],
  ]);
  const both = onnxLocal({
    modelUri,
    example: array(float32),
    inference: row({ label: int64, scores: array(float32) }),
  });
  assert.deepEqual(await score(both, examples.slice(0, 1)), [{ label: 0, scores: [1, 0, -1] }]);
});

test('an ONNX model with several inputs takes rows; one for a single image takes them one by one', async () => {
  const sums = onnxLocal({
    modelUri: modelAt('two_inputs'),
    example: row({ ids: array(int64), bias: array(float32) }),
    inference: array(float32),
  });
  assert.deepEqual(await score(sums, [{ ids: [1, 2, 3, 4], bias: [0.5, 0, 0, -1] }]), [
    [1.5, 2, 3, 3],
  ]);
  const totals = onnxLocal({
    modelUri: modelAt('one_image'),
    example: array(float32),
    inference: float32,
  });
  assert.deepEqual(
    await score(totals, [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]),
    [10, 26],
  );
});

test('what does not fit an ONNX model is told by name and shape', async () => {
  const types = { example: array(float32), inference: int64 };
  const modelUri = modelAt('classifier');
  await assert.rejects(
    score(onnxLocal({ modelUri, ...types }), [[1, 2, 3]]),
    code('ROW_MISMATCH', /shape \[3\].*input x of the model takes \[2\]/),
  );
  await assert.rejects(
    score(onnxLocal({ modelUri, ...types, output: 'labels' }), [[1, 2]]),
    code('MODEL_INVALID', /no output labels[\s\S]*label, scores/),
  );
  await assert.rejects(
    score(onnxLocal({ modelUri: modelAt('two_inputs'), ...types }), [[1, 2]]),
    code('MODEL_INVALID', /an input bias too/),
  );
});

test('a model that is missing is refused at once, a damaged or newer one when it is loaded', async () => {
  const types = { example: array(float32), inference: int64 };
  assert.throws(
    () => onnxLocal({ modelUri: 'no-such.onnx', ...types }),
    code('MODEL_NOT_FOUND', /no-such\.onnx/),
  );
  const folder = await mkdtemp(join(tmpdir(), 'beambridge-onnx-'));
  try {
    const modelUri = join(folder, 'empty.onnx');
    await writeFile(modelUri, '');
    await assert.rejects(
      score(onnxLocal({ modelUri, ...types }), [[1, 2]]),
      code('MODEL_INVALID', /cannot load/),
    );
    const newer = await readFile(modelAt('classifier'));
    newer[1] = 99; // The version of the format.
    await writeFile(modelUri, newer);
    await assert.rejects(
      score(onnxLocal({ modelUri, ...types }), [[1, 2]]),
      code('MODEL_INVALID', /IR version/),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('an output of halves is given as the numbers that they are, and not as their bits', async () => {
  const modelUri = modelAt('half');
  const values = [0, 1, -2.5, 65504, 2 ** -24, -(2 ** -14), 0.1, 1e6];
  const halves = [0, 1, -2.5, 65504, 2 ** -24, -(2 ** -14), 0.0999755859375, Infinity];
  for (const inference of [array(float32), array(float64)]) {
    const handler = onnxLocal({ modelUri, example: array(float64), inference });
    assert.deepEqual(await score(handler, [values, [Number.NaN]]), [halves, [Number.NaN]]);
  }
  const tensors = onnxLocal({
    modelUri,
    example: array(float64),
    inference: tensor(float32, [values.length]),
  });
  const [found] = await score(tensors, [values]);
  assert.deepEqual(found!.toArray(), halves);
  const whole = onnxLocal({ modelUri, example: array(float64), inference: array(bigint64) });
  assert.deepEqual(await score(whole, [[3, -4]]), [[3n, -4n]]);
});

test('an output of four-bit numbers is refused before onnxruntime-node ends the program', async () => {
  const handler = onnxLocal({
    modelUri: modelAt('four_bits'),
    example: array(float32),
    inference: array(int64),
  });
  await assert.rejects(score(handler, [[1, 2]]), code('UNSUPPORTED', /output y .* four-bit/));
});

test('a model that fills one array in each call: every row keeps what it was given for it', async () => {
  // One for each of the models: two that fill the same arrays cannot be kept apart.
  const pool = () => Array.from({ length: 64 }, () => new Float32Array(2));
  const filling = (batching?: { maxSize: number }) =>
    modelHandler({
      name: 'filling',
      example: int64,
      inference: array(float32),
      ...(batching && { batching }),
      loadModel: async () => pool(),
      runInference: (batch, arrays) => {
        if (batch.includes(5)) throw new Error('five');
        return batch.map((n, i) => arrays[i]!.fill(n) as never as number[]);
      },
    });
  const found: string[][] = [[], []];
  await runner.run((root) => {
    root
      .apply(create([1, 2, 3, 4, 6, 7]))
      .apply(RunInference.of(filling({ maxSize: 2 })))
      .map(({ example, inference }) => found[0]!.push(`${example}: ${[...inference]}`));
    root
      .apply(create([1, 2, 3, 4, 5, 6, 7]))
      .apply(RunInference.of(filling()).withDeadLetters({ threshold: 1 }))
      .predictions.map(({ example, inference }) => found[1]!.push(`${example}: ${[...inference]}`));
  });
  for (const each of found) {
    assert.deepEqual(
      each.sort(),
      [1, 2, 3, 4, 6, 7].map((n) => `${n}: ${n},${n}`),
    );
  }
});

/** A model that fills arrays of its own, and then waits for something before it gives them. */
function slowlyFilling(concurrent?: boolean) {
  const seen = { underWay: 0, most: 0 };
  const arrays = Array.from({ length: 64 }, () => [0]);
  const handler = modelHandler({
    name: 'slowlyFilling',
    example: int64,
    inference: array(int64),
    batching: { maxSize: 2 },
    ...(concurrent !== undefined && { concurrent }),
    loadModel: async () => arrays,
    runInference: async (batch, own) => {
      seen.underWay += 1;
      seen.most = Math.max(seen.most, seen.underWay);
      try {
        if (batch.includes(-3)) throw new Error('minus three');
        const filled = batch.map((n, i) => {
          const array = concurrent ? [0] : own[i]!;
          array[0] = n;
          return array;
        });
        await setImmediate();
        return filled;
      } finally {
        seen.underWay -= 1;
      }
    },
  });
  return { handler, seen };
}

async function inTwoBranches(handler: ReturnType<typeof slowlyFilling>['handler']) {
  const examples = Array.from({ length: 50 }, (_, i) => i + 1);
  const found: string[] = [];
  await runner.run((root) => {
    root
      .apply(create(examples))
      .apply(RunInference.of(handler))
      .map(({ example, inference }) => found.push(`${example}: ${inference}`));
    root
      .apply(create(examples.map((n) => -n)))
      .apply(RunInference.of(handler).withDeadLetters({ threshold: 1 }))
      .predictions.map(({ example, inference }) => found.push(`${example}: ${inference}`));
  });
  const all = [...examples, ...examples.filter((n) => n !== 3).map((n) => -n)];
  assert.deepEqual(found.sort(), all.map((n) => `${n}: ${n}`).sort());
}

test('two branches with one model that fills its own arrays: its calls follow each other', async () => {
  const { handler, seen } = slowlyFilling();
  await inTwoBranches(handler);
  assert.equal(seen.most, 1);
});

test('two branches with a concurrent model: its calls are under way together', async () => {
  const { handler, seen } = slowlyFilling(true);
  await inTwoBranches(handler);
  assert.equal(seen.most, 2);
});

test('a run that is ended does not wait for the rest of a packed batch', async () => {
  for (const deadLetters of [false, true]) {
    const controller = new AbortController();
    let calls = 0;
    const handler = modelHandler({
      name: 'busy',
      example: int64,
      inference: int64,
      batching: { maxSize: 1 },
      loadModel: () => undefined,
      runInference: (batch) => {
        calls += 1;
        const end = performance.now() + 25;
        while (performance.now() < end);
        return [...batch];
      },
    });
    const scoring = RunInference.of(handler);
    const run = runner.run(
      (root) => {
        const examples = root.apply(create(Array.from({ length: 400 }, (_, i) => i)));
        if (deadLetters) examples.apply(scoring.withDeadLetters({ threshold: 1 }));
        else examples.apply(scoring);
        // Only comes to its turn if the model lets it.
        examples.map(() => void setTimeout(() => controller.abort(), 100));
      },
      { signal: controller.signal },
    );
    await assert.rejects(run, { code: 'ABORTED' });
    assert.ok(calls < 400, `${calls} calls`);
  }
});

test('a call that never comes back keeps no later run from the model', async () => {
  const controller = new AbortController();
  let calls = 0;
  const handler = modelHandler({
    name: 'stuck once',
    example: int64,
    inference: int64,
    loadModel: () => undefined,
    runInference: (batch) => {
      calls += 1;
      if (calls > 1) return [...batch];
      controller.abort();
      return new Promise<number[]>(() => {});
    },
  });
  const found: number[] = [];
  const scored = (options: { signal?: AbortSignal }) =>
    runner.run((root) => {
      root
        .apply(create([1, 2]))
        .apply(RunInference.of(handler))
        .map(({ inference }) => found.push(inference));
    }, options);
  await assert.rejects(scored({ signal: controller.signal }), { code: 'ABORTED' });
  await scored({});
  assert.deepEqual(found.sort(), [1, 2]);
});

test('a handler in TypeScript may have more, which its functions reach by this', async () => {
  const parts = {
    name: 'shifting',
    example: int64,
    inference: int64,
    by: 100,
    loadModel: () => undefined,
    runInference(batch: readonly number[]) {
      return batch.map((n) => n + this.by);
    },
  };
  assert.deepEqual(await score(modelHandler(parts), [1, 2]), [101, 102]);
});
