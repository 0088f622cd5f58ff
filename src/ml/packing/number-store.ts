// SPDX-License-Identifier: Apache-2.0
// Numbers of a declared kind, gathered as they come.

import type { FieldType } from '../../coders/index.ts';
import { FractionStore } from './fraction-store.ts';
import { grown, type NumberStore, type Numbers, Room } from './numbers.ts';

const [I1, I2, I4, F4, F8] = [0, 1, 2, 4, 5] as const;

/** By kind, the least whole number that is too large. */
const LIMITS = {
  byte: 2 ** 7,
  int16: 2 ** 15,
  int32: 2 ** 31,
  int64: Number.MAX_SAFE_INTEGER + 1,
} as const;
/** Declared types whose values numbers of the wire are. */
export type NumberKind = keyof typeof LIMITS | 'float32' | 'float64';

export function numberKind(type: FieldType): NumberKind | undefined {
  return type.kind in LIMITS || type.kind === 'float32' || type.kind === 'float64'
    ? (type.kind as NumberKind)
    : undefined;
}

export function numberStore(kind: NumberKind, room = new Room()): NumberStore {
  return kind === 'float32' || kind === 'float64'
    ? new FractionStore(kind, room)
    : new WholeNumberStore(kind, room);
}

export function wireCode(numbers: Numbers): number {
  if (numbers instanceof Int8Array) return I1;
  if (numbers instanceof Int16Array) return I2;
  if (numbers instanceof Int32Array) return I4;
  return numbers instanceof Float32Array ? F4 : F8;
}

class WholeNumberStore implements NumberStore {
  length = 0;
  private low = 0;
  private high = 0;
  /** Wide enough for all so far. */
  private store: Numbers;
  private readonly least: number;
  private readonly limit: number;

  constructor(
    kind: keyof typeof LIMITS,
    private readonly room: Room,
  ) {
    this.store = new Int8Array(room.take());
    this.limit = LIMITS[kind];
    this.least = kind === 'int64' ? 1 - this.limit : -this.limit;
  }

  add(value: unknown): boolean {
    if (typeof value !== 'number' || !Number.isInteger(value)) return false;
    const isNegativeZero = Object.is(value, -0);
    if (value < this.low || value > this.high || isNegativeZero) {
      const isWithin = this.widen(
        Math.min(value, this.low),
        Math.max(value, this.high),
        isNegativeZero,
      );
      if (!isWithin) return false;
    }
    if (this.length === this.store.length) this.store = grown(this.store, this.length + 1);
    this.store[this.length++] = value;
    return true;
  }

  addAll(list: ArrayLike<unknown>): boolean {
    const { length: start } = this;
    const { length } = list;
    if (start + length > this.store.length) this.store = grown(this.store, start + length);
    const { store } = this;
    let { low, high } = this;
    let hasNegativeZero = false;
    for (let i = 0; i < length; i++) {
      const value = list[i] as number;
      if (!Number.isInteger(value)) return false;
      if (value < low) low = value;
      else if (value > high) high = value;
      else if (Object.is(value, -0)) hasNegativeZero = true;
      store[start + i] = value;
    }
    if (low < this.low || high > this.high || hasNegativeZero) {
      if (!this.widen(low, high, hasNegativeZero)) return false;
      // What was written to a narrower array was cut.
      if (this.store !== store) this.store.set(list as ArrayLike<number>, start);
    }
    this.length += length;
    return true;
  }

  drop(count: number): void {
    this.length -= count;
  }

  /** Makes the store wide enough for numbers from `low` to `high`, unless the kind has no such ones. */
  private widen(low: number, high: number, hasNegativeZero: boolean): boolean {
    if (low < this.least || high >= this.limit) return false;
    this.low = low;
    this.high = high;
    // Only a type of fractions has a negative zero. It is told where large numbers need that type.
    const Type = hasNegativeZero ? Float64Array : narrowest(low, high);
    if (this.store.BYTES_PER_ELEMENT < Type.BYTES_PER_ELEMENT) {
      const wider = new Type(this.store.length);
      wider.set(this.store.subarray(0, this.length));
      this.store = wider;
    }
    return true;
  }

  numbers(): Numbers {
    this.room.left(this.length);
    const Type = narrowest(this.low, this.high);
    const numbers = this.store.subarray(0, this.length);
    return numbers instanceof Type ? numbers : new Type(numbers);
  }
}

/** The narrowest type for whole numbers from `low` to `high`. */
function narrowest(low: number, high: number) {
  const within = (bits: number) => low >= -(2 ** bits) && high < 2 ** bits;
  if (within(7)) return Int8Array;
  if (within(15)) return Int16Array;
  return within(31) ? Int32Array : Float64Array;
}
