// SPDX-License-Identifier: Apache-2.0
// RunInference: Python's model handlers on TypeScript's PCollections.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, JsCoder, type KV } from '../coders/index.ts';
import type { PythonCallable } from '../external/index.ts';
import type { PCollection, Pipeline, PValue, TransformNode } from '../pipeline/index.ts';
import {
  type Accepts,
  coderOf,
  type Infer,
  type InferFields,
  isSchemaType,
  nullable,
  type RowType,
  row,
  type SchemaType,
  string,
} from '../schema/index.ts';
import { checkDeadLetters } from './check-options.ts';
import { Configurable } from './configurable.ts';
import { type InferenceFields, inferenceTypes } from './declared.ts';
import { expandSteps } from './expand.ts';
import type { DeadLettered, DeadLetterOptions } from './failures/dead-letters.ts';
import { checkCallable, type ValueFunction } from './functions.ts';
import { withHandlersBatching } from './handler-batching.ts';
import { isModelHandler, isPythonHandler, type ModelHandler } from './handlers/handler.ts';
import { localStep } from './local/local-step.ts';
import { nativePackageOf } from './local/onnx-runtime.ts';
import { testModelStep } from './local/test-model.ts';
import type { Keyed, PredictionResult, Result, Value, WithModelId } from './prediction.ts';
import { pythonStep } from './python/python-step.ts';
import { type AnyRow, initialSettings, type Settings } from './settings.ts';

/**
 * Applies a machine-learning model with a model handler of Python's Beam SDK.
 *
 * Elements in need no coder: the declared example type encodes them, and the declared inference type
 * is what the handler's prediction is converted to. What does not fit either is an error that names
 * the field: nothing is rounded or cut.
 *
 * What a handler gets for an example: numbers and lists of numbers as numpy arrays of the declared
 * type, or as tensors or data frames where the handler's class says that it takes those; strings and
 * bytes as they are; rows as data frames or dicts of tensors (docs/python-types.md). A handler whose
 * class says nothing gets Python numbers, lists, dicts and named tuples, and declared tensors as numpy arrays.
 *
 * Examples travel in packed batches and keep their timestamp, window and pane. The sizes
 * of batches that the handler was made with apply to them.
 *
 * **Security.** A model file may be a program: scikit-learn's and PyTorch's pickled models run code
 * when they are loaded, and so does the text of a model loader. Load only what you trust.
 *
 * Errors when applied: `INVALID_ARGUMENT`, `INVALID_SCHEMA`. When run: `UNKNOWN_PYTHON_CALLABLE`,
 * `PYTHON_EXCEPTION`, `MODEL_NOT_FOUND`, `MODEL_INVALID`, `ROW_MISMATCH` and `INT64_OUT_OF_RANGE`
 * for examples, `INFERENCE_MISMATCH` for predictions, `EXPANSION_SERVICE_UNAVAILABLE`.
 *
 * @example
 * ```ts
 * const digits = sklearn({ modelUri: 'digits.pkl', example: array(int64), inference: int64 });
 * const predictions = pixels.apply(RunInference.of(digits));
 * predictions.map(({ example, inference }) => …);
 * ```
 */
export class RunInference<
  InputT,
  OutputT,
  ResultT extends PValue = PCollection<OutputT>,
  KeyT = never,
  FailedT = InputT,
> extends Configurable<Settings, InputT, ResultT> {
  private constructor(settings: Settings) {
    super(settings);
  }

  /**
   * For elements without keys.
   *
   * @param handler - the model, how it is run, and what goes in and out
   */
  static of<ExampleT, InferenceT>(
    handler: ModelHandler<ExampleT, InferenceT>,
  ): RunInference<Accepts<ExampleT>, PredictionResult<ExampleT, InferenceT>>;
  /**
   * With a model handler of Python's by its name or text.
   *
   * @param modelLoader - dotted name of a model handler's class, or of a function that returns a
   *   handler; or Python source text whose last statement is such a function or class
   * @param types - the types of the output row `{ example, inference }`, which may also have a
   *   `model_id: nullable(string)`: which model made the prediction
   */
  static of<const F extends InferenceFields>(
    modelLoader: string,
    types: F,
  ): RunInference<Accepts<Infer<F['example']>>, InferFields<F>>;
  /** @param schema - the same as a row type */
  static of<T extends AnyRow>(
    modelLoader: string,
    schema: RowType<T>,
  ): RunInference<Accepts<T['example']>, T>;
  static of(
    handler: ModelHandler | string,
    types?: InferenceFields | RowType<AnyRow>,
  ): RunInference<unknown, unknown> {
    return new RunInference(initialSettings(handler, types, undefined));
  }

  /**
   * For key-values: the value is the example, and predictions come out under their key. Every handler is
   * given the values, but for one whose class declares `(key, example)` pairs, as `KeyedModelHandler` does.
   *
   * @param handler - the model, how it is run, and what goes in and out
   * @param keyType - type of the keys
   */
  static ofKVs<ExampleT, InferenceT, K>(
    handler: ModelHandler<ExampleT, InferenceT>,
    keyType: SchemaType<K>,
  ): RunInference<
    KV<K, Accepts<ExampleT>>,
    KV<K, PredictionResult<ExampleT, InferenceT>>,
    PCollection<KV<K, PredictionResult<ExampleT, InferenceT>>>,
    K
  >;
  static ofKVs<const F extends InferenceFields, K>(
    modelLoader: string,
    types: F,
    keyType: SchemaType<K>,
  ): RunInference<
    KV<K, Accepts<Infer<F['example']>>>,
    KV<K, InferFields<F>>,
    PCollection<KV<K, InferFields<F>>>,
    K
  >;
  static ofKVs<T extends AnyRow, K>(
    modelLoader: string,
    schema: RowType<T>,
    keyType: SchemaType<K>,
  ): RunInference<KV<K, Accepts<T['example']>>, KV<K, T>, PCollection<KV<K, T>>, K>;
  static ofKVs(
    handler: ModelHandler | string,
    typesOrKey: InferenceFields | RowType<AnyRow> | SchemaType,
    keyOfLoader?: SchemaType,
  ): unknown {
    const isHandler = isModelHandler(handler);
    const keyType = isHandler ? (typesOrKey as SchemaType) : keyOfLoader;
    if (!keyType || !isSchemaType(keyType)) {
      throw new BeamBridgeError('INVALID_SCHEMA', 'RunInference.ofKVs has no key type', {
        hint: isHandler
          ? 'Give the type of the keys after the handler, such as string.'
          : 'Give the type of the keys after those of example and inference, such as string.',
      });
    }
    const types = isHandler ? undefined : (typesOrKey as InferenceFields);
    return new RunInference(initialSettings(handler, types, keyType));
  }

  /** The same transform with `model_id`, which model made the prediction, in each prediction. */
  withModelId(): RunInference<
    InputT,
    WithModelId<OutputT>,
    Result<ResultT, FailedT, WithModelId<OutputT>>,
    KeyT,
    FailedT
  > {
    const { output, types, after } = this.settings;
    if (after.length > 0) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'withModelId() comes after withPostprocess()', {
        hint: 'Write .withModelId().withPostprocess(…): the function then gets the model_id.',
      });
    }
    const fields = Object.fromEntries(output.fields.map(({ name, type }) => [name, type]));
    const withId: RowType<unknown> = row({ ...fields, model_id: nullable(string) });
    return new RunInference({
      ...this.settings,
      output: withId,
      types: { ...inferenceTypes(withId), key: types.key },
    });
  }

  /**
   * The same transform with a function in front of the model. Given several times, the one given last
   * runs first, as in Beam: each is put in front of what is there.
   *
   * A Python callable runs beside the handler and leaves the declared types as they are: the output's
   * `example` is what it was given. A TypeScript function runs before rows are packed, may be async,
   * and changes the type of the input; the output's `example` is what it returned. With keys, a function
   * is given the example, and a TypeScript one the key after it.
   *
   * With dead letters, an element for which a function throws is one, with `step: 'preprocess'`.
   *
   * @throws `INVALID_ARGUMENT` for a Python callable in front of a TypeScript function
   * @example
   * ```ts
   * scoring.withPreprocess((line: string) => line.split(',').map(Number));
   * scoring.withPreprocess(pythonCallable('lambda pixels: pixels / 16'));
   * ```
   */
  withPreprocess(callable: PythonCallable): this;
  withPreprocess<T>(
    fn: (example: T, key: KeyT) => Value<InputT, KeyT> | Promise<Value<InputT, KeyT>>,
  ): RunInference<
    Keyed<KeyT, T>,
    OutputT,
    Result<ResultT, FailedT | Keyed<KeyT, T>, OutputT>,
    KeyT,
    FailedT | Keyed<KeyT, T>
  >;
  withPreprocess(fn: PythonCallable | ValueFunction): unknown {
    const { before, options } = this.settings;
    if (typeof fn === 'function')
      return new RunInference({ ...this.settings, before: [fn, ...before] });
    checkCallable('withPreprocess', fn, before);
    return this.withOptions({ preprocess: [...(options.preprocess ?? []), fn] });
  }

  /**
   * The same transform with a function behind the model. Given several times, the one given first runs
   * first.
   *
   * A Python callable gets what the handler gives, mostly a `PredictionResult`; what it returns is
   * converted to the declared inference. A TypeScript function gets the whole prediction `{ example,
   * inference }`, with keys the key after it, and what it returns is the output, under its key; `type` is
   * the type of that, or else any JavaScript value.
   *
   * With dead letters, an element for which a function throws is one, with `step: 'postprocess'`.
   *
   * @throws `INVALID_ARGUMENT` for a Python callable behind a TypeScript function
   * @example
   * ```ts
   * scoring.withPostprocess(({ inference }) => `a ${inference}`, string);
   * ```
   */
  withPostprocess(callable: PythonCallable): this;
  withPostprocess<T>(
    fn: (
      prediction: Value<OutputT, KeyT>,
      key: KeyT,
    ) => NoInfer<Accepts<T>> | Promise<NoInfer<Accepts<T>>>,
    type: SchemaType<T>,
  ): RunInference<InputT, Keyed<KeyT, T>, Result<ResultT, FailedT, Keyed<KeyT, T>>, KeyT, FailedT>;
  withPostprocess<T>(
    fn: (prediction: Value<OutputT, KeyT>, key: KeyT) => T | Promise<T>,
  ): RunInference<InputT, Keyed<KeyT, T>, Result<ResultT, FailedT, Keyed<KeyT, T>>, KeyT, FailedT>;
  withPostprocess(fn: PythonCallable | ValueFunction, type?: SchemaType): unknown {
    const { after, afterCoders, options } = this.settings;
    if (typeof fn !== 'function') {
      checkCallable('withPostprocess', fn, after);
      return this.withOptions({ postprocess: [...(options.postprocess ?? []), fn] });
    }
    const coder = type ? coderOf(type) : (new JsCoder() as Coder<unknown>);
    return new RunInference({
      ...this.settings,
      after: [...after, fn],
      afterCoders: [...afterCoders, coder],
    });
  }

  /**
   * The same transform with two outputs: `predictions`, and under `failed` each example that could
   * not be scored, with the reason. Without this, one such example fails the run.
   *
   * Exactly the bad rows fail: a batch on which the handler raises is tried again in halves, down to
   * single rows, so a handler may see a row more than once. Failed are rows on which the handler or
   * its pre- or post-processing raises, whose prediction does not fit the declared type
   * (`INFERENCE_MISMATCH`), and elements that do not fit the declared example or key
   * (`ROW_MISMATCH`, `INT64_OUT_OF_RANGE`); the last never leave TypeScript. A model that cannot be
   * loaded is still an error of the run. Beam's own `with_exception_handling` fails whole batches.
   *
   * @throws `INVALID_ARGUMENT` for a threshold or time limit that cannot be; when run,
   *   `DEAD_LETTER_THRESHOLD` when too many rows fail
   *
   * @example
   * ```ts
   * const { predictions, failed } = pixels.apply(scoring.withDeadLetters());
   * failed.map(({ element, errorType, message }) => `${element}: ${errorType}: ${message}`);
   * ```
   */
  withDeadLetters(
    deadLetters: DeadLetterOptions = {},
  ): RunInference<InputT, OutputT, DeadLettered<FailedT, OutputT>, KeyT, FailedT> {
    const options = { ...this.settings.options, deadLetters: checkDeadLetters(deadLetters) };
    return new RunInference({ ...this.settings, options });
  }

  protected override changed(settings: Partial<Settings>): this {
    return new RunInference<InputT, OutputT, ResultT, KeyT, FailedT>({
      ...this.settings,
      ...settings,
    }) as this;
  }

  override expandInternal(
    input: PCollection<InputT>,
    pipeline: Pipeline,
    node: TransformNode,
  ): ResultT {
    const { handler, types, expansionService } = this.settings;
    const options = withHandlersBatching(this.settings.options, handler);
    const settings = { ...this.settings, options };
    const kwargs = isPythonHandler(handler) ? handler.kwargs : {};
    const request = { transform: node.name, modelLoader: handler.name, kwargs };
    const folder = expansionService === undefined ? process.cwd() : undefined;
    const tested = testModelStep(types, options.deadLetters !== undefined, request);
    if (tested || !isPythonHandler(handler)) {
      node.staysHere = 'loads its model once, in the process that runs the pipeline';
    }
    const model =
      tested ??
      (isPythonHandler(handler)
        ? pythonStep({ ...settings, handler }, pipeline, node)
        : localModel(pipeline, { ...settings, handler }, node.name));
    if (options.deadLetters) node.staysHere = 'counts the dead letters of the whole run';
    return expandSteps(input, settings, model, node.name, folder) as PValue as ResultT;
  }
}

/** A model in the process that runs the pipeline's functions, which must then have its native code. */
function localModel(pipeline: Pipeline, ...[settings, transform]: Parameters<typeof localStep>) {
  const native = nativePackageOf(settings.handler);
  if (native) pipeline.nativePackages.add(native);
  return localStep(settings, transform);
}
