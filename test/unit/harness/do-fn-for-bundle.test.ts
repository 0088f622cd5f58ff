// SPDX-License-Identifier: Apache-2.0
// DoFns that make an object for each bundle: several bundles at once, each with a state of its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GlobalWindow, NO_FIRING, VarIntCoder } from '../../../src/coders/index.ts';
import { BundleEngine } from '../../../src/harness/engine/index.ts';
import { readFromText, writeToKafka, writeToText } from '../../../src/io/index.ts';
import { RunInference, sklearn } from '../../../src/ml/index.ts';
import {
  type DoFn,
  type PCollection,
  Pipeline,
  parDo,
  type RegisteredParDo,
  Root,
} from '../../../src/pipeline/index.ts';
import { array, int64 } from '../../../src/schema/index.ts';
import { inputOf, io, type Stage, stageOf, valuesOf } from './support.ts';

const calls = { setups: 0, teardowns: 0, atWork: 0, most: 0 };

class Batching implements DoFn<number, number[]> {
  private batch: number[] = [];

  forBundle() {
    return new Batching();
  }
  setup() {
    calls.setups += 1;
  }
  startBundle() {
    this.batch = [];
    calls.most = Math.max(calls.most, ++calls.atWork);
  }
  async process(x: number) {
    await delay(2);
    this.batch.push(x);
  }
  finishBundle() {
    calls.atWork -= 1;
    const { batch: value } = this;
    return [{ value, timestamp: 0, windows: [GlobalWindow.INSTANCE], pane: NO_FIRING }];
  }
  teardown() {
    calls.teardowns += 1;
  }
}

function stageWith(...doFns: DoFn<never, unknown>[]): Stage {
  return stageOf(
    (input: PCollection<number>) => ({
      out: doFns.reduce(
        (all: PCollection<unknown>, doFn) => all.apply(parDo(doFn) as never),
        input,
      ),
    }),
    { input: new VarIntCoder() as never },
  );
}

async function run(stage: Stage, engine: BundleEngine, values: readonly number[]) {
  const { bundle, written } = io(inputOf(stage.encode(values)));
  await engine.start(stage.descriptor, bundle).done;
  return valuesOf(stage, 'out', written);
}

test('bundles run at once, on objects that are set up and torn down as others are', async () => {
  const stage = stageWith(new Batching());
  const engine = new BundleEngine({ functions: stage.pipeline.functions });
  const both = await Promise.all([run(stage, engine, [1, 2, 3]), run(stage, engine, [4, 5, 6])]);
  assert.deepEqual(both, [[[1, 2, 3]], [[4, 5, 6]]]);
  // One after the other, on one of the two objects.
  assert.deepEqual(await run(stage, engine, [7]), [[7]]);
  assert.deepEqual(await run(stage, engine, [8]), [[8]]);
  await engine.close();
  assert.deepEqual(calls, { setups: 2, teardowns: 2, atWork: 0, most: 2 });
});

test('one that gives no DoFn, or throws, is the error of its step', async () => {
  const wrong = (forBundle: () => unknown) =>
    Object.assign(new Batching(), { forBundle }) as DoFn<never, unknown>;
  for (const [doFn, message] of [
    [wrong(async () => new Batching()), /forBundle gave no DoFn/],
    [
      wrong(() => {
        throw new RangeError('no more');
      }),
      /RangeError: no more/,
    ],
  ] as const) {
    const stage = stageWith(doFn);
    const engine = new BundleEngine({ functions: stage.pipeline.functions });
    await assert.rejects(run(stage, engine, [1]), {
      code: 'USER_CODE_FAILED',
      transform: 'parDo(Batching)',
      message,
    });
  }
});

test('no step of this package keeps the bundles of other tasks waiting', () => {
  const pipeline = new Pipeline();
  const model = sklearn({ modelUri: 'model.pkl', example: array(int64), inference: int64 });
  const rows = new Root(pipeline)
    .apply(readFromText('in'))
    .map((line) => ({ key: line.length, value: [1, 2] }));
  const { predictions } = rows.apply(RunInference.ofKVs(model, int64).withDeadLetters());
  const lines = predictions.map(({ key, value }) => `${key} ${value.inference}`);
  lines.apply(writeToText('out/part'));
  lines.apply(writeToKafka({ bootstrapServers: 'localhost:9092', topic: 'lines' }));
  const doFns = [...pipeline.functions.values()].flatMap((each) => {
    const { user } = each as Partial<RegisteredParDo>;
    return user?.kind === 'doFn' ? [user.doFn] : [];
  });
  const exclusive = doFns.filter(({ startBundle, finishBundle }) => startBundle ?? finishBundle);
  assert.ok(exclusive.length >= 3, `${exclusive.length} of ${doFns.length}`);
  for (const doFn of exclusive) {
    const own = doFn.forBundle?.();
    assert.ok(own && own !== doFn && own.constructor === doFn.constructor, doFn.constructor.name);
  }
});
