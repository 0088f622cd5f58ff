// SPDX-License-Identifier: Apache-2.0
// GroupByKey, the primitive that brings the values of equal keys together.

import { BeamBridgeError } from '../base/index.ts';
import {
  type Coder,
  deterministicForm,
  IterableCoder,
  JsCoder,
  type KV,
  KVCoder,
  keyValue,
} from '../coders/index.ts';
import {
  newOutput,
  type PCollection,
  type PTransformClass,
  type TransformNode,
} from '../pipeline/index.ts';
import { urns } from '../proto/index.ts';
import { mapStep, transform } from './transform.ts';
import { continuationTrigger, mayEndEarly } from './trigger-rules.ts';
import { isGlobal } from './windowings.ts';

/**
 * Groups the values of equal keys, separately in each window. Elements are `{key, value}`.
 *
 * Keys are equal when their encoded bytes are: for plain JavaScript values that means equal in
 * contents, objects and arrays too, with `0` and `-0` the same key.
 *
 * @throws `NON_DETERMINISTIC_KEY` when the key's coder gives equal keys different bytes
 * @throws `CODER_MISMATCH` at run time for an element that is no key-value
 * @throws `INVALID_ARGUMENT` for an unbounded PCollection in the global window without a trigger,
 *   and for a trigger after whose last firing elements would be dropped
 *
 * @example
 * ```ts
 * pairs.apply(groupByKey()).map(({ key, value }) => `${key}: ${[...value].length}`);
 * ```
 */
export function groupByKey<K, V>(): PTransformClass<
  PCollection<KV<K, V>>,
  PCollection<KV<K, Iterable<V>>>
> {
  return transform('groupByKey', (input, _pipeline, node) => {
    checkGroupable(input, node);
    return withKeyCoder(input).apply(groupKeyed());
  });
}

/** The primitive itself, for input that {@link withKeyCoder} or a composite has prepared. */
export function groupKeyed<K, V>(): PTransformClass<
  PCollection<KV<K, V>>,
  PCollection<KV<K, Iterable<V>>>
> {
  return transform('group', (input, pipeline, node) => {
    const { key, value } = input.coder as unknown as KVCoder<K, V>;
    const { windowing } = input.node;
    node.spec = { urn: urns.StandardPTransforms_Primitives.GROUP_BY_KEY };
    return newOutput(pipeline, node, 'main', new KVCoder(key, new IterableCoder(value)), {
      bounded: input.isBounded,
      windowing: { ...windowing, trigger: continuationTrigger(windowing.trigger) },
    });
  });
}

/** The elements encoded as key-values with a deterministic key, which each is seen to be. */
export function withKeyCoder<K, V>(input: PCollection<KV<K, V>>): PCollection<KV<K, V>> {
  const coder = keyedCoder(input.coder);
  return coder === input.coder ? input : input.apply(mapStep('withKeyCoder', keyValue, coder));
}

function keyedCoder<K, V>(coder: Coder<KV<K, V>>): Coder<KV<K, V>> {
  if (!(coder instanceof KVCoder)) {
    return new KVCoder(keyCoder(), new JsCoder()) as Coder<KV<K, V>>;
  }
  const key = deterministicForm(coder.key as Coder<K>);
  if (!key) throw nonDeterministic(coder.key.name);
  return key === coder.key ? coder : new KVCoder(key, coder.value as Coder<V>);
}

/** The coder of keys of which nothing is declared. */
export function keyCoder<K>(): Coder<K> {
  return new JsCoder({ deterministic: true }) as Coder<unknown> as Coder<K>;
}

function nonDeterministic(name: string): BeamBridgeError {
  return new BeamBridgeError(
    'NON_DETERMINISTIC_KEY',
    `keys are encoded by ${name}, which may give equal keys different bytes`,
    { hint: 'Map the key to text, a number or a row of such fields before grouping.' },
  );
}

/**
 * Refuses a grouping that could never give anything, or would lose elements.
 * Source: https://beam.apache.org/documentation/programming-guide/#groupbykey-and-unbounded-pcollections
 */
export function checkGroupable(input: PCollection<unknown>, node: TransformNode): void {
  const { windowFn, trigger, allowedLateness } = input.node.windowing;
  if (mayEndEarly(trigger, allowedLateness)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      'the trigger may fire for the last time before all elements came, and would drop the rest',
      {
        ...node.errorDetails,
        hint: 'Wrap it: repeatedly(…). Behind afterWatermark(), say withLateFirings(…). Parts of afterAny and afterAll, and what ends orFinally, fire once.',
      },
    );
  }
  if (!isGlobal(windowFn) || trigger.trigger?.case !== 'default') return;
  const unboundedInput = () => {
    if (input.isBounded) return undefined;
    return new BeamBridgeError(
      'INVALID_ARGUMENT',
      'an unbounded PCollection in the global window cannot be grouped: its window never ends',
      {
        ...node.errorDetails,
        hint: 'Apply windowInto(fixedWindows(…)) before, or give the windowing a trigger.',
      },
    );
  };
  const refusal = unboundedInput();
  if (refusal) throw refusal;
  input.pipeline.boundedChecks.push(unboundedInput);
}
