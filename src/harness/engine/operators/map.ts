// SPDX-License-Identifier: Apache-2.0
// One output for each element.

import type { WindowedValue } from '../../../coders/index.ts';
import type { AnyFunction } from '../../../pipeline/index.ts';
import type { MaybePromise } from '../types.ts';
import { ParDoOperator, type ParDoParts } from './par-do.ts';

export class MapOperator extends ParDoOperator {
  constructor(
    parts: ParDoParts,
    private readonly fn: AnyFunction,
  ) {
    super(parts);
  }

  protected override call(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    let output: unknown;
    try {
      output = this.fn(value, this.context.value);
    } catch (error) {
      throw this.failed(error);
    }
    return this.emitter.one(output, from);
  }
}
