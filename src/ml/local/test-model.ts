// SPDX-License-Identifier: Apache-2.0
// A function of a test's in place of Python's model; all around it stays what production runs.

import { AsyncLocalStorage } from 'node:async_hooks';
import { BeamBridgeError, NO_TURN, type TurnAsking, Turns } from '../../base/index.ts';
import { BytesCoder } from '../../coders/index.ts';
import { AskingParam, ParDo, type UserFunction } from '../../pipeline/index.ts';
import { PackedAnswers } from '../packing/packed-answers.ts';
import type { InferenceTypes } from '../packing/packing.ts';
import { type Packed, step } from '../steps.ts';

/** Which `RunInference` a {@link TestModel} stands for. */
export interface TestModelRequest {
  /** Unique name of the transform. */
  readonly transform: string;
  /** Handler's name or source text, as the pipeline gave it. */
  readonly modelLoader: string;
  /** Arguments for the model loader. */
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Keys of the examples, with `RunInference.ofKVs`. */
  readonly keys: readonly unknown[] | undefined;
}

/**
 * A model for tests: examples in, as many predictions out, in the same order. How many examples come
 * at once depends on the runner and says nothing.
 */
export type TestModel<ExampleT = never> = (
  examples: ExampleT[],
  request: TestModelRequest,
) => readonly unknown[] | Promise<readonly unknown[]>;

/** Test models by the unique name of the transform, or by the name of the model handler. */
export type TestModels = Readonly<Record<string, TestModel>>;

const models = new AsyncLocalStorage<TestModel | TestModels>();

/** The calls of one function follow each other, as those of a model do: it may fill arrays of its own. */
const turns = new WeakMap<TestModel, Turns>();

function turnsOf(model: TestModel): Turns {
  const known = turns.get(model);
  if (known) return known;
  const made = new Turns({
    what: 'the test model',
    because: 'the calls of a test model follow each other',
    hint: 'Its calls follow each other, so that this one would wait for ever. Give each RunInference a function of its own.',
    room: 'ml',
  });
  turns.set(model, made);
  return made;
}

/**
 * Puts a function in the place of every Python model of the pipelines that are constructed within
 * `run`. Neither Python nor the model is needed then, and the pipeline's code does not change.
 *
 * All else is as in production: examples and predictions are checked against their declared types
 * (`ROW_MISMATCH`, `INFERENCE_MISMATCH`), keys, timestamps and windows stay with their elements, and
 * with dead letters an example for which the function throws is a failed one.
 *
 * @param model - one function for all, or several by the name of the transform (given by `withName`)
 *   or of the model handler
 * @param run - runs the pipelines; whatever it returns is returned
 * @throws `INVALID_ARGUMENT` when a `RunInference` is applied that no name fits
 *
 * @example
 * ```ts
 * await withTestModel(
 *   (examples: number[][]) => examples.map((pixels) => pixels.indexOf(Math.max(...pixels))),
 *   () => createRunner({ runner: 'node' }).run(scoreDigits),
 * );
 * ```
 */
export function withTestModel<R, ExampleT = unknown>(
  model: TestModel<ExampleT> | TestModels,
  run: () => R,
): R {
  const functions = typeof model === 'function' ? [model] : Object.values(model ?? {});
  if (functions.length === 0 || functions.some((each) => typeof each !== 'function')) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'withTestModel was given no model', {
      hint: 'Give a function of the examples, (examples) => predictions, or an object of such functions by name.',
    });
  }
  return models.run(model as TestModel | TestModels, run);
}

/**
 * What stands in for Python's transform where a test model is in force; undefined elsewhere.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` when there are models, but none for this transform
 */
export function testModelStep(
  types: InferenceTypes,
  hasFailures: boolean,
  request: Omit<TestModelRequest, 'keys'>,
): Packed | undefined {
  const current = models.getStore();
  if (!current) return undefined;
  const model = typeof current === 'function' ? current : choose(current, request);
  const own = turnsOf(model);
  const answer = async (batch: Uint8Array, asking: TurnAsking) => {
    let turn = NO_TURN;
    const answers = new PackedAnswers(
      types,
      {
        what: 'the test model',
        use: async ([update]) => {
          // Until the answer is bytes.
          turn = (await own.take(asking)) ?? NO_TURN;
          if (turn === NO_TURN) throw lost();
          return update?.path || 'test model';
        },
        predict: (examples, keys) =>
          turn.run(() => (model as TestModel<unknown>)(examples, { ...request, keys })),
      },
      hasFailures,
    );
    try {
      return await answers.answer(batch);
    } finally {
      turn.end();
    }
  };
  const user: UserFunction = {
    kind: 'map',
    fn: (batch, context) =>
      answer(batch as Uint8Array, (context as { asking: AskingParam }).asking.lookup()),
    context: { asking: new AskingParam() },
  };
  return step(new ParDo<Uint8Array, Uint8Array>(user, new BytesCoder()), 'TestModel');
}

function lost(): BeamBridgeError {
  return new BeamBridgeError(
    'TIMEOUT',
    'the test model is still at work for a run that has ended',
    {
      hint: 'A call of it does not come back. Give each run a function of its own.',
    },
  );
}

function choose(
  named: TestModels,
  { transform, modelLoader }: { transform: string; modelLoader: string },
) {
  const model = [transform, transform.split('/').at(-1)!, modelLoader]
    .filter((name) => Object.hasOwn(named, name))
    .map((name) => named[name])[0];
  if (model) return model;
  const names = Object.keys(named).map((name) => JSON.stringify(name));
  throw new BeamBridgeError('INVALID_ARGUMENT', `no test model is named for ${transform}`, {
    transform,
    hint: `Those given are for ${names.join(', ')}. Name the transform with withName('…', RunInference.of(…)), or give one function for all.`,
  });
}
