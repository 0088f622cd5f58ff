// SPDX-License-Identifier: Apache-2.0
// Columns that are built a value at a time, for the declared types whose values are numbers or lists
// of numbers: a value is checked and copied when it comes, and its owner may do with it what it likes
// from then on.

import { ByteWriter } from '../../base/index.ts';
import { type NumberKind, numberStore, wireCode } from './number-store.ts';
import type { NumberStore, Room } from './numbers.ts';

export const NUMBERS = 1;
export const EQUAL_LISTS = 2;
export const LISTS = 3;

/** A column in the making. */
export interface ColumnBuilder {
  /** How many values it took. */
  readonly count: number;
  /** Takes a value. False, and nothing changes, for one that has to be written otherwise, if at all. */
  add(value: unknown): boolean;
  /** Forgets the latest value, though not that it may have needed wider numbers. */
  drop(): void;
  /** Takes all values, or is of no further use. */
  addAll(values: readonly unknown[]): boolean;
  /** The bytes of the column, in parts. */
  parts(): Uint8Array[];
}

/** Builds a column of numbers, or of lists of them. */
export function columnBuilder(kind: NumberKind, isList: boolean, room: Room): ColumnBuilder {
  return isList ? new ListsBuilder(kind, room) : new NumbersBuilder(kind, room);
}

class NumbersBuilder implements ColumnBuilder {
  private readonly store: NumberStore;

  constructor(kind: NumberKind, room: Room) {
    this.store = numberStore(kind, room);
  }

  get count(): number {
    return this.store.length;
  }

  add(value: unknown): boolean {
    return this.store.add(value);
  }

  drop(): void {
    this.store.drop(1);
  }

  addAll(values: readonly unknown[]): boolean {
    return this.store.addAll(values);
  }

  parts(): Uint8Array[] {
    const numbers = this.store.numbers();
    return [Uint8Array.of(NUMBERS, wireCode(numbers)), bytesOf(numbers)];
  }
}

class ListsBuilder implements ColumnBuilder {
  private readonly store: NumberStore;
  private readonly lengths: number[] = [];

  constructor(kind: NumberKind, room: Room) {
    this.store = numberStore(kind, room);
  }

  get count(): number {
    return this.lengths.length;
  }

  add(value: unknown): boolean {
    if (!isList(value) || !this.store.addAll(value)) return false;
    this.lengths.push(value.length);
    return true;
  }

  drop(): void {
    this.store.drop(this.lengths.pop()!);
  }

  addAll(values: readonly unknown[]): boolean {
    return addEach(this, values);
  }

  parts(): Uint8Array[] {
    const numbers = this.store.numbers();
    const [first] = this.lengths;
    const isEqual = first !== undefined && this.lengths.every((length) => length === first);
    const lengths = isEqual ? Uint32Array.of(first) : new Uint32Array(this.lengths);
    return [
      Uint8Array.of(isEqual ? EQUAL_LISTS : LISTS, wireCode(numbers)),
      bytesOf(lengths),
      bytesOf(numbers),
    ];
  }
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** {@link ColumnBuilder.addAll}, one by one. */
export function addEach(builder: ColumnBuilder, values: readonly unknown[]): boolean {
  // Not `every`, which passes over holes.
  for (let i = 0; i < values.length; i++) {
    if (!builder.add(values[i])) return false;
  }
  return true;
}

/** Parts after their size. */
export function sized(parts: readonly Uint8Array[]): Uint8Array[] {
  const size = new ByteWriter(8);
  size.varint(parts.reduce((sum, { length }) => sum + length, 0));
  return [size.view(), ...parts];
}
