// SPDX-License-Identifier: Apache-2.0
// Elements on their way from one node to the next, some at a time.

import { roughSizeOfAll } from '../../../base/index.ts';
import {
  type Instant,
  MAX_TIMESTAMP,
  type Window,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { Origin } from './origin.ts';
import { Holds } from './times.ts';

/** Elements that travel together. */
export interface Block {
  readonly elements: readonly WindowedValue<unknown>[];
  /** How far the watermark may go while they wait: see {@link holdOf}. */
  readonly hold: Instant;
  /** About how much memory they take. */
  readonly bytes: number;
  /** The bundles that they come of and that are finalized when they wait nowhere any more, if there are such. */
  readonly origin?: Origin | undefined;
}

/** A producer waits while so much is queued for a consumer. */
export const QUEUE_BYTES = 24 * 1024 * 1024;

/** What an element takes besides its value, roughly. */
const OVERHEAD = 120;
/** What a window takes: of elements that lie in one, that one is there once. */
const WINDOW_BYTES = 200;
/** What a block takes besides its elements, and what is kept for its window. */
const BLOCK_BYTES = 512;

/**
 * How far the watermark may go while elements wait: to the first of their timestamps, and not past the
 * end of a window that one of them is in, be its timestamp moved beyond that. What is kept for a window
 * goes when the watermark has passed it.
 */
export function holdOf(elements: readonly WindowedValue<unknown>[]): Instant {
  let hold = MAX_TIMESTAMP;
  // Most often one after the other is in the same window.
  let last: readonly Window[] | undefined;
  for (const { timestamp, windows } of elements) {
    if (timestamp < hold) hold = timestamp;
    if (windows === last) continue;
    last = windows;
    for (const window of windows) hold = Math.min(hold, window.maxTimestamp());
  }
  return hold;
}

function windowBytes(elements: readonly WindowedValue<unknown>[]): number {
  let windows = 0;
  let last: readonly Window[] | undefined;
  for (const element of elements) {
    if (element.windows === last) continue;
    // The first is that of the elements before them, most often.
    if (last) windows += element.windows.length;
    last = element.windows;
  }
  return windows * WINDOW_BYTES;
}

export function blockOf(elements: readonly WindowedValue<unknown>[], origin?: Origin): Block {
  const values = roughSizeOfAll(elements.map(({ value }) => value));
  const bytes = BLOCK_BYTES + elements.length * OVERHEAD + windowBytes(elements) + values;
  return { elements, hold: holdOf(elements), bytes, origin };
}

/** The elements of a block from an index on, or up to one; the whole block when that is all. */
export function partOf(block: Block, from: number, to = block.elements.length): Block {
  if (from === 0 && to >= block.elements.length) return block;
  const elements = block.elements.slice(from, to);
  const bytes =
    elements.length === 0 ? 0 : Math.round((block.bytes * elements.length) / block.elements.length);
  return { elements, hold: holdOf(elements), bytes, origin: block.origin };
}

/** First in, first out. */
export class BlockQueue {
  private blocks: (Block | undefined)[] = [];
  private head = 0;
  private readonly holds = new Holds();
  bytes = 0;
  elements = 0;

  get isEmpty(): boolean {
    return this.head === this.blocks.length;
  }

  push(block: Block): void {
    this.blocks.push(block);
    this.count(block);
  }

  /** Puts blocks back to where they were taken from. */
  unshift(blocks: readonly Block[]): void {
    if (blocks.length <= this.head) {
      this.head -= blocks.length;
      for (const [i, block] of blocks.entries()) this.blocks[this.head + i] = block;
    } else {
      this.blocks = [...blocks, ...this.blocks.slice(this.head)];
      this.head = 0;
    }
    for (const block of blocks) this.count(block);
  }

  private count({ bytes, elements, hold, origin }: Block): void {
    this.bytes += bytes;
    this.elements += elements.length;
    this.holds.add(hold);
    origin?.retain();
  }

  /** Takes the first block, or as many of its elements as there may be, one at least. */
  shift(
    mostElements = Number.POSITIVE_INFINITY,
    mostBytes = Number.POSITIVE_INFINITY,
  ): Block | undefined {
    const block = this.blocks[this.head];
    if (!block) return undefined;
    // Its elements must not wait until the array is cut.
    this.blocks[this.head] = undefined;
    this.head += 1;
    this.bytes -= block.bytes;
    this.elements -= block.elements.length;
    this.holds.remove(block.hold);
    block.origin?.release();
    if (this.head > 64 && this.head * 2 > this.blocks.length) {
      this.blocks = this.blocks.slice(this.head);
      this.head = 0;
    }
    const { length } = block.elements;
    const byBytes = block.bytes > 0 ? (mostBytes * length) / block.bytes : length;
    const fitting = Math.floor(Math.min(mostElements, byBytes));
    // Whatever the limits are: one at least, or the queue would give nothing for ever.
    const taken = fitting >= 1 ? fitting : 1;
    if (taken >= length) return block;
    this.unshift([partOf(block, taken)]);
    return partOf(block, 0, taken);
  }

  /** How far the watermark may go while this waits; MAX_TIMESTAMP when nothing does. */
  get hold(): Instant {
    return Math.min(this.holds.least, MAX_TIMESTAMP);
  }
}
