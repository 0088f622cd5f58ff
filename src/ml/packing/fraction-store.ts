// SPDX-License-Identifier: Apache-2.0
// Numbers that may have a fraction, gathered as they come. What has none in all of a batch, such as pixels and counts in
// float32, travels in a quarter of the bytes or less.

import { FLOAT32_WHOLE, fitsFloat32 } from '../../coders/index.ts';
import { grown, type NumberStore, type Numbers, type Room } from './numbers.ts';

type Fractions = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** How many numbers are looked at together, and how many before any others. */
const LOOK = 4096;
const FIRST_LOOK = 64;

export class FractionStore implements NumberStore {
  length = 0;
  /**
   * All numbers as long as each of them is small and whole: each is looked at in any case, and those are not looked at again.
   * Undefined from the first one on that is not, or that comes in a typed array, of which a copy takes less than a look.
   */
  private bytes: Int8Array<ArrayBuffer> | undefined = new Int8Array(0);
  private store: Fractions;
  private readonly first: number;
  /** Above it, a number is looked at. */
  private readonly limit: number;

  constructor(
    kind: 'float32' | 'float64',
    private readonly room: Room,
  ) {
    this.first = room.take();
    this.store = new (kind === 'float32' ? Float32Array : Float64Array)(0);
    this.limit = kind === 'float32' ? FLOAT32_WHOLE : Infinity;
  }

  add(value: unknown): boolean {
    if (typeof value !== 'number') return false;
    const { length } = this;
    if (this.bytes && isSmall(value)) {
      if (length === this.bytes.length) this.bytes = grown(this.bytes, this.first);
      this.bytes[length] = value;
    } else {
      if (Math.abs(value) > this.limit && !fitsFloat32(value)) return false;
      this.wide(length + 1)[length] = value;
    }
    this.length += 1;
    return true;
  }

  addAll(list: ArrayLike<unknown>): boolean {
    const { limit, length: start } = this;
    const { length } = list;
    // Each of them is a value of the type: they are copied as they lie.
    if (list instanceof Float32Array || (list instanceof Float64Array && limit === Infinity)) {
      this.wide(start + length).set(list, start);
      this.length += length;
      return true;
    }
    if (this.bytes && this.addSmall(list)) return true;
    const store = this.wide(start + length);
    for (let i = 0; i < length; i++) {
      const value = list[i];
      if (typeof value !== 'number') return false;
      if (Math.abs(value) > limit && !fitsFloat32(value)) return false;
      store[start + i] = value;
    }
    this.length += length;
    return true;
  }

  /** Takes all of a list if each is a small whole number, or nothing of it. */
  private addSmall(list: ArrayLike<unknown>): boolean {
    const { length: start } = this;
    const { length } = list;
    if (start + length > this.bytes!.length) {
      this.bytes = grown(this.bytes!, Math.max(this.first, start + length));
    }
    const bytes = this.bytes!;
    for (let i = 0; i < length; i++) {
      const value = list[i];
      if (typeof value !== 'number' || !isSmall(value)) return false;
      bytes[start + i] = value;
    }
    this.length += length;
    return true;
  }

  /** Where any numbers may be put, with room for so many. */
  private wide(length: number): Fractions {
    const { bytes } = this;
    const isFull = length > this.store.length;
    if (isFull) this.store = grown(this.store, Math.max(this.first, bytes?.length ?? 0, length));
    if (bytes) this.store.set(bytes.subarray(0, this.length));
    this.bytes = undefined;
    return this.store;
  }

  drop(count: number): void {
    this.length -= count;
  }

  numbers(): Numbers {
    this.room.left(this.length);
    if (this.length === 0) return this.store.subarray(0, 0);
    if (this.bytes) return this.bytes.subarray(0, this.length);
    const numbers = this.store.subarray(0, this.length);
    return asWhole(numbers) ?? numbers;
  }
}

/** Whether a byte holds a number, as itself: it has no -0. */
function isSmall(value: number): boolean {
  const small = (value << 24) >> 24;
  return small === value && (small !== 0 || !Object.is(value, -0));
}

/**
 * Fractions of which none has a fraction, such as pixels and counts, in a quarter of the bytes or less; undefined for
 * others, which is nearly always told by the first few.
 */
function asWhole(numbers: Fractions): Numbers | undefined {
  return exactly(numbers, Int8Array) ?? exactly(numbers, Int16Array);
}

/**
 * The same numbers in a narrower type, if it holds all of them: those that come back from it with the same bits, which
 * -0 and NaN do not. It is asked of many at a time, since the runtime's own loops take a quarter of the time of one here.
 */
function exactly(
  numbers: Fractions,
  Narrow: Int8ArrayConstructor | Int16ArrayConstructor,
): Int8Array<ArrayBuffer> | Int16Array<ArrayBuffer> | undefined {
  const Wide = numbers.constructor as Float64ArrayConstructor;
  const { length } = numbers;
  const first = numbers.subarray(0, FIRST_LOOK);
  if (!isSame(new Wide(new Narrow(first)), first)) return undefined;
  const narrow = new Narrow(length);
  const back = new Wide(Math.min(LOOK, length));
  // Arrays that are there already are filled in half of the time that it takes to make others.
  for (let at = 0; at < length; at += LOOK) {
    const some = numbers.subarray(at, at + LOOK);
    const copy = narrow.subarray(at, at + LOOK);
    copy.set(some);
    back.set(copy);
    if (!isSame(back.subarray(0, some.length), some)) return undefined;
  }
  return narrow;
}

/** Whether all have the same bits. */
function isSame(some: Fractions, others: Fractions): boolean {
  return Buffer.compare(bitsOf(some), bitsOf(others)) === 0;
}

function bitsOf({ buffer, byteOffset, byteLength }: Fractions): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
