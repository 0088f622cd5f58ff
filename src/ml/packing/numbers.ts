// SPDX-License-Identifier: Apache-2.0
// Numbers gathered in a typed array as they come: rows that wait for a batch to fill wait as bytes,
// which the garbage collector need not copy, and are looked at once, while the processor has them at
// hand. What is written is in the narrowest type that holds all, as python-env/beambridge_host/wire/columns.py
// reads it.

/** The number types of the wire, by their byte. */
export const WIRE_TYPES = [
  Int8Array,
  Int16Array,
  Int32Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
] as const;
export type Numbers = Exclude<InstanceType<(typeof WIRE_TYPES)[number]>, BigInt64Array>;

const FIRST_ROOM = 256;
/** No more than a batch has that is full by its bytes. */
const MOST_ROOM = 2 ** 19;

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

/** A typed array with room for more, and the same elements. */
export function grown<N extends Numbers>(numbers: N, length: number): N {
  const Type = numbers.constructor as new (length: number) => N;
  const larger = new Type(Math.max(length, 2 * numbers.length));
  larger.set(numbers);
  return larger;
}
