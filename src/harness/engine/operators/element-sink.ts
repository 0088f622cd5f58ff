// SPDX-License-Identifier: Apache-2.0
// The end of a stage whose elements stay in this process: they are handed on as they are.

import { roughSize } from '../../../base/index.ts';
import type { WindowedValue } from '../../../coders/index.ts';
import type { Operator } from '../operator.ts';
import type { BundleScope } from '../scope.ts';
import type { MaybePromise } from '../types.ts';

/** Enough for the cost of handing on to vanish, few enough to stay in the processor's cache. */
const BLOCK_ELEMENTS = 1024;
/** Large elements go on earlier, so that whoever takes them can begin. */
const BLOCK_BYTES = 256 * 1024;

/** One of so many values is measured, where that is work. */
const SAMPLED = 16;

export class ElementSink implements Operator {
  private block: WindowedValue<unknown>[] = [];
  private bytes = 0;
  private isFirst = true;

  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly scope: BundleScope,
  ) {}

  startBundle(): void {
    // A bundle that failed may have left something.
    this.block = [];
    this.bytes = 0;
    this.isFirst = true;
  }

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    const { value } = element;
    if (this.isFirst) {
      this.isFirst = false;
      this.scope.io.output.showFirst?.(this.transformId, element);
    }
    if (typeof value === 'string') this.bytes += value.length;
    else if (value instanceof Uint8Array) this.bytes += value.byteLength;
    else if (this.block.length % SAMPLED === 0) this.bytes += SAMPLED * roughSize(value);
    const count = this.block.push(element);
    if (count >= BLOCK_ELEMENTS || this.bytes >= BLOCK_BYTES) return this.flush();
  }

  finishBundle(): MaybePromise<void> {
    if (this.block.length > 0) return this.flush();
  }

  private flush(): MaybePromise<void> {
    const { block } = this;
    this.block = [];
    this.bytes = 0;
    return this.scope.io.output.writeElements?.(this.transformId, block);
  }
}
