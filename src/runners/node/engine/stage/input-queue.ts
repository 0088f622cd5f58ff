// SPDX-License-Identifier: Apache-2.0
// The elements that wait for a stage, and the producers that wait for room among them.

import { Condition } from '../../../../base/index.ts';
import type { MaybePromise } from '../../../../harness/index.ts';
import { type Block, BlockQueue, QUEUE_BYTES } from '../block.ts';

/** How long a producer waits for a consumer that has not begun, and may be waiting for the producer. */
const LONGEST_PAUSE_MS = 50;

export class InputQueue extends BlockQueue {
  private readonly more = new Condition();
  private readonly less = new Condition();
  private isOver = false;

  /** @param willTake - whether what is queued will be taken, whatever its producer does */
  constructor(private readonly willTake: () => boolean) {
    super();
  }

  /** Whether a bundle is at work that waits for input. */
  get isAwaited(): boolean {
    return this.more.isAwaited;
  }

  /** A promise asks the producer to wait: what a slow model has not scored must not pile up here. */
  take(block: Block): MaybePromise<void> {
    this.push(block);
    this.more.notify();
    return this.room();
  }

  /** Resolves when there is room, however long that takes; nothing to wait for when there is some. */
  room(): MaybePromise<void> {
    if (this.bytes >= QUEUE_BYTES) return this.roomLater();
  }

  override shift(mostElements?: number, mostBytes?: number): Block | undefined {
    const block = super.shift(mostElements, mostBytes);
    if (block && this.bytes < QUEUE_BYTES) this.less.notify();
    return block;
  }

  private async roomLater(): Promise<void> {
    while (this.bytes >= QUEUE_BYTES && !this.isOver) {
      const isPatient = this.willTake();
      const changed = await this.less.wait(isPatient ? undefined : LONGEST_PAUSE_MS);
      if (!changed) return;
    }
  }

  /** Resolves when something came, or may come no more. */
  async arrival(): Promise<void> {
    await this.more.wait();
  }

  /** Lets producers look again whether they should wait. */
  lookAgain(): void {
    this.less.notify();
  }

  /** Lets those look who wait for input: there may be no more, or no time to wait for it. */
  lookUp(): void {
    this.more.notify();
  }

  /** Lets everybody go on: the run is over. */
  giveUp(): void {
    this.isOver = true;
    this.more.notify();
    this.less.notify();
  }
}
