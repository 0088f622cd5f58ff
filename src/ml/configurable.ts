// SPDX-License-Identifier: Apache-2.0
// What a RunInference can be asked for that leaves its types as they are.

import { BeamBridgeError, checkOptionNames, checkTexts, given } from '../base/index.ts';
import { describeValue } from '../coders/index.ts';
import {
  type PCollection,
  type PTransform,
  PTransformClass,
  type PValue,
} from '../pipeline/index.ts';
import {
  checkBatching,
  checkCount,
  checkModelManager,
  checkResourceHints,
  checkText,
} from './check-options.ts';
import { isPythonHandler, type PythonModelHandler } from './handlers/handler.ts';
import { isPerKey } from './handlers/per-key.ts';
import type { TypeScriptModelHandler } from './handlers/typescript.ts';
import type {
  BatchingOptions,
  InferenceOptions,
  ModelManagerOptions,
  ResourceHints,
} from './options.ts';
import type { UpdateSource } from './updates/model-updates.ts';
import { checkWatched, type WatchedModelOptions } from './updates/model-updates.ts';
import type { ModelMetadata } from './updates/updates.ts';

/** Settings that this file changes. */
export interface ConfigurableSettings {
  readonly handler: PythonModelHandler | TypeScriptModelHandler<never, unknown, unknown>;
  readonly expansionService: string | undefined;
  readonly monitoring: PTransform<PCollection<unknown>, PValue> | undefined;
  readonly options: InferenceOptions;
  readonly updates: UpdateSource | undefined;
}

/** Methods of `RunInference`. Each gives a new transform and leaves the old one as it was. */
export abstract class Configurable<
  SettingsT extends ConfigurableSettings,
  InputT,
  ResultT extends PValue,
> extends PTransformClass<PCollection<InputT>, ResultT> {
  /** @internal */
  protected constructor(protected readonly settings: SettingsT) {
    super('RunInference');
  }

  /** The same transform with other settings. @internal */
  protected abstract changed(settings: Partial<ConfigurableSettings>): this;

  /** @internal */
  protected withOptions(options: InferenceOptions): this {
    return this.changed({ options: { ...this.settings.options, ...options } });
  }

  /** The handler, which a method that only Python's handlers know is about. @internal */
  protected pythonHandler(method: string): PythonModelHandler {
    const { handler } = this.settings;
    if (isPythonHandler(handler)) return handler;
    throw new BeamBridgeError('INVALID_ARGUMENT', `${method}() is for handlers that Python runs`, {
      hint: `${handler.name} runs in TypeScript: give its options where it is made.`,
    });
  }

  /**
   * The same transform with one more keyword argument for the model loader. A value's type is
   * inferred, or given by `typed`; `pythonCallable` makes a Python function of text.
   *
   * A relative path of a local model starts from the folder in which the program runs. A Python
   * enumeration is given by its member's name: `withKwarg('model_file_type', 'JOBLIB')`.
   */
  withKwarg(name: string, value: unknown): this {
    return this.withKwargs({ [name]: value });
  }

  /** The same transform with more keyword arguments for the model loader. */
  withKwargs(kwargs: Readonly<Record<string, unknown>>): this {
    const handler = this.pythonHandler('withKwargs');
    if (isPerKey(handler)) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'withKwargs() is given beside perKey', {
        hint: 'Give each handler its arguments where it is made.',
      });
    }
    return this.changed({ handler: { ...handler, kwargs: { ...handler.kwargs, ...kwargs } } });
  }

  /**
   * The same transform with more Python packages: names on PyPI with or without a version, or paths
   * of local packages. What Beam's own handlers need is known and need not be named.
   */
  withExtraPackages(packages: readonly string[]): this {
    const handler = this.pythonHandler('withExtraPackages');
    checkTexts('the argument of withExtraPackages()', packages);
    return this.changed({ handler: { ...handler, packages: [...handler.packages, ...packages] } });
  }

  /**
   * The same transform, expanded by a service that somebody else runs instead of the managed
   * Python. It must let a caller name any transform, and hold the packages that the handler needs.
   *
   * @param address - `HOST:PORT`
   */
  withExpansionService(address: string): this {
    this.pythonHandler('withExpansionService');
    return this.changed({ expansionService: address });
  }

  /**
   * The same transform, with another one applied to a copy of what the model gives, before functions of
   * `withPostprocess` in TypeScript: Python's `with_monitoring_transform`. What it gives is left alone.
   *
   * @example
   * ```ts
   * scoring.withMonitoring(withName('Watch', (predictions) => predictions.apply(writeToText('seen'))));
   * ```
   */
  withMonitoring(transform: PTransform<PCollection<never>, PValue>): this {
    return this.changed({ monitoring: transform as ConfigurableSettings['monitoring'] });
  }

  /**
   * Further arguments for each call of the model, such as `{ max_new_tokens: 20 }` for Hugging Face:
   * Python's `inference_args`. What JSON can say (nulls, lists of any kind) is sent as JSON;
   * other values are as in `withKwargs`. Objects become dicts. A handler that
   * takes none refuses them when the pipeline is expanded, with `INVALID_ARGUMENT`.
   */
  withInferenceArgs(args: Readonly<Record<string, unknown>>): this {
    return this.withOptions({ inferenceArgs: { ...this.settings.options.inferenceArgs, ...args } });
  }

  /**
   * How many rows, and which, a call of the handler gets; `'none'`: one row at a time. What is given
   * here goes before what the handler was made with.
   *
   * @throws `INVALID_ARGUMENT` for what cannot be
   * @example
   * ```ts
   * scoring.withBatching({ maxSize: 32, length: pythonCallable('len'), lengthBuckets: [16, 64] });
   * ```
   */
  withBatching(batching: BatchingOptions | 'none'): this {
    const over = batching === 'none' ? { minSize: 1, maxSize: 1 } : given(batching);
    const all = { ...this.settings.options.batching, ...over };
    return this.withOptions({ batching: checkBatching(all) });
  }

  /**
   * One model for all worker processes of a machine, where it would otherwise be loaded by each:
   * Python's `large_model` and `model_copies`. It is then in a process of its own, and examples and
   * predictions go there and back.
   *
   * @param options - `copies`: how many are loaded and asked in turn. @default 1
   * @throws `INVALID_ARGUMENT` for copies that are no whole number above 0
   */
  withLargeModel(options: { copies?: number | undefined } = {}): this {
    this.pythonHandler('withLargeModel');
    checkOptionNames('withLargeModel', options, { copies: true });
    checkCount('copies', options.copies);
    return this.withOptions({ large: options });
  }

  /** Environment variables that are set in Python before the model is loaded, beside the handler's. */
  withEnvVars(envVars: Readonly<Record<string, string>>): this {
    this.pythonHandler('withEnvVars');
    for (const [name, value] of Object.entries(envVars)) {
      checkText('the name of an environment variable', name);
      if (typeof value === 'string') continue;
      throw new BeamBridgeError('INVALID_ARGUMENT', `${name} is ${describeValue(value)}`, {
        hint: 'Environment variables are text.',
      });
    }
    return this.withOptions({ envVars: { ...this.settings.options.envVars, ...envVars } });
  }

  /**
   * What a worker should be like. A hint given here goes before the handler's of the same name.
   *
   * @throws `INVALID_ARGUMENT` for what is no hint
   * @example
   * ```ts
   * scoring.withResourceHints({ minRam: '16GB', accelerator: 'type:nvidia-l4;count:1' });
   * ```
   */
  withResourceHints(hints: ResourceHints): this {
    this.pythonHandler('withResourceHints');
    const all = { ...this.settings.options.resourceHints, ...given(hints) };
    return this.withOptions({ resourceHints: checkResourceHints(all) });
  }

  /**
   * A name for the model: transforms of this pipeline with one name share what is loaded, which must be
   * the same. A pipeline's transforms with one handler object share it without.
   *
   * @throws when applied: `INVALID_ARGUMENT` where handlers with one name load different models
   */
  withModelIdentifier(identifier: string): this {
    this.pythonHandler('withModelIdentifier');
    checkText('the model identifier', identifier);
    if (/[/\\\0]/.test(identifier)) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `the model identifier is ${identifier}`, {
        hint: 'Leave slashes out: Python names files after it.',
      });
    }
    return this.withOptions({ modelIdentifier: identifier });
  }

  /** Namespace of the metrics. @default the handler's, such as `BeamML_Sklearn` */
  withMetricsNamespace(namespace: string): this {
    checkText('the metrics namespace', namespace);
    return this.withOptions({ metricsNamespace: namespace });
  }

  /**
   * Leaves it to Beam's model manager how many copies of the model are loaded, by the memory of the
   * GPU. It needs torch, which is installed, and SciPy.
   *
   * @throws `INVALID_ARGUMENT` beside model updates or dead letters in a child process
   */
  withModelManager(options: ModelManagerOptions = {}): this {
    this.pythonHandler('withModelManager');
    return this.withOptions({ modelManager: checkModelManager(options) });
  }

  /**
   * Models that take the place of the handler's as the pipeline runs. A row is scored by the model of
   * the latest update whose timestamp is not after the row's, among those in the side input's window
   * for the row; before the first one, by the handler's own. `model_id` says which it was.
   *
   * In the global window, updates take effect when they have arrived, as in Beam's pattern of slowly
   * updating side inputs; what is bounded has arrived before the first row. In other windows, rows wait
   * for the updates of their window. Rows with different models share no call.
   *
   * A model that cannot be loaded is passed over: the one before it goes on, the counter
   * `modelUpdateFailures` counts it, and a warning is logged once. It is tried again after a minute.
   * Two models are kept at a time. The handler must define `update_model_path`, as those of Beam do.
   *
   * Source: https://beam.apache.org/documentation/patterns/side-inputs/#slowly-updating-side-input-using-windowing
   *
   * @throws `INVALID_ARGUMENT` at run time for what is no {@link ModelMetadata}, `UNSUPPORTED` for a
   *   handler without `update_model_path`
   */
  withModelUpdates(updates: PCollection<ModelMetadata>): this {
    return this.changed({ updates: { kind: 'updates', updates } });
  }

  /**
   * The same with the local files that match a pattern: the newest of those that are there when the
   * pipeline is constructed is the first model, and each that appears counts from when it is found. A
   * name that was used before is not looked at again.
   *
   * The pipeline then runs until `stopAfterMs` or for ever.
   *
   * @param pattern - as of `watchFiles`
   * @throws `INVALID_ARGUMENT` for what is no pattern or interval, `UNSUPPORTED` for files that are not
   *   local
   */
  withWatchedModel(pattern: string, options: WatchedModelOptions = {}): this {
    checkText('the pattern of a watched model', pattern);
    return this.changed({ updates: { kind: 'watched', pattern, options: checkWatched(options) } });
  }
}
