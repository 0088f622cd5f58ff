// SPDX-License-Identifier: Apache-2.0
// What a combiner is, for those who write one and for the bundle engine that runs it.

import type { Coder } from '../coders/index.ts';

/**
 * Reduces many values to one by way of an accumulator. Runners call it before and after grouping
 * (combiner lifting), so `mergeAccumulators` must not depend on how inputs were split. All methods
 * must be synchronous: they run in the innermost loop of a grouping.
 * Source: https://beam.apache.org/documentation/programming-guide/#combine
 */
export interface CombineFn<InputT, AccumulatorT, OutputT> {
  beamName?: string;
  createAccumulator(): AccumulatorT;
  /** May change `accumulator` and return it, or return `input`, of which a copy is kept. `input` is not changed. */
  addInput(accumulator: AccumulatorT, input: InputT): AccumulatorT;
  /** May change the accumulators and return one of them. */
  mergeAccumulators(accumulators: Iterable<AccumulatorT>): AccumulatorT;
  extractOutput(accumulator: AccumulatorT): OutputT;
  /** @default the coder for plain JavaScript values */
  accumulatorCoder?(inputCoder: Coder<InputT>): Coder<AccumulatorT>;
  /** @default the coder for plain JavaScript values */
  outputCoder?(inputCoder: Coder<InputT>): Coder<OutputT>;
}

/** A combiner that gives one of its inputs, so that the output's type is the input's. */
export interface SelectingCombineFn extends CombineFn<unknown, unknown, unknown> {
  readonly selects: true;
}

/** What is registered under a combine's key (FUNCTION_URNS.combineFn). */
export interface RegisteredCombine {
  readonly combineFn: CombineFn<unknown, unknown, unknown>;
  readonly transform: string;
  readonly appliedAt: string | undefined;
}
