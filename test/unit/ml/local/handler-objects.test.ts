// SPDX-License-Identifier: Apache-2.0
// What `modelHandler` is given: objects with fields of their own, objects of classes, and what is misspelt.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelHandler, RunInference } from '../../../../src/ml/index.ts';
import { createRunner } from '../../../../src/runners/index.ts';
import { int64 } from '../../../../src/schema/index.ts';
import { create } from '../../../../src/transforms/index.ts';

const types = { example: int64, inference: int64 };
const parts = {
  name: 'own',
  ...types,
  loadModel: () => 1,
  runInference: (batch: readonly number[]) => [...batch],
};

type Handler = Parameters<typeof RunInference.of<number, number>>[0];

async function score(handler: Handler, examples: readonly number[]): Promise<number[]> {
  const found: number[] = [];
  await createRunner({ runner: 'node' }).run((root) => {
    root
      .apply(create(examples))
      .apply(RunInference.of(handler))
      .map(({ inference }) => found.push(inference as number));
  });
  return found.sort((a, b) => a - b);
}

class Shifting {
  readonly example = int64;
  readonly inference = int64;
  calls = 0;
  closed: number[] = [];
  readonly #by: number;

  constructor(by: number) {
    this.#by = by;
  }

  get name(): string {
    return `shifting by ${this.#by}`;
  }

  loadModel(): number {
    return this.#by;
  }

  runInference(batch: readonly number[], model: number): number[] {
    this.calls += batch.length;
    return batch.map((n) => n + model);
  }

  closeModel(model: number): void {
    this.closed.push(model);
  }
}

class Doubling extends Shifting {
  override runInference(batch: readonly number[], model: number): number[] {
    return super.runInference(batch, model).map((n) => n * 2);
  }
}

test('an object of a class: its methods are called on it', async () => {
  for (const [model, predictions] of [
    [new Shifting(10), [11, 12]],
    [new Doubling(10), [22, 24]],
  ] as const) {
    const handler = modelHandler(model);
    assert.equal(handler.name, 'shifting by 10');
    assert.deepEqual(await score(handler, [1, 2]), predictions);
    assert.equal(model.calls, 2);
    assert.deepEqual(model.closed, [10]);
  }
});

test('functions change fields of their own, and a copy of a handler has others', async () => {
  const counting = {
    ...parts,
    calls: 0,
    by: 10,
    runInference(batch: readonly number[]) {
      this.calls += batch.length;
      return batch.map((n) => n + this.by);
    },
  };
  const handler = modelHandler(counting);
  assert.deepEqual(await score(handler, [1, 2]), [11, 12]);
  assert.deepEqual(await score(modelHandler({ ...handler, by: 20 } as never), [1, 2]), [21, 22]);
  assert.equal((handler as unknown as typeof counting).calls, 2);
  assert.equal(counting.calls, 0);
  assert.throws(() => {
    (handler as { name: string }).name = 'other';
  }, TypeError);
});

const OWN =
  `names examples inferences languages model models batch batches load close uri modelId modelPath game
  fame same nam concurrency preference`.split(/\s+/);

test('fields of any name are taken, and functions beside those of a handler', () => {
  for (const name of OWN) {
    modelHandler({ ...parts, [name]: [1] });
    modelHandler({ ...parts, [name]: () => 1 });
  }
  modelHandler({
    ...parts,
    closeModel: () => {},
    closeModels: () => {},
    loadModels: () => {},
  } as never);
  modelHandler({ ...parts, modelUri: 'a', modelUrl: 'b' } as never);
});

test('what is one letter from a part that is missing is refused', () => {
  const { loadModel, runInference, ...others } = parts;
  class Misspelt extends Shifting {
    clsoeModel(): void {}
    override closeModel = undefined as never;
  }
  for (const [given, name, meant] of [
    [{ ...others, runInference, loadModle: loadModel }, 'loadModle', 'loadModel'],
    [{ ...others, loadModel, runinference: runInference }, 'runinference', 'runInference'],
    [{ ...parts, closeModels: () => {} }, 'closeModels', 'closeModel'],
    [{ ...parts, modelURL: 'weights.json' }, 'modelURL', 'modelUri'],
    [{ ...parts, batchng: { maxSize: 5 } }, 'batchng', 'batching'],
    [{ ...parts, concurent: true }, 'concurent', 'concurrent'],
    [{ ...parts, example: undefined, exampel: int64 }, 'exampel', 'example'],
    [new Misspelt(1), 'clsoeModel', 'closeModel'],
  ] as const) {
    assert.throws(
      () => modelHandler(given as never),
      (error: Error & { code?: string; shortMessage?: string; hint?: string }) => {
        assert.equal(error.code, 'INVALID_ARGUMENT');
        assert.equal(error.shortMessage, `modelHandler: there is no option ${name}`);
        assert.match(error.hint ?? '', new RegExp(`^Did you mean ${meant}\\?`));
        return true;
      },
    );
  }
});

test('a class itself, and an object of one without modelHandler, are refused with what to do', () => {
  const code = 'INVALID_ARGUMENT';
  assert.throws(() => modelHandler(Shifting as never), {
    code,
    hint: /modelHandler\(new Model\(\)\)/,
  });
  assert.throws(() => modelHandler(null as never), { code, message: /null is no options/ });
  assert.throws(() => RunInference.of(new Shifting(1) as never), { code, hint: /modelHandler/ });
});
