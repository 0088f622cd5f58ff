// SPDX-License-Identifier: Apache-2.0
// RunInference: Python's model handlers on TypeScript's PCollections.

import { BeamBridgeError } from '../base/index.ts';
import {
  BytesCoder,
  type Coder,
  type KV,
  KVCoder,
  RowCoder,
  type Window,
} from '../coders/index.ts';
import { pythonCallable, pythonTransform, typed } from '../external/index.ts';
import {
  ParDo,
  type PCollection,
  type Pipeline,
  PTransformClass,
  type PValue,
  type TransformNode,
  type UserFunction,
} from '../pipeline/index.ts';
import {
  type Accepts,
  bytes,
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
import type { DeadLettered } from './dead-letters.ts';
import { asRow, type InferenceFields, inferenceTypes, schemaBytes } from './declared.ts';
import {
  isModelHandler,
  isPythonHandler,
  type ModelHandler,
  ownLoaderModule,
  type PythonModelHandler,
  pythonModelHandler,
} from './handlers/handler.ts';
import { isTypeScriptHandler, type TypeScriptModelHandler } from './handlers/typescript.ts';
import { RUN_INFERENCE, runInferenceSource } from './host-module.ts';
import { localInferenceStep } from './local/local-inference.ts';
import { extrasBeside, inferExtras } from './packages.ts';
import { type InferenceTypes, PackExamples, packingContext, UnpackPredictions } from './packing.ts';
import { type Packed, step, withFailed } from './steps.ts';
import { testModelStep } from './test-model.ts';

type AnyRow = { example: unknown; inference: unknown };

/** What a `RunInference` gives for each example. */
export interface PredictionResult<ExampleT, InferenceT> {
  /** The input's element. */
  example: ExampleT;
  /** What the model made of it. */
  inference: InferenceT;
}

/** An output of `RunInference` with the model's identity in each prediction. */
export type WithModelId<OutputT> =
  OutputT extends KV<infer K, infer V>
    ? KV<K, V & { model_id: string | null }>
    : OutputT & { model_id: string | null };

interface Settings {
  handler: PythonModelHandler | TypeScriptModelHandler<never, unknown, unknown>;
  output: RowType<unknown>;
  types: InferenceTypes;
  expansionService: string | undefined;
  deadLetters: boolean;
}

/**
 * Applies a machine-learning model with a model handler of Python's Beam SDK.
 *
 * Elements in need no coder: the declared example type encodes them, and the declared inference type
 * is what the handler's prediction is converted to. What does not fit either is an error that names
 * the field: nothing is rounded or cut.
 *
 * What a handler gets for an example: numbers and lists of numbers as numpy arrays of the declared
 * type, or as tensors or data frames where the handler's class says that it takes those; strings and
 * bytes as they are; rows as one-row data frames or dicts of tensors. A handler whose class says
 * nothing gets Python numbers, lists, dicts and named tuples, and declared tensors as numpy arrays.
 *
 * Examples travel in packed batches and keep their timestamp, window and pane. A setting of the
 * handler that lets batches wait (`min_batch_size`, `max_batch_duration_secs`) applies to them.
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
> extends PTransformClass<PCollection<InputT>, ResultT> {
  private constructor(private readonly settings: Settings) {
    super('RunInference');
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
    return RunInference.from(handler, types, undefined);
  }

  /**
   * For key-values: the value is the example, and predictions come out under their key. A handler
   * that is no `KeyedModelHandler` is made one.
   *
   * @param handler - the model, how it is run, and what goes in and out
   * @param keyType - type of the keys
   */
  static ofKVs<ExampleT, InferenceT, K>(
    handler: ModelHandler<ExampleT, InferenceT>,
    keyType: SchemaType<K>,
  ): RunInference<KV<K, Accepts<ExampleT>>, KV<K, PredictionResult<ExampleT, InferenceT>>>;
  static ofKVs<const F extends InferenceFields, K>(
    modelLoader: string,
    types: F,
    keyType: SchemaType<K>,
  ): RunInference<KV<K, Accepts<Infer<F['example']>>>, KV<K, InferFields<F>>>;
  static ofKVs<T extends AnyRow, K>(
    modelLoader: string,
    schema: RowType<T>,
    keyType: SchemaType<K>,
  ): RunInference<KV<K, Accepts<T['example']>>, KV<K, T>>;
  static ofKVs(
    handler: ModelHandler | string,
    typesOrKey: InferenceFields | RowType<AnyRow> | SchemaType,
    keyOfLoader?: SchemaType,
  ): RunInference<unknown, unknown> {
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
    return RunInference.from(handler, types, keyType);
  }

  private static from(
    given: ModelHandler | string,
    types: InferenceFields | RowType<AnyRow> | undefined,
    key: SchemaType | undefined,
  ): RunInference<unknown, unknown> {
    const output: RowType<unknown> = isModelHandler(given)
      ? row({ example: given.example, inference: given.inference })
      : isSchemaType(types)
        ? asRow(types)
        : row(types ?? {});
    const declared = { ...inferenceTypes(output), key };
    const handler = isModelHandler(given)
      ? given
      : pythonModelHandler({ ...declared, loader: given, extras: inferExtras(given, []) });
    return new RunInference({
      handler: runnable(handler),
      output,
      types: declared,
      expansionService: undefined,
      deadLetters: false,
    });
  }

  /**
   * The same transform with one more keyword argument for the model loader. A value's type is
   * inferred, or given by `typed`; `pythonCallable` makes a Python function of text.
   *
   * A relative path of a local model starts from the folder in which the program runs. A Python
   * enumeration is given by its member's name: `withKwarg('model_file_type', 'JOBLIB')`.
   */
  withKwarg(name: string, value: unknown): RunInference<InputT, OutputT, ResultT> {
    return this.withKwargs({ [name]: value });
  }

  /** The same transform with more keyword arguments for the model loader. */
  withKwargs(kwargs: Readonly<Record<string, unknown>>): RunInference<InputT, OutputT, ResultT> {
    const handler = this.pythonHandler('withKwargs');
    return this.changed({ handler: { ...handler, kwargs: { ...handler.kwargs, ...kwargs } } });
  }

  /**
   * The same transform with more Python packages: names on PyPI with or without a version, or paths
   * of local packages. What Beam's own handlers need is known and need not be named.
   */
  withExtraPackages(packages: readonly string[]): RunInference<InputT, OutputT, ResultT> {
    const handler = this.pythonHandler('withExtraPackages');
    return this.changed({ handler: { ...handler, packages: [...handler.packages, ...packages] } });
  }

  /**
   * The same transform, expanded by a service that somebody else runs instead of the managed
   * Python. It must let a caller name any transform, and hold the packages that the handler needs.
   *
   * @param address - `HOST:PORT`
   */
  withExpansionService(address: string): RunInference<InputT, OutputT, ResultT> {
    this.pythonHandler('withExpansionService');
    return this.changed({ expansionService: address });
  }

  /** The same transform with `model_id`, which model made the prediction, in each prediction. */
  withModelId(): RunInference<InputT, WithModelId<OutputT>> {
    const { output, types, deadLetters } = this.settings;
    if (deadLetters) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        'withModelId() comes before withDeadLetters()',
        {
          hint: 'Write .withModelId().withDeadLetters().',
        },
      );
    }
    const fields = Object.fromEntries(output.fields.map(({ name, type }) => [name, type]));
    const withId: RowType<unknown> = row({ ...fields, model_id: nullable(string) });
    return new RunInference<InputT, WithModelId<OutputT>>({
      ...this.settings,
      output: withId,
      types: { ...inferenceTypes(withId), key: types.key },
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
   * @example
   * ```ts
   * const { predictions, failed } = pixels.apply(scoring.withDeadLetters());
   * failed.map(({ element, errorType, message }) => `${element}: ${errorType}: ${message}`);
   * ```
   */
  withDeadLetters(): RunInference<InputT, OutputT, DeadLettered<InputT, OutputT>> {
    return new RunInference<InputT, OutputT, DeadLettered<InputT, OutputT>>({
      ...this.settings,
      deadLetters: true,
    });
  }

  private changed(settings: Partial<Settings>): RunInference<InputT, OutputT, ResultT> {
    return new RunInference<InputT, OutputT, ResultT>({ ...this.settings, ...settings });
  }

  override expandInternal(
    input: PCollection<InputT>,
    _pipeline: Pipeline,
    node: TransformNode,
  ): ResultT {
    const { types, output, deadLetters } = this.settings;
    const { windowFn } = input.node.windowing;
    const windowCoder = windowFn.windowCoder() as Coder<Window>;
    const fields = output.fields.map((field) => field.name);
    const pack: UserFunction = {
      kind: 'doFn',
      doFn: new PackExamples(types, windowCoder, deadLetters) as never,
      context: packingContext(),
    };
    const unpack: UserFunction = {
      kind: 'doFn',
      doFn: new UnpackPredictions(types, fields, deadLetters) as never,
    };
    const rows = new RowCoder(output) as Coder<unknown>;
    const coder = (types.key ? new KVCoder(coderOf(types.key), rows) : rows) as Coder<OutputT>;
    const { handler } = this.settings;
    const kwargs = isPythonHandler(handler) ? handler.kwargs : {};
    const request = { transform: node.name, modelLoader: handler.name, kwargs };
    const model =
      testModelStep(types, deadLetters, request) ??
      (isPythonHandler(handler) ? this.external(handler, node.name) : this.local(handler));
    // Without dead letters there is one output, and so the plain steps.
    const result = deadLetters
      ? withFailed<InputT, OutputT>(input, pack, model, unpack, coder)
      : input
          .apply(step(new ParDo<InputT, Uint8Array>(pack, new BytesCoder()), 'Pack'))
          .apply(model)
          .apply(step(new ParDo<Uint8Array, OutputT>(unpack, coder), 'Unpack'));
    return result as PValue as ResultT;
  }

  /** The handler, which a method that only Python's handlers know is about. */
  private pythonHandler(method: string): PythonModelHandler {
    const { handler } = this.settings;
    if (isPythonHandler(handler)) return handler;
    throw new BeamBridgeError('INVALID_ARGUMENT', `${method}() is for handlers that Python runs`, {
      hint: `${handler.name} runs in TypeScript: give its options where it is made.`,
    });
  }

  private local(handler: TypeScriptModelHandler<never, unknown, unknown>): Packed {
    const { types, deadLetters } = this.settings;
    return localInferenceStep({
      handler,
      types,
      hasFailures: deadLetters,
      inferenceArgs: {},
      metricsNamespace: `BeamML_${handler.name}`,
    });
  }

  private external(handler: PythonModelHandler, transform: string): Packed {
    const { types, output, expansionService, deadLetters } = this.settings;
    const { loader, kwargs, extras, packages } = handler;
    const managed = expansionService === undefined;
    const own = ownLoaderModule(loader);
    const args: Record<string, unknown> = {
      model_handler_provider: own ? loader : pythonCallable(loader),
      schema: typed(bytes, schemaBytes(output)),
      transform,
    };
    if (types.key) args.key_schema = typed(bytes, schemaBytes(row({ key: types.key })));
    // Arguments of our own loaders are values of JSON's, which need no type.
    if (own) args.options = JSON.stringify(kwargs);
    else if (Object.keys(kwargs).length > 0) args.kwargs = kwargs;
    if (deadLetters) args.dead_letters = true;
    // Only the managed host runs on this machine for sure.
    if (managed) args.base_dir = process.cwd();
    else args.source = runInferenceSource(own);
    return pythonTransform(managed ? RUN_INFERENCE : '__constructor__', args, undefined, {
      output: bytes,
      packages,
      extras: extrasBeside(extras, packages),
      expansionService,
    }) as Packed;
  }
}

function runnable(handler: ModelHandler): Settings['handler'] {
  if (isPythonHandler(handler) || isTypeScriptHandler(handler)) return handler as never;
  throw new BeamBridgeError('INVALID_ARGUMENT', 'RunInference was given no model handler', {
    hint: 'Make one with sklearn, onnx, onnxLocal, modelHandler or the like.',
  });
}
