// SPDX-License-Identifier: Apache-2.0
// Numbers gathered in a typed array as they come: rows that wait for a batch to fill wait as bytes,
// which the garbage collector need not copy, and are looked at once, while the processor has them at
// hand. What is written is in the narrowest type that holds all, as python-env/beambridge_host/wire/columns.py
// reads it.

import { type FieldType, FLOAT32_WHOLE, fitsFloat32 } from '../../coders/index.ts';

/** The number types of the wire, by their byte. */
export const WIRE_TYPES = [
  Int8Array,
  Int16Array,
  Int32Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
] as const;
const [I1, I2, I4, F4, F8] = [0, 1, 2, 4, 5] as const;
export type Numbers = Exclude<InstanceType<(typeof WIRE_TYPES)[number]>, BigInt64Array>;

type Fractions = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** By kind, the least whole number that is too large. */
const LIMITS = {
  byte: 2 ** 7,
  int16: 2 ** 15,
  int32: 2 ** 31,
  int64: Number.MAX_SAFE_INTEGER + 1,
} as const;
const FIRST_ROOM = 256;
/** How many numbers are looked at together, and how many before any others. */
const LOOK = 4096;
const FIRST_LOOK = 64;
/** No more than a batch has that is full by its bytes. */
const MOST_ROOM = 2 ** 19;

/** Declared types whose values numbers of the wire are. */
export type NumberKind = keyof typeof LIMITS | 'float32' | 'float64';

export function numberKind(type: FieldType): NumberKind | undefined {
  return type.kind in LIMITS || type.kind === 'float32' || type.kind === 'float64'
    ? (type.kind as NumberKind)
    : undefined;
}

/** Gathers numbers of one declared kind. */
export interface NumberStore {
  /** How many numbers it holds. */
  readonly length: number;
  /** Takes one number. False, and nothing changes, for what is none of the kind. */
  add(value: unknown): boolean;
  /** Takes all of a list, or nothing of it. */
  addAll(list: ArrayLike<unknown>): boolean;
  /** Forgets the latest so many. */
  drop(count: number): void;
  /** All numbers, in the narrowest type that holds them; a view until the next one is added. */
  numbers(): Numbers;
}

/**
 * How many numbers the latest store of a column had at its end: the next one begins with room for as many, so that it need
 * not be copied again and again while it grows. One that is begun beside it begins small, since there may be
 * one for each of a thousand windows.
 */
export class Room {
  private numbers = FIRST_ROOM;

  take(): number {
    const { numbers } = this;
    this.numbers = FIRST_ROOM;
    return numbers;
  }

  left(length: number): void {
    this.numbers = Math.min(MOST_ROOM, Math.max(length, FIRST_ROOM));
  }
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

/** A typed array with room for more, and the same elements. */
function grown<N extends Numbers>(numbers: N, length: number): N {
  const Type = numbers.constructor as new (length: number) => N;
  const larger = new Type(Math.max(length, 2 * numbers.length));
  larger.set(numbers);
  return larger;
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

class FractionStore implements NumberStore {
  length = 0;
  private store: Fractions;
  /** Above it, a number is looked at. */
  private readonly limit: number;

  constructor(
    kind: 'float32' | 'float64',
    private readonly room: Room,
  ) {
    this.store = new (kind === 'float32' ? Float32Array : Float64Array)(room.take());
    this.limit = kind === 'float32' ? FLOAT32_WHOLE : Infinity;
  }

  add(value: unknown): boolean {
    if (typeof value !== 'number') return false;
    if (Math.abs(value) > this.limit && !fitsFloat32(value)) return false;
    if (this.length === this.store.length) this.store = grown(this.store, this.length + 1);
    this.store[this.length++] = value;
    return true;
  }

  addAll(list: ArrayLike<unknown>): boolean {
    const { limit, length: start } = this;
    const { length } = list;
    if (start + length > this.store.length) this.store = grown(this.store, start + length);
    const { store } = this;
    // Each of them is a value of the type: they are copied as they lie.
    if (list instanceof Float32Array || (list instanceof Float64Array && limit === Infinity)) {
      store.set(list, start);
      this.length += length;
      return true;
    }
    for (let i = 0; i < length; i++) {
      const value = list[i];
      if (typeof value !== 'number') return false;
      if (Math.abs(value) > limit && !fitsFloat32(value)) return false;
      store[start + i] = value;
    }
    this.length += length;
    return true;
  }

  drop(count: number): void {
    this.length -= count;
  }

  numbers(): Numbers {
    this.room.left(this.length);
    const numbers = this.store.subarray(0, this.length);
    return (this.length > 0 && asWhole(numbers)) || numbers;
  }
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
  let narrow = new Narrow(0);
  let at = 0;
  for (let count = FIRST_LOOK; at < numbers.length; at += count, count = LOOK) {
    const some = numbers.subarray(at, at + count);
    const copy = new Narrow(some);
    if (Buffer.compare(bitsOf(new Wide(copy)), bitsOf(some)) !== 0) return undefined;
    if (at === 0) narrow = new Narrow(numbers.length);
    narrow.set(copy, at);
  }
  return narrow;
}

function bitsOf({ buffer, byteOffset, byteLength }: Fractions): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
