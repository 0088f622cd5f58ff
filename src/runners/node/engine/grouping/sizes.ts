// SPDX-License-Identifier: Apache-2.0
// About how much memory groups take: enough to know when to write them to files, and cheap.

import { ByteWriter, roughSize } from '../../../../base/index.ts';
import type { Coder } from '../../../../coders/index.ts';

/** A window with its two maps. */
export const WINDOW_BYTES = 700;
/** A group: its entry in a map, its key, its array. */
export const GROUP_BYTES = 240;
/** What an array takes in advance when a second value comes. */
export const GROWTH_BYTES = 136;

const NUMBER_BYTES = 16;
const STRING_BYTES = 32;
const OBJECT_BYTES = 96;
/** Objects in memory are larger than encoded ones. */
const OBJECT_FACTOR = 3;
/** One in so many objects is encoded to learn its size. */
const SAMPLED = 64;

/** The sizes of values of one coder. */
export class Sizes {
  private seen = 0;
  private sampled = 0;
  private sampledBytes = 0;
  private readonly scratch = new ByteWriter();

  constructor(private readonly coder: Coder<unknown>) {}

  of(value: unknown): number {
    if (typeof value === 'number') return NUMBER_BYTES;
    if (typeof value === 'string') return STRING_BYTES + value.length;
    if (typeof value !== 'object' || value === null) return NUMBER_BYTES;
    if (value instanceof Uint8Array) return OBJECT_BYTES + value.byteLength;
    if (this.seen < SAMPLED || this.seen % SAMPLED === 0) this.sample(value);
    this.seen += 1;
    return OBJECT_BYTES + (OBJECT_FACTOR * this.sampledBytes) / this.sampled;
  }

  private sample(value: unknown): void {
    this.scratch.reset();
    try {
      this.coder.encode(value, this.scratch, true);
    } catch {
      // Whether it can be encoded is for whoever encodes it to say, not for one in so many.
      this.sampledBytes += roughSize(value);
      this.sampled += 1;
      return;
    }
    this.sampled += 1;
    this.sampledBytes += this.scratch.length;
  }
}
