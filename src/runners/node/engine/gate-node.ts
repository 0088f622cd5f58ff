// SPDX-License-Identifier: Apache-2.0
// Where elements wait whose consumers are not known yet, because a transform that reads them is
// still being expanded.

import { Condition } from '../../../base/index.ts';
import { type Instant, MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../../coders/index.ts';
import type { MaybePromise } from '../../../harness/index.ts';
import { type Block, BlockQueue, QUEUE_BYTES } from './block.ts';
import type { EngineNode } from './node.ts';

export class GateNode implements EngineNode {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[] = [];
  readonly outputWatermark = MAX_TIMESTAMP;
  readonly isQuiet = true;
  private readonly queue = new BlockQueue();
  private isOpen = false;
  private readonly opened = new Condition();

  constructor(
    readonly pcollection: string,
    /** How many flattens and reshuffles take the PCollection already. */
    readonly forwards: number,
  ) {
    this.inputs = [pcollection];
  }

  /** Where the contents of a side input are kept for those behind the gate. */
  get inputWatermark(): Instant {
    return this.isOpen ? MAX_TIMESTAMP : MIN_TIMESTAMP;
  }

  take(block: Block): MaybePromise<void> {
    if (this.isOpen) return;
    this.queue.push(block);
    // Not only for a while, as at a stage: nothing behind the gate can be what the producer waits for.
    if (this.queue.bytes >= QUEUE_BYTES) return this.opened.wait().then(() => {});
  }

  step(): boolean {
    return false;
  }

  /** Gives what has come, and lets producers go on. */
  *open(): Iterable<Block> {
    this.isOpen = true;
    for (let block = this.queue.shift(); block; block = this.queue.shift()) yield block;
    this.opened.notify();
  }

  /** Lets producers go on although nobody will come. */
  giveUp(): void {
    this.isOpen = true;
    this.opened.notify();
  }
}
