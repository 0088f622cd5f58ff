// SPDX-License-Identifier: Apache-2.0
// Any number of outputs for each element.

import type { WindowedValue } from '../../../coders/index.ts';
import type { AnyFunction } from '../../../pipeline/index.ts';
import { isThenable, type MaybePromise } from '../types.ts';
import { ParDoOperator, type ParDoParts } from './par-do.ts';

export class FlatMapOperator extends ParDoOperator {
  constructor(
    parts: ParDoParts,
    private readonly fn: AnyFunction,
  ) {
    super(parts);
  }

  protected override call(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    let outputs: unknown;
    try {
      outputs = this.fn(value, this.context.value);
    } catch (error) {
      throw this.failed(error);
    }
    if (isThenable(outputs)) return this.callLater(outputs, from);
    return this.emit(outputs, from);
  }

  private async callLater(
    pending: PromiseLike<unknown>,
    from: WindowedValue<unknown>,
  ): Promise<void> {
    let outputs: unknown;
    try {
      this.scope.atWork = this.info;
      outputs = await pending;
      this.scope.atWork = undefined;
    } catch (error) {
      throw this.failed(error);
    }
    await this.emit(outputs, from);
  }

  private emit(outputs: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    // Whoever returns nothing outputs nothing.
    if (outputs === undefined) return;
    return this.emitter.all(outputs, from);
  }
}
