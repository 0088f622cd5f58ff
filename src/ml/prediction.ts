// SPDX-License-Identifier: Apache-2.0
// The types of what comes out of RunInference.

import type { KV } from '../coders/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { DeadLettered } from './failures/dead-letters.ts';

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

/** An element of `T`, or a key-value of it where there are keys. */
export type Keyed<K, T> = [K] extends [never] ? T : KV<K, T>;
/** What a function of `withPreprocess` or `withPostprocess` is about: the value where there are keys. */
export type Value<T, K> = [K] extends [never] ? T : T extends KV<unknown, infer V> ? V : never;
/** The same result with other types of elements. */
export type Result<R, FailedT, OutputT> =
  R extends PCollection<unknown> ? PCollection<OutputT> : DeadLettered<FailedT, OutputT>;
