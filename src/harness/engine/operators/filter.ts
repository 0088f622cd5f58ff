// SPDX-License-Identifier: Apache-2.0
// The elements for which a function says true.

import type { WindowedValue } from '../../../coders/index.ts';
import type { AnyFunction } from '../../../pipeline/index.ts';
import { isThenable, type MaybePromise } from '../types.ts';
import { ParDoOperator, type ParDoParts } from './par-do.ts';

export class FilterOperator extends ParDoOperator {
  constructor(
    parts: ParDoParts,
    private readonly fn: AnyFunction,
  ) {
    super(parts);
  }

  protected override call(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    let keep: unknown;
    try {
      keep = this.fn(value, this.context.value);
    } catch (error) {
      throw this.failed(error);
    }
    if (isThenable(keep)) return this.callLater(keep, value, from);
    if (keep) return this.emitter.same(value, from);
  }

  private async callLater(
    pending: PromiseLike<unknown>,
    value: unknown,
    from: WindowedValue<unknown>,
  ): Promise<void> {
    let keep: unknown;
    try {
      this.scope.atWork = this.info;
      keep = await pending;
      this.scope.atWork = undefined;
    } catch (error) {
      throw this.failed(error);
    }
    if (keep) await this.emitter.same(value, from);
  }
}
