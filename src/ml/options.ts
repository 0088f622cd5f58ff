// SPDX-License-Identifier: Apache-2.0
// What a RunInference may be asked for besides its handler: checked by check-options.ts, and sent to
// Python under the names of python-env/beambridge_host/inference/options.py.

import { type PythonCallable, typed } from '../external/index.ts';
import { array, float64, int64 } from '../schema/index.ts';
import type { DeadLetterOptions } from './failures/dead-letters.ts';

/**
 * How many rows, and which, a handler gets at once. What is left out stays as the handler says; a
 * handler that says nothing gets 16 rows, then more and more up to 10,000 while that takes below 0.1
 * seconds, and fewer when it takes above 5.
 */
export interface BatchingOptions {
  /**
   * Rows that a call should have at least. Rows wait for one another until the end of their bundle, or
   * with `maxDurationMs` so long; what is there then is scored, however few.
   */
  minSize?: number | undefined;
  /** Rows that a call has at most. */
  maxSize?: number | undefined;
  /**
   * How long rows wait for others of their window and pane, from bundle to bundle, in milliseconds: until there
   * are `minSize` of them, or else `maxSize`, or else 4,096. For streams, whose bundles are small.
   */
  maxDurationMs?: number | undefined;
  /** What the weights of a call's rows sum up to at most. A heavier row goes alone. Needs `weight`. */
  maxWeight?: number | undefined;
  /** A row's weight, a whole number. Gets what the handler gets; with keys that may be a pair. */
  weight?: PythonCallable | undefined;
  /** A row's length: rows of different buckets share no call, which saves padding. Gets what `weight` gets. */
  length?: PythonCallable | undefined;
  /**
   * Where one bucket of lengths ends and the next begins, rising. Needs `length`.
   * @default [16, 32, 64, 128, 256, 512]
   */
  lengthBuckets?: readonly number[] | undefined;
}

/** What a worker should be like that runs a transform. Runners may ignore it; the local ones do. */
export interface ResourceHints {
  /** Memory, in bytes or as text such as `'16GB'`. */
  minRam?: number | string | undefined;
  /** Such as `'type:nvidia-tesla-t4;count:1;install-nvidia-driver'`. */
  accelerator?: string | undefined;
  cpuCount?: number | undefined;
  /** Bundles that one worker works on at once. */
  maxActiveBundlesPerWorker?: number | undefined;
}

/** Settings of Beam's model manager, which loads models onto a GPU as long as its memory lasts. */
export interface ModelManagerOptions {
  /** Share of the GPU's memory that is kept free. @default 0.1 */
  slackPercentage?: number | undefined;
  /** Seconds between two looks at the memory. @default 0.5 */
  pollIntervalSecs?: number | undefined;
  /** Seconds over which its peak is taken. @default 30 */
  peakWindowSecs?: number | undefined;
  /** Looks before what a model takes is estimated. @default 5 */
  minDataPoints?: number | undefined;
  /** How much a new estimate counts against the old one, from 0 to 1. @default 0.2 */
  smoothingFactor?: number | undefined;
  /** Seconds for which an evicted model is not loaded again. @default 10 */
  evictionCooldownSecs?: number | undefined;
  /** Copies of a model that are kept at least. @default 1 */
  minModelCopies?: number | undefined;
  /** Seconds that a batch waits for a model at most. @default 300 */
  waitTimeoutSecs?: number | undefined;
  /** Seconds that loading waits for its turn at most. @default 60 */
  lockTimeoutSecs?: number | undefined;
}

/** Everything that was asked for. */
export interface InferenceOptions {
  readonly inferenceArgs?: Readonly<Record<string, unknown>>;
  readonly batching?: BatchingOptions;
  /** Python functions, in the order in which they were given. */
  readonly preprocess?: readonly PythonCallable[];
  readonly postprocess?: readonly PythonCallable[];
  readonly deadLetters?: DeadLetterOptions;
  readonly large?: { readonly copies?: number | undefined };
  readonly envVars?: Readonly<Record<string, string>>;
  readonly resourceHints?: ResourceHints;
  readonly modelIdentifier?: string;
  readonly metricsNamespace?: string;
  readonly modelManager?: ModelManagerOptions;
}

/** The options as Python's `settings`, or undefined when there are none. */
export function pythonSettings(
  options: InferenceOptions,
  more: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  const { inferenceArgs, batching, preprocess, postprocess, deadLetters, large, envVars } = options;
  const { resourceHints: hints, modelManager: manager } = options;
  const settings = withoutUndefined({
    ...pythonArgs(inferenceArgs ?? {}),
    batching: batching && pythonBatching(batching),
    preprocess: filledList(preprocess),
    postprocess: filledList(postprocess),
    timeout_ms:
      deadLetters?.timeoutMs === undefined ? undefined : typed(float64, deadLetters.timeoutMs),
    all_may_fail: deadLetters?.threshold === 1 || undefined,
    in_child: deadLetters?.useSubprocess,
    large_model: large && true,
    model_copies: large?.copies,
    // A dict: not every name of a variable is one of a row's field.
    env_vars:
      envVars && Object.keys(envVars).length > 0 ? new Map(Object.entries(envVars)) : undefined,
    resource_hints:
      hints &&
      filled({
        // Text throughout, as Beam parses it.
        min_ram: typeof hints.minRam === 'number' ? `${hints.minRam}B` : hints.minRam,
        accelerator: hints.accelerator,
        cpu_count: hints.cpuCount?.toString(),
        max_active_bundles_per_worker: hints.maxActiveBundlesPerWorker?.toString(),
      }),
    model_identifier: options.modelIdentifier,
    metrics_namespace: options.metricsNamespace,
    model_manager: manager && pythonManager(manager),
    ...more,
  });
  return filled(settings);
}

/**
 * JSON's values as JSON, which has nulls, empty lists and lists of several types; what has a type of Python's
 * own as that.
 */
function pythonArgs(args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const known = Object.entries(withoutUndefined({ ...args }));
  const json = known.filter(([, value]) => isJson(value));
  const others = known.filter(([, value]) => !isJson(value));
  return {
    inference_args_json: json.length > 0 ? JSON.stringify(Object.fromEntries(json)) : undefined,
    // A dict, as soon as it is read: the names inside need not be names in Python.
    inference_args: others.length > 0 ? Object.fromEntries(others) : undefined,
  };
}

/** Whether a value is a function in Python. */
export function isCallable(value: unknown): value is PythonCallable {
  return typeof value === 'object' && value !== null && 'expr' in value;
}

function isJson(value: unknown): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  if (Array.isArray(value)) return value.every(isJson);
  if (typeof value !== 'object' || isCallable(value)) return false;
  const isPlain = Object.getPrototypeOf(value) === Object.prototype;
  return isPlain && Object.values(value).every((part) => part === undefined || isJson(part));
}

function pythonBatching(batching: BatchingOptions): Record<string, unknown> | undefined {
  return filled({
    min_batch_size: batching.minSize,
    max_batch_size: batching.maxSize,
    max_batch_weight: batching.maxWeight,
    element_size_fn: batching.weight,
    length_fn: batching.length,
    bucket_boundaries: batching.lengthBuckets && typed(array(int64), [...batching.lengthBuckets]),
  });
}

function pythonManager(manager: ModelManagerOptions): Record<string, unknown> {
  const seconds = (value: number | undefined) =>
    value === undefined ? undefined : typed(float64, value);
  return withoutUndefined({
    // A row has a field at least.
    verbose_logging: false,
    slack_percentage: seconds(manager.slackPercentage),
    poll_interval: seconds(manager.pollIntervalSecs),
    peak_window_seconds: seconds(manager.peakWindowSecs),
    min_data_points: manager.minDataPoints,
    smoothing_factor: seconds(manager.smoothingFactor),
    eviction_cooldown_seconds: seconds(manager.evictionCooldownSecs),
    min_model_copies: manager.minModelCopies,
    wait_timeout_seconds: seconds(manager.waitTimeoutSecs),
    lock_timeout_seconds: seconds(manager.lockTimeoutSecs),
  });
}

function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function filled(fields: Record<string, unknown>): Record<string, unknown> | undefined {
  const known = withoutUndefined(fields);
  return Object.keys(known).length > 0 ? known : undefined;
}

function filledList<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list && list.length > 0 ? list : undefined;
}
