// SPDX-License-Identifier: Apache-2.0
// Several combiners as one, over an array with an input for each.

import { type Coder, JsCoder, type KV, KVCoder, ownResult } from '../coders/index.ts';
import type { CombineFn } from './combine-fn.ts';

type AnyCombineFn = CombineFn<unknown, unknown, unknown>;
/**
 * The first combiner's accumulator and, nested, those of the others. Key-values because Beam's own
 * coder writes them, each part with the coder that its combiner asks for.
 */
type Chain = KV<unknown, unknown>;

/** Gives an array of results in the order of `combineFns`, of which there is at least one. */
export function combineTogether(
  combineFns: readonly AnyCombineFn[],
): CombineFn<readonly unknown[], unknown, unknown[]> {
  const chain = chainFrom(combineFns, 0);
  return {
    ...chain,
    extractOutput(accumulator) {
      const results: unknown[] = [];
      let rest = accumulator;
      for (let i = 0; i < combineFns.length - 1; i++) {
        results.push(combineFns[i]!.extractOutput((rest as Chain).key));
        rest = (rest as Chain).value;
      }
      results.push(combineFns.at(-1)!.extractOutput(rest));
      return results;
    },
  };
}

type ChainFn = Pick<
  CombineFn<readonly unknown[], unknown, unknown>,
  'createAccumulator' | 'addInput' | 'mergeAccumulators'
> & { accumulatorCoder(): Coder<unknown> };

function chainFrom(combineFns: readonly AnyCombineFn[], index: number): ChainFn {
  const first = combineFns[index]!;
  const coderOf = () => first.accumulatorCoder?.(new JsCoder()) ?? new JsCoder();
  if (index === combineFns.length - 1) {
    return {
      createAccumulator: () => first.createAccumulator(),
      addInput: (accumulator, inputs) =>
        ownResult(first.addInput(accumulator, inputs[index]), inputs[index]),
      mergeAccumulators: (accumulators) => first.mergeAccumulators(accumulators),
      accumulatorCoder: coderOf,
    };
  }
  const others = chainFrom(combineFns, index + 1);
  return {
    createAccumulator: (): Chain => ({
      key: first.createAccumulator(),
      value: others.createAccumulator(),
    }),
    addInput(accumulator, inputs) {
      const chain = accumulator as Chain;
      chain.key = ownResult(first.addInput(chain.key, inputs[index]), inputs[index]);
      chain.value = others.addInput(chain.value, inputs);
      return chain;
    },
    mergeAccumulators(accumulators): Chain {
      const chains = [...(accumulators as Iterable<Chain>)];
      return {
        key: first.mergeAccumulators(chains.map((chain) => chain.key)),
        value: others.mergeAccumulators(chains.map((chain) => chain.value)),
      };
    },
    accumulatorCoder: () => new KVCoder(coderOf(), others.accumulatorCoder()) as Coder<unknown>,
  };
}
