// SPDX-License-Identifier: Apache-2.0
// How many examples a model of this process gets at once: as it was told, or more and more while that
// is fast. A packed batch holds thousands of small rows, which is right for a model of microseconds
// and far too much for one of seconds. Python's end has the same rule, in beambridge_host/wire/packed.py.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';

/** How a model's examples are put together. */
export interface LocalBatching<ExampleT = unknown> {
  /** Examples that a batch should have at least, if its bundle has as many. @default 1 */
  readonly minSize?: number;
  /** Most examples in a batch. @default found by measuring, from 16 up to 10,000, or to `minSize` where that is more */
  readonly maxSize?: number;
  /** Most weight of a batch: the sum of `weightOf` over its examples. A heavier example goes alone. */
  readonly maxWeight?: number;
  /** What an example weighs. @default 1 for each */
  readonly weightOf?: (example: ExampleT) => number;
}

const FIRST = 16;
const LARGEST = 10_000;
const FAST_MS = 100;
const SLOW_MS = 5_000;

/** Cuts examples into batches and learns from how long these take. */
export class BatchSizes {
  private readonly largest: number;
  private readonly smallest: number;
  private size: number;

  constructor(private readonly batching: LocalBatching = {}) {
    const { minSize = 1 } = batching;
    this.largest = batching.maxSize ?? Math.max(LARGEST, minSize);
    this.smallest = Math.min(minSize, this.largest);
    this.size = Math.min(Math.max(FIRST, this.smallest), this.largest);
  }

  /** Where the batch that begins at `start` ends. Throws what `weightOf` throws for the example at `start`. */
  endOf(examples: readonly unknown[], start: number): number {
    const most = Math.min(start + this.size, examples.length);
    const { maxWeight, weightOf = () => 1 } = this.batching;
    if (maxWeight === undefined) return most;
    let weight = 0;
    for (let end = start; end < most; end++) {
      try {
        weight += checkedWeight(weightOf(examples[end]));
      } catch (error) {
        // The example comes first in the next batch then, and those before it are no part of its fault.
        if (end > start) return end;
        throw error;
      }
      if (weight > maxWeight && end > start) return end;
    }
    return most;
  }

  /** What a batch of `count` examples took. */
  learn(count: number, millis: number): void {
    if (millis > SLOW_MS) this.size = Math.max(this.size >> 1, this.smallest);
    else if (millis < FAST_MS && count === this.size) {
      this.size = Math.min(this.size * 2, this.largest);
    }
  }
}

function checkedWeight(weight: number): number {
  if (typeof weight === 'number' && weight >= 0) return weight;
  throw new BeamBridgeError('INVALID_ARGUMENT', `weightOf gave ${describeValue(weight)}`, {
    hint: 'It gives the weight of an example, a number of 0 or more.',
  });
}
