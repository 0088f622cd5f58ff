// SPDX-License-Identifier: Apache-2.0
// A function of a test's in place of Python's model: it takes and gives the same packed batches, so
// that all around it stays what production runs.

import { AsyncLocalStorage } from 'node:async_hooks';
import { BeamBridgeError, ByteReader, ByteWriter } from '../base/index.ts';
import { BytesCoder } from '../coders/index.ts';
import { ParDo, type UserFunction } from '../pipeline/index.ts';
import { ColumnCodec } from './columns.ts';
import { type Failure, isMisfit, writeFailures } from './dead-letters.ts';
import { type InferenceTypes, predictedFields } from './packing.ts';
import { type Packed, step } from './steps.ts';

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
  const given = typeof model === 'function' ? [model] : Object.values(model ?? {});
  if (given.length === 0 || given.some((one) => typeof one !== 'function')) {
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
  const given = models.getStore();
  if (!given) return undefined;
  const model = typeof given === 'function' ? given : choose(given, request);
  const predict = new TestPredictions(types, model as TestModel<unknown>, request, hasFailures);
  const user: UserFunction = { kind: 'map', fn: (batch) => predict.answer(batch as Uint8Array) };
  return step(new ParDo<Uint8Array, Uint8Array>(user, new BytesCoder()), 'TestModel');
}

function choose(
  given: TestModels,
  { transform, modelLoader }: { transform: string; modelLoader: string },
) {
  const model = [transform, transform.split('/').at(-1)!, modelLoader]
    .filter((name) => Object.hasOwn(given, name))
    .map((name) => given[name])[0];
  if (model) return model;
  const names = Object.keys(given).map((name) => JSON.stringify(name));
  throw new BeamBridgeError('INVALID_ARGUMENT', `no test model is named for ${transform}`, {
    transform,
    hint: `Those given are for ${names.join(', ')}. Name the transform with withName('…', RunInference.of(…)), or give one function for all.`,
  });
}

/** A row's prediction, or why it has none. */
type Outcome = { prediction: unknown } | { failure: Failure };

/** Answers packed batches as Python does, see packing.ts. */
class TestPredictions {
  private readonly examples: ColumnCodec;
  private readonly keys: ColumnCodec | undefined;
  private readonly predicted: readonly (readonly [string, ColumnCodec])[];

  constructor(
    types: InferenceTypes,
    private readonly model: TestModel<unknown>,
    private readonly request: Omit<TestModelRequest, 'keys'>,
    private readonly hasFailures: boolean,
  ) {
    this.examples = new ColumnCodec('example', types.example);
    this.keys = types.key && new ColumnCodec('key', types.key);
    this.predicted = predictedFields(types).map(([name, type]) => [
      name,
      new ColumnCodec(name, type),
    ]);
  }

  async answer(batch: Uint8Array): Promise<Uint8Array> {
    const input = new ByteReader(batch);
    const count = input.varint();
    input.prefixedBytes();
    const keyColumn = input.prefixedBytes();
    const keys = this.keys?.read(keyColumn, count);
    const examples = this.examples.read(input.prefixedBytes(), count);
    const outcomes = this.hasFailures
      ? await this.inHalves(examples, keys)
      : (await this.predict(examples, keys)).map((prediction) => ({ prediction }));
    const failures = new Map<number, Failure>();
    const predictions: unknown[] = [];
    outcomes.forEach((outcome, row) => {
      if ('failure' in outcome) failures.set(row, outcome.failure);
      else predictions.push(outcome.prediction);
    });
    const out = new ByteWriter();
    out.prefixedBytes(batch);
    if (this.hasFailures) out.prefixed((part) => writeFailures(failures, part));
    for (const [name, codec] of this.predicted) {
      const values = name === 'inference' ? predictions : predictions.map(() => 'test model');
      out.prefixed((column) => writeColumn(name, codec, values, column));
    }
    return out.detach();
  }

  private async predict(
    examples: unknown[],
    keys: unknown[] | undefined,
  ): Promise<readonly unknown[]> {
    const predictions = await this.model([...examples], { ...this.request, keys });
    if (Array.isArray(predictions) && predictions.length === examples.length) return predictions;
    const found = Array.isArray(predictions) ? `${predictions.length} predictions` : 'no array';
    throw new BeamBridgeError(
      'INFERENCE_MISMATCH',
      `the test model gave ${found} for ${examples.length} examples`,
      { hint: 'A model gives an array with one prediction for each example, in order.' },
    );
  }

  /** What the model gives, with exactly the bad rows failed: a batch that fails is tried in halves. */
  private async inHalves(examples: unknown[], keys: unknown[] | undefined): Promise<Outcome[]> {
    let predictions: readonly unknown[];
    try {
      predictions = await this.predict(examples, keys);
    } catch (error) {
      if (examples.length === 1) return [{ failure: failureOf(error) }];
      const half = examples.length >> 1;
      return [
        ...(await this.inHalves(examples.slice(0, half), keys?.slice(0, half))),
        ...(await this.inHalves(examples.slice(half), keys?.slice(half))),
      ];
    }
    return predictions.map((prediction) => this.checked(prediction));
  }

  private checked(prediction: unknown): Outcome {
    try {
      writeColumn('inference', this.predicted[0]![1], [prediction], new ByteWriter());
      return { prediction };
    } catch (error) {
      return { failure: failureOf(error) };
    }
  }
}

function writeColumn(
  name: string,
  codec: ColumnCodec,
  values: readonly unknown[],
  out: ByteWriter,
): void {
  try {
    codec.write(values, out);
  } catch (error) {
    if (!isMisfit(error)) throw error;
    const hint =
      name === 'inference'
        ? 'Declare the type that the model gives, or convert in the test model.'
        : 'Declare model_id: nullable(string).';
    throw new BeamBridgeError('INFERENCE_MISMATCH', error.shortMessage, { hint });
  }
}

const LONGEST_TRACEBACK = 8_000;

function failureOf(thrown: unknown): Failure {
  if (thrown instanceof BeamBridgeError) {
    return { errorType: thrown.code, message: thrown.shortMessage, traceback: '' };
  }
  if (!(thrown instanceof Error)) {
    return { errorType: typeof thrown, message: String(thrown), traceback: '' };
  }
  const { name, message, stack = '' } = thrown;
  return { errorType: name, message, traceback: stack.slice(-LONGEST_TRACEBACK) };
}
