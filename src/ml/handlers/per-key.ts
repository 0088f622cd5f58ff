// SPDX-License-Identifier: Apache-2.0
// A model for each set of keys.

import { BeamBridgeError, checkOptionNames } from '../../base/index.ts';
import { describeValue, JsCoder } from '../../coders/index.ts';
import { checkCount } from '../check-options.ts';
import { sameType } from '../declared.ts';
import { keyIdBy } from '../updates/updates.ts';
import {
  isModelHandler,
  isPythonHandler,
  type ModelHandler,
  type PythonModelHandler,
} from './handler.ts';

/** Keys and the model that scores their examples. */
export interface KeyedModel<K, ExampleT = unknown, InferenceT = unknown> {
  /** At least one. A key is in one set only. */
  readonly keys: readonly K[];
  /** A handler that Python runs. */
  readonly handler: ModelHandler<ExampleT, InferenceT>;
}

/** A handler with a model for each set of keys; made by {@link perKey}. */
export interface PerKeyHandler<K = unknown, ExampleT = unknown, InferenceT = unknown>
  extends PythonModelHandler<ExampleT, InferenceT> {
  /** The models. */
  readonly models: readonly {
    readonly keys: readonly K[];
    readonly handler: PythonModelHandler<ExampleT, InferenceT>;
  }[];
  /** Models that a process keeps at most. */
  readonly maxModels: number | undefined;
}

/**
 * A model for each set of keys, for `RunInference.ofKVs`: Python's `KeyedModelHandler` of several
 * `KeyModelMapping`s. A model is loaded when the first example with one of its keys comes.
 *
 * An example whose key is in no set is an error, `NO_MODEL_FOR_KEY`, or with dead letters a failed row.
 * Unlike Beam's, the handlers may pre- and post-process, and their batch sizes and environment
 * variables hold. Metrics are also counted under `KEY-`, where `KEY` is the first of a set.
 *
 * @param options - `maxModelsPerWorker`: how many models a worker process keeps at most; the one used
 *   longest ago goes first. @default as many as there are
 * @throws `INVALID_ARGUMENT` for no models, a set without keys, a key in two sets, a handler that
 *   Python does not run; `INVALID_SCHEMA` for handlers of different types
 *
 * @example
 * ```ts
 * const models = perKey([
 *   { keys: ['de', 'at'], handler: sklearn({ modelUri: 'de.pkl', ...types }) },
 *   { keys: ['fr'], handler: sklearn({ modelUri: 'fr.pkl', ...types }) },
 * ], { maxModelsPerWorker: 1 });
 * texts.apply(RunInference.ofKVs(models, string));
 * ```
 */
export function perKey<K, ExampleT, InferenceT>(
  models: readonly KeyedModel<K, ExampleT, InferenceT>[],
  options: { maxModelsPerWorker?: number | undefined } = {},
): PerKeyHandler<K, ExampleT, InferenceT> {
  checkOptionNames('perKey', options, { maxModelsPerWorker: true });
  checkCount('maxModelsPerWorker', options.maxModelsPerWorker);
  const [first] = models;
  if (!first) throw refuse('there are no models', 'Give { keys, handler } for each.');
  const idOf = keyIdBy(new JsCoder());
  const seen = new Set<string>();
  const known = models.map(({ keys, handler }) => {
    if (!Array.isArray(keys) || keys.length === 0) {
      throw refuse('a model has no keys', 'Give at least one key for each model.');
    }
    for (const key of keys) {
      const id = idOf(key);
      if (seen.has(id))
        throw refuse(`the key ${describeValue(key)} has two models`, 'Name each key once.');
      seen.add(id);
    }
    if (!isModelHandler(handler) || !isPythonHandler(handler) || isPerKey(handler)) {
      throw refuse(
        `the model of ${describeValue(keys[0])} is none that Python runs`,
        'Make one with sklearn or the like.',
      );
    }
    for (const field of ['example', 'inference'] as const) {
      if (sameType(handler[field], first.handler[field])) continue;
      throw new BeamBridgeError(
        'INVALID_SCHEMA',
        `the models of perKey differ in their ${field} type`,
        {
          hint: 'Give all handlers the same types, or use a RunInference for each.',
        },
      );
    }
    return { keys: Object.freeze([...keys]), handler };
  });
  const handlers = known.map(({ handler }) => handler);
  return Object.freeze({
    language: 'python',
    name: 'perKey',
    loader: 'perKey',
    example: first.handler.example,
    inference: first.handler.inference,
    kwargs: {},
    extras: [...new Set(handlers.flatMap(({ extras }) => extras))],
    packages: [...new Set(handlers.flatMap(({ packages }) => packages))],
    models: known,
    maxModels: options.maxModelsPerWorker,
  });
}

/** Whether a handler has a model for each set of keys. */
export function isPerKey(handler: ModelHandler): handler is PerKeyHandler {
  return isPythonHandler(handler) && 'models' in handler;
}

function refuse(message: string, hint: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', `perKey: ${message}`, { hint });
}
