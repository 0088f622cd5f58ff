// SPDX-License-Identifier: Apache-2.0
// CombinePerKey: Beam's composite that runners take apart to combine before the data is moved
// (combiner lifting). The expansion here groups first and combines afterwards.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, JsCoder, type KV, KVCoder } from '../coders/index.ts';
import {
  extractName,
  FUNCTION_URNS,
  labelled,
  newOutput,
  type PCollection,
  type ProtoContext,
  type PTransformClass,
} from '../pipeline/index.ts';
import { create, pb, toBinary, urns } from '../proto/index.ts';
import { binaryCombineFn } from './binary-combine-fn.ts';
import type { CombineFn, RegisteredCombine, SelectingCombineFn } from './combine-fn.ts';
import { checkGroupable, groupKeyed, withKeyCoder } from './group-by-key.ts';
import { transform } from './transform.ts';

/** What every combining transform takes: see the overloads of {@link combinePerKey}. */
export type Combiner<I, A, O> = CombineFn<I, A, O> | ((a: I, b: I) => I);

/**
 * Combines the values of each key, separately in each window.
 *
 * @param combiner - a combiner such as `sum`, or a function of two values that is commutative and
 *   associative
 * @throws `INVALID_ARGUMENT` when it is neither
 * @throws `NON_DETERMINISTIC_KEY` as `groupByKey` does
 *
 * @example
 * ```ts
 * sales.map((s) => ({ key: s.shop, value: s.price })).apply(combinePerKey(sum));
 * ```
 */
export function combinePerKey<K, V>(
  combiner: SelectingCombineFn | ((a: V, b: V) => V),
): PTransformClass<PCollection<KV<K, V>>, PCollection<KV<K, V>>>;
export function combinePerKey<K, I, A, O>(
  combiner: CombineFn<I, A, O>,
): PTransformClass<PCollection<KV<K, I>>, PCollection<KV<K, O>>>;
export function combinePerKey<K, I, O>(
  combiner: Combiner<I, unknown, O>,
): PTransformClass<PCollection<KV<K, I>>, PCollection<KV<K, O>>> {
  const combineFn = toCombineFn(combiner, 'combinePerKey');
  return transform(labelled('combinePerKey', combiner), (input, _, node) => {
    checkGroupable(input, node);
    return withKeyCoder(input).apply(combineKeyed<K, I, unknown, O>(combineFn));
  });
}

/** The composite that runners know, for input with a coder of key-values. */
export function combineKeyed<K, I, A, O>(
  combineFn: CombineFn<I, A, O>,
): PTransformClass<PCollection<KV<K, I>>, PCollection<KV<K, O>>> {
  return transform('combine', (input, pipeline, node) => {
    const { key, value } = input.coder as unknown as KVCoder<K, I>;
    const accumulator =
      combineFn.accumulatorCoder?.(value) ?? (new JsCoder() as Coder<unknown> as Coder<A>);
    const output = combineFn.outputCoder?.(value) ?? (new JsCoder() as Coder<unknown> as Coder<O>);
    const registered: RegisteredCombine = {
      combineFn: combineFn as CombineFn<unknown, unknown, unknown>,
      transform: node.name,
      appliedAt: node.appliedAt,
    };
    const functionKey = pipeline.addFunction(node, registered);
    const payload = (context: ProtoContext) =>
      toBinary(
        pb.CombinePayloadSchema,
        create(pb.CombinePayloadSchema, {
          combineFn: { urn: FUNCTION_URNS.combineFn, payload: functionKey },
          accumulatorCoderId: context.coderId(accumulator as Coder<unknown>),
        }),
      );
    node.spec = { urn: urns.StandardPTransforms_Composites.COMBINE_PER_KEY, payload };
    node.needsEnvironment = true;
    return input.apply(groupKeyed<K, I>()).apply(
      transform('combineValues', (grouped, _, inner) => {
        inner.spec = {
          urn: urns.StandardPTransforms_CombineComponents.COMBINE_GROUPED_VALUES,
          payload,
        };
        inner.needsEnvironment = true;
        return newOutput(pipeline, inner, 'main', new KVCoder(key, output), grouped.node);
      }),
    );
  });
}

const METHODS = ['createAccumulator', 'addInput', 'mergeAccumulators', 'extractOutput'] as const;

/** @throws `INVALID_ARGUMENT` when it is neither a {@link CombineFn} nor a function of two values */
export function toCombineFn<I, A, O>(
  combiner: Combiner<I, A, O>,
  where: string,
): CombineFn<I, A, O> {
  if (typeof combiner === 'function') {
    return binaryCombineFn(combiner as (a: I, b: I) => I) as unknown as CombineFn<I, A, O>;
  }
  const missing = METHODS.filter((method) => typeof combiner?.[method] !== 'function');
  if (missing.length === 0) return combiner;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${where} was given ${extractName(combiner) ?? String(combiner)}, which lacks ${missing.join(', ')}`,
    { hint: 'Pass a combiner such as sum, a CombineFn, or a function (a, b) => …' },
  );
}
