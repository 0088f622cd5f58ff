// SPDX-License-Identifier: Apache-2.0
// A model that runs in the worker's own process, in TypeScript: no Python is needed for it.

import {
  BeamBridgeError,
  checkNearNames,
  checkOptionNames,
  type OptionNames,
} from '../../base/index.ts';
import { isSchemaType } from '../../schema/index.ts';
import type { LocalBatching } from '../local/batch-sizes.ts';
import type { ModelHandler } from './handler.ts';

/** Further arguments of each inference, as `withInferenceArgs` gave them. */
export type InferenceArgs = Readonly<Record<string, unknown>>;

/**
 * A model that TypeScript runs, for `RunInference.of`. It has the life of a handler in Python: its
 * model is loaded once per process, however many stages and bundles use it, and freed when the last
 * of them is over.
 *
 * @typeParam ModelT - what `loadModel` gives
 */
export interface TypeScriptModelHandler<ExampleT = unknown, InferenceT = unknown, ModelT = unknown>
  extends ModelHandler<ExampleT, InferenceT> {
  readonly language: 'typescript';
  /** Where the model is: given to `loadModel`, and the `model_id` of its predictions. */
  readonly modelUri?: string | undefined;
  /** How examples are put together. @default sizes found by measuring, up to 10,000 */
  readonly batching?: LocalBatching<ExampleT> | undefined;
  /**
   * Whether `runInference` may be called again while an earlier call waits for something, as several
   * transforms with one handler do. A model that answers so gives new arrays in each call.
   * @default false: the calls of one model follow each other
   */
  readonly concurrent?: boolean | undefined;
  /** Loads a model; `modelUri` is the handler's own, or that of an update. */
  loadModel(modelUri: string | undefined): ModelT | Promise<ModelT>;
  /** One prediction for each example of a batch, in order. */
  runInference(
    batch: readonly ExampleT[],
    model: ModelT,
    inferenceArgs: InferenceArgs,
  ): readonly InferenceT[] | Promise<readonly InferenceT[]>;
  /** Frees what a model holds. @default nothing is done */
  closeModel?(model: ModelT): void | Promise<void>;
}

/** Which parts there are, and whether they are functions. */
const PARTS = {
  name: false,
  example: false,
  inference: false,
  modelUri: false,
  batching: false,
  concurrent: false,
  loadModel: true,
  runInference: true,
  closeModel: true,
} satisfies Record<keyof Parts, boolean>;
type Parts = Omit<TypeScriptModelHandler<never>, 'language'>;
const BATCHING: OptionNames<LocalBatching> = {
  minSize: true,
  maxSize: true,
  maxWeight: true,
  weightOf: true,
};

/**
 * A model handler in TypeScript, from its functions, or from an object of a class that has them. They may have more
 * there, which they reach and change by `this`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` without a function that it needs, `INVALID_SCHEMA`
 *   without types
 * @example
 * ```ts
 * const lengths = modelHandler({
 *   name: 'lengths',
 *   example: string,
 *   inference: int64,
 *   loadModel: () => new Intl.Segmenter('en'),
 *   runInference: (texts, segmenter) => texts.map((text) => [...segmenter.segment(text)].length),
 * });
 * texts.apply(RunInference.of(lengths)).map(({ example, inference }) => …);
 * ```
 */
export function modelHandler<ExampleT, InferenceT, ModelT>(
  parts: Omit<TypeScriptModelHandler<ExampleT, InferenceT, ModelT>, 'language'>,
): TypeScriptModelHandler<ExampleT, InferenceT, ModelT> {
  if (typeof parts === 'function') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      'modelHandler: a class or a function is no handler',
      {
        hint: 'Give an object of the class: modelHandler(new Model()).',
      },
    );
  }
  if (typeof parts !== 'object' || parts === null) checkOptionNames('modelHandler', parts, PARTS);
  checkNearNames('modelHandler', fieldsOf(parts), PARTS);
  const { name, batching = {} } = parts;
  checkOptionNames(`${name}: batching`, batching, BATCHING);
  const refuse = (message: string): never => {
    throw new BeamBridgeError('INVALID_ARGUMENT', `modelHandler: ${message}`);
  };
  if (typeof name !== 'string' || name.trim() === '') refuse('there is no name');
  for (const needed of ['loadModel', 'runInference'] as const) {
    if (typeof parts[needed] !== 'function') refuse(`${needed} of ${name} is no function`);
  }
  for (const field of ['example', 'inference'] as const) {
    if (isSchemaType(parts[field])) continue;
    throw new BeamBridgeError('INVALID_SCHEMA', `the handler ${name} has no ${field} type`, {
      hint: 'Give types of beambridge/schema, as in { example: array(float32), inference: int64 }.',
    });
  }
  if (parts.concurrent !== undefined && typeof parts.concurrent !== 'boolean') {
    refuse(`concurrent of ${name} is ${String(parts.concurrent)}, and must be true or false`);
  }
  for (const limit of ['minSize', 'maxSize', 'maxWeight'] as const) {
    const value = batching[limit];
    if (value === undefined) continue;
    const isCount = limit !== 'maxWeight';
    if (value >= 1 && (isCount ? Number.isSafeInteger(value) : Number.isFinite(value))) continue;
    const kind = isCount ? 'a whole number of 1 or more' : '1 or more';
    refuse(`batching.${limit} of ${name} is ${String(value)}, and must be ${kind}`);
  }
  const { minSize = 1, maxSize = minSize } = batching;
  if (minSize > maxSize) {
    refuse(`batching.minSize of ${name} is ${minSize}, which is above maxSize ${maxSize}`);
  }
  return handlerOf(parts);
}

/** All that an object has by itself and by its classes. What a getter gives is not asked for. */
function fieldsOf(parts: object): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  for (let at = parts; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (!fields.has(name)) fields.set(name, get ?? value);
    }
  }
  return fields;
}

/**
 * The functions of a class are called on the object that was given, whose private fields are in no other. Those of an
 * object without one are called on the handler, so that a copy of it with other fields has its own.
 */
function handlerOf<E, I, M>(
  parts: Omit<TypeScriptModelHandler<E, I, M>, 'language'>,
): TypeScriptModelHandler<E, I, M> {
  const prototype = Object.getPrototypeOf(parts);
  const isOfClass = prototype !== null && prototype !== Object.prototype;
  const handler: Record<string, unknown> = isOfClass ? {} : { ...parts };
  for (const part of Object.keys(PARTS) as (keyof Parts)[]) {
    const given: unknown = parts[part];
    if (given === undefined) continue;
    const value = isOfClass && typeof given === 'function' ? given.bind(parts) : given;
    Object.defineProperty(handler, part, { value, writable: false, enumerable: true });
  }
  Object.defineProperty(handler, 'language', { value: 'typescript', enumerable: true });
  return handler as never;
}

/** Whether TypeScript runs a handler. */
export function isTypeScriptHandler(
  handler: ModelHandler,
): handler is TypeScriptModelHandler<never, unknown, unknown> {
  return handler.language === 'typescript' && 'runInference' in handler;
}
