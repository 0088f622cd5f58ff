// SPDX-License-Identifier: Apache-2.0
// The steps of a combine that work on one element at a time: each turns a key's value into another.

import {
  type KV,
  ownResult,
  StateBackedIterable,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { CombineFn } from '../../../transforms/index.ts';
import { asyncCombiner, type TransformInfo, userError } from '../errors.ts';
import { type Operator, type Receiver, withValue } from '../operator.ts';
import { isThenable, type MaybePromise } from '../types.ts';

type AnyCombineFn = CombineFn<unknown, unknown, unknown>;
type Step = (combineFn: AnyCombineFn, value: unknown) => unknown;

/** From grouped accumulators to one. */
export const mergeAccumulators: Step = (combineFn, accumulators) =>
  combineFn.mergeAccumulators(accumulators as Iterable<unknown>);

/** From an accumulator to the result. */
export const extractOutput: Step = (combineFn, accumulator) => combineFn.extractOutput(accumulator);

/** From one input to an accumulator of it. */
export const convertToAccumulator: Step = (combineFn, input) =>
  ownResult(combineFn.addInput(combineFn.createAccumulator(), input), input);

/** From grouped inputs to the result, where nothing was combined before the grouping. */
export const combineGroupedValues: Step = (combineFn, inputs) => {
  let accumulator = combineFn.createAccumulator();
  for (const input of inputs as Iterable<unknown>) {
    accumulator = ownResult(combineFn.addInput(accumulator, input), input);
  }
  return combineFn.extractOutput(accumulator);
};

export class CombineStep implements Operator {
  readonly ownsInput: boolean;

  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly combineFn: AnyCombineFn,
    private readonly step: Step,
    private readonly out: Receiver,
    private readonly info: TransformInfo,
  ) {
    this.ownsInput = step === mergeAccumulators || step === extractOutput;
  }

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    if (this.step === convertToAccumulator && element.windows.length > 1) {
      return this.eachWindow(element);
    }
    return this.one(element);
  }

  /** Accumulators are changed while they are merged: no two windows may share one. */
  private async eachWindow(element: WindowedValue<unknown>): Promise<void> {
    for (const window of element.windows) await this.one({ ...element, windows: [window] });
  }

  private one(element: WindowedValue<unknown>): MaybePromise<void> {
    const { value } = element.value as KV<unknown, unknown>;
    // Values too many for one message are fetched first: combiners are synchronous.
    if (value instanceof StateBackedIterable && value.token) {
      return value.load().then(() => this.apply(element));
    }
    return this.apply(element);
  }

  private apply(element: WindowedValue<unknown>): MaybePromise<void> {
    const { key, value } = element.value as KV<unknown, unknown>;
    let output: unknown;
    try {
      output = this.step(this.combineFn, value);
    } catch (error) {
      throw userError(error, this.info);
    }
    if (isThenable(output)) throw asyncCombiner(this.info);
    // Many accumulators are the result already.
    if (output === value) return this.out.receive(element);
    return this.out.receive(withValue(element, { key, value: output }));
  }
}
