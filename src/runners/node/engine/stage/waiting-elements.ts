// SPDX-License-Identifier: Apache-2.0
// Elements whose side inputs are not there yet.

import {
  type Instant,
  MAX_TIMESTAMP,
  type Window,
  type WindowedValue,
} from '../../../../coders/index.ts';
import { type Block, blockOf } from '../block.ts';
import type { SideInputView } from '../side-input-view.ts';

export class WaitingElements {
  private blocks: Block[] = [];

  constructor(private readonly views: readonly Pick<SideInputView, 'isReady'>[]) {}

  get isEmpty(): boolean {
    return this.blocks.length === 0;
  }

  /** Least timestamp among them. */
  get hold(): Instant {
    let least = MAX_TIMESTAMP;
    for (const { minTimestamp } of this.blocks) least = Math.min(least, minTimestamp);
    return least;
  }

  /** Keeps what has to wait; gives the rest. */
  readyPart(block: Block): Block | undefined {
    const { views } = this;
    if (views.length === 0) return block;
    // Many elements in a row are in the same window: it is looked up once.
    let last: Window | undefined;
    let lastIsReady = false;
    const isReady = ({ windows }: WindowedValue<unknown>) =>
      windows.every((window) => {
        if (window !== last) lastIsReady = views.every((view) => view.isReady(window));
        last = window;
        return lastIsReady;
      });
    const ready = block.elements.filter(isReady);
    if (ready.length === block.elements.length) return block;
    this.blocks.push(blockOf(block.elements.filter((element) => !isReady(element))));
    return ready.length === 0 ? undefined : blockOf(ready);
  }

  /** Takes out what need not wait any more. */
  takeReady(): Block[] {
    if (this.blocks.length === 0) return [];
    const blocks = this.blocks;
    this.blocks = [];
    const ready: Block[] = [];
    for (const block of blocks) {
      const part = this.readyPart(block);
      if (part) ready.push(part);
    }
    return ready;
  }
}
