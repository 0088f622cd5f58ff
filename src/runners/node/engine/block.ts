// SPDX-License-Identifier: Apache-2.0
// Elements on their way from one node to the next, some at a time.

import { roughSizeOfAll } from '../../../base/index.ts';
import { type Instant, MAX_TIMESTAMP, type WindowedValue } from '../../../coders/index.ts';

/** Elements that travel together. */
export interface Block {
  readonly elements: readonly WindowedValue<unknown>[];
  /** The least of their timestamps. */
  readonly minTimestamp: Instant;
  /** About how much memory they take. */
  readonly bytes: number;
}

/** A producer waits while so much is queued for a consumer. */
export const QUEUE_BYTES = 24 * 1024 * 1024;

/** What an element takes besides its value, roughly. */
const OVERHEAD = 120;

export function blockOf(elements: readonly WindowedValue<unknown>[]): Block {
  let minTimestamp = MAX_TIMESTAMP;
  for (const { timestamp } of elements) if (timestamp < minTimestamp) minTimestamp = timestamp;
  const values = roughSizeOfAll(elements.map(({ value }) => value));
  return { elements, minTimestamp, bytes: elements.length * OVERHEAD + values };
}

/** First in, first out. */
export class BlockQueue {
  private blocks: (Block | undefined)[] = [];
  private head = 0;
  bytes = 0;

  get isEmpty(): boolean {
    return this.head === this.blocks.length;
  }

  push(block: Block): void {
    this.blocks.push(block);
    this.bytes += block.bytes;
  }

  /** Puts blocks back to where they were taken from. */
  unshift(blocks: readonly Block[]): void {
    this.blocks = [...blocks, ...this.blocks.slice(this.head)];
    this.head = 0;
    for (const { bytes } of blocks) this.bytes += bytes;
  }

  shift(): Block | undefined {
    const block = this.blocks[this.head];
    if (!block) return undefined;
    // Its elements must not wait until the array is cut.
    this.blocks[this.head] = undefined;
    this.head += 1;
    this.bytes -= block.bytes;
    if (this.head > 64 && this.head * 2 > this.blocks.length) {
      this.blocks = this.blocks.slice(this.head);
      this.head = 0;
    }
    return block;
  }

  /** The least timestamp in the queue; the greatest of all when it is empty. */
  get minTimestamp(): Instant {
    let least = MAX_TIMESTAMP;
    for (let i = this.head; i < this.blocks.length; i++) {
      least = Math.min(least, this.blocks[i]!.minTimestamp);
    }
    return least;
  }
}
