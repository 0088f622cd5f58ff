// SPDX-License-Identifier: Apache-2.0
// Groupings and combines of random pipelines.

import { type Coder, JsCoder, type KV, KVCoder } from '../../../src/coders/index.ts';
import { P, type PCollection } from '../../../src/pipeline/index.ts';
import { coderOf } from '../../../src/schema/index.ts';
import {
  type CombineFn,
  coGroupBy,
  combineGlobally,
  combinePerKey,
  count,
  groupBy,
  groupByKey,
  max,
  mean,
  min,
  sum,
  toList,
  top,
  withCoder,
} from '../../../src/transforms/index.ts';
import { keyOf, numberOf, sorted } from '../functions.ts';
import type { Facts } from '../plan.ts';
import type { CombinerName, Step } from '../program.ts';
import { schemaOf, type Type } from '../types.ts';

type Any = PCollection<unknown>;
type Of<O extends Step['op']> = Extract<Step, { op: O }>;
type Grouped = PCollection<KV<unknown, Iterable<unknown>>>;

export function group(input: Any, step: Of<'group'>, before: Facts): Any {
  const groups = grouping(input, step);
  if (before.isTriggered) {
    return groups.flatMap(({ key, value }) => [...value].map((one) => ({ key, value: one })));
  }
  return groups.map(({ key, value }) => ({ key, values: sorted(value) }));
}

function grouping(input: Any, { keys, buckets, how }: Of<'group'>): Grouped {
  const key = (value: unknown) => keyOf(keys, buckets, value);
  if (how === 'by') return input.apply(groupBy(key)) as Grouped;
  if (how === 'fields') {
    return input
      .map((v) => ({ k: key(v), v }))
      .apply(groupBy('k'))
      .map(({ key, value }) => ({
        key,
        value: [...value].map(({ v }) => v),
      }));
  }
  return input
    .map((value) => ({ key: key(value), value }))
    .apply(withCoder(keyed(keys, input.coder)))
    .apply(groupByKey());
}

function keyed<V>(keys: Type, value: Coder<V>): Coder<KV<unknown, V>> {
  const schema = schemaOf(keys);
  const key = schema ? coderOf(schema) : new JsCoder();
  return new KVCoder<unknown, V>(key as Coder<unknown>, value);
}

/** Changes its accumulator, as a combiner may. */
const own: CombineFn<number, { sum: number; values: number[] }, unknown> = {
  createAccumulator: () => ({ sum: 0, values: [] }),
  addInput(accumulator, input) {
    accumulator.sum += input;
    accumulator.values.push(input);
    return accumulator;
  },
  mergeAccumulators(accumulators) {
    const all = [...accumulators];
    const first = all[0] ?? { sum: 0, values: [] };
    for (const other of all.slice(1)) {
      first.sum += other.sum;
      first.values.push(...other.values);
    }
    return first;
  },
  extractOutput: ({ sum: total, values }) => ({ sum: total, values: values.length }),
};

const combiners: Record<CombinerName, unknown> = {
  sum,
  count,
  max,
  min,
  mean,
  toList: toList<number>(),
  top: top<number>(2),
  own,
  two: (a: number, b: number) => a + b,
};

/** Lists have no order. */
const settled = (name: CombinerName, result: unknown): unknown =>
  name === 'toList' ? [...(result as number[])].sort((a, b) => a - b) : result;

export function combine(input: Any, { how, keys, buckets, combiner }: Of<'combine'>): Any {
  const key = (value: unknown) => keyOf(keys, buckets, value);
  // biome-ignore lint/suspicious/noExplicitAny: one of many combiners of different types
  const fn = combiners[combiner] as any;
  switch (how) {
    case 'globally':
      return input
        .map(numberOf)
        .apply(combineGlobally(fn))
        .map((result) => settled(combiner, result));
    case 'perKey':
      return input
        .map((value) => ({ key: key(value), value: numberOf(value) }))
        .apply(combinePerKey(fn))
        .map(({ key: k, value }) => ({ key: k, result: settled(combiner, value) }));
    case 'groupBy':
      return (input.apply(groupBy(key).combining(numberOf, fn, 'result')) as PCollection<Row>).map(
        (row) => ({ key: row.key, result: settled(combiner, row.result) }),
      );
    case 'together':
      return (
        input.apply(
          groupBy(key).combining(numberOf, fn, 'result').combining(numberOf, count, 'n'),
        ) as PCollection<Row>
      ).map((row) => ({ key: row.key, result: settled(combiner, row.result), n: row.n }));
  }
}

interface Row {
  key: unknown;
  result: unknown;
  n?: number;
}

export function coGroup(inputs: readonly Any[], { keys, buckets }: Of<'coGroup'>): Any {
  const named = Object.fromEntries(inputs.map((input, i) => [`i${i}`, input]));
  return P(named)
    .apply(coGroupBy((value: unknown) => keyOf(keys, buckets, value)))
    .map(({ key, values }) => ({
      key,
      each: inputs.map((_, i) => sorted(values[`i${i}`] as unknown[])),
    }));
}
