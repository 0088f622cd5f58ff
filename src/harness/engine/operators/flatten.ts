// SPDX-License-Identifier: Apache-2.0
// Several PCollections as one.

import type { WindowedValue } from '../../../coders/index.ts';
import type { Operator, Receiver } from '../operator.ts';
import type { MaybePromise } from '../types.ts';

export class Flatten implements Operator {
  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly out: Receiver,
  ) {}

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    return this.out.receive(element);
  }

  processValue(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    return this.out.receiveValue(value, from);
  }
}
