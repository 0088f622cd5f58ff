// SPDX-License-Identifier: Apache-2.0
// The values of one field in the rows that are made at once. Numbers are gathered as doubles, whatever their type, and
// become the arrays of their rows together.

import {
  setField,
  TYPED_ARRAY_KINDS,
  type TypedArrayKind,
  VIEWED_BYTES,
} from '../../coders/index.ts';
import type { BoundField } from './columns.ts';

/** The most rows that are made at once. */
const BLOCK_ROWS = 64;

/** Typed arrays of numbers are all alike here. */
export type Numbers = Float64Array;

/** The values of a field in the rows that are being made. */
export interface FieldValues {
  /** Readies it for the values of a row. */
  begin(row: number): void;
  /** Takes a value of a row. */
  set(row: number, offset: number, value: unknown): void;
  /** Gives the field to rows. */
  finish(rows: readonly Record<string, unknown>[]): void;
}

/** How many rows are made at once: as many as make the numbers of the widest field one buffer. */
export function blockRows(bound: readonly BoundField[]): number {
  const widest = bound.reduce((most, { range, typed, places }) => {
    const { BYTES_PER_ELEMENT } = typed ? TYPED_ARRAY_KINDS[typed] : Float64Array;
    return Math.max(most, range ? places.length * BYTES_PER_ELEMENT : 1);
  }, 1);
  return Math.max(1, Math.min(BLOCK_ROWS, Math.floor(VIEWED_BYTES / widest)));
}

/** @param most - how many rows are made at once */
export function valuesOf(field: BoundField, most: number): FieldValues {
  const { name, range, typed, isFloat32, places, make } = field;
  const round = isFloat32 ? Math.fround : undefined;
  if (!range) return make ? new Lists(name, () => make(places.length)) : new Scalars(name);
  if (!make) return new NumberValues(name, most, round);
  return typed
    ? new TypedValues(name, most, places.length, typed)
    : new PlainLists(name, most, places.length, round);
}

/** Of a field that is one cell of any type. */
class Scalars implements FieldValues {
  private readonly values: unknown[] = [];

  constructor(private readonly name: string) {}

  begin(): void {}

  set(row: number, _offset: number, value: unknown): void {
    this.values[row] = value;
  }

  finish(rows: readonly Record<string, unknown>[]): void {
    for (let i = 0; i < rows.length; i++) setField(rows[i]!, this.name, this.values[i]);
    this.values.length = 0;
  }
}

/** Of an array of any type. */
class Lists implements FieldValues {
  private readonly lists: unknown[][] = [];

  constructor(
    private readonly name: string,
    private readonly make: () => unknown[],
  ) {}

  begin(row: number): void {
    this.lists[row] = this.make();
  }

  set(row: number, offset: number, value: unknown): void {
    this.lists[row]![offset] = value;
  }

  finish(rows: readonly Record<string, unknown>[]): void {
    for (let i = 0; i < rows.length; i++) setField(rows[i]!, this.name, this.lists[i]);
    this.lists.length = 0;
  }
}

/** Of a field that is one number, and of arrays of numbers. */
export class NumberValues implements FieldValues {
  /** Those of a row behind those of the one before. */
  readonly numbers: Numbers;

  constructor(
    protected readonly name: string,
    most: number,
    /** Makes them what their type holds. */
    protected readonly round: ((value: number) => number) | undefined,
    /** How many of them are of each row. */
    readonly stride = 1,
    /** What they are gathered in. */
    Gathered: Float64ArrayConstructor = Float64Array,
  ) {
    this.numbers = new Gathered(most * stride);
  }

  begin(): void {}

  set(row: number, offset: number, value: unknown): void {
    this.numbers[row * this.stride + offset] = value as number;
  }

  finish(rows: readonly Record<string, unknown>[]): void {
    const { numbers, round, name } = this;
    for (let i = 0; i < rows.length; i++) {
      const value = numbers[i]!;
      setField(rows[i]!, name, round ? round(value) : value);
    }
  }
}

class PlainLists extends NumberValues {
  constructor(
    name: string,
    most: number,
    stride: number,
    round: ((value: number) => number) | undefined,
  ) {
    super(name, most, round, stride);
  }

  override finish(rows: readonly Record<string, unknown>[]): void {
    const { numbers, stride, round, name } = this;
    for (let i = 0, at = 0; i < rows.length; i++) {
      const list = new Array<number>(stride);
      for (let j = 0; j < stride; j++, at++) list[j] = round ? round(numbers[at]!) : numbers[at]!;
      setField(rows[i]!, name, list);
    }
  }
}

class TypedValues extends NumberValues {
  private readonly Typed: Float64ArrayConstructor;

  constructor(name: string, most: number, stride: number, typed: TypedArrayKind) {
    const Typed = TYPED_ARRAY_KINDS[typed] as Float64ArrayConstructor;
    super(name, most, undefined, stride, Typed);
    this.Typed = Typed;
  }

  override finish(rows: readonly Record<string, unknown>[]): void {
    const { numbers, stride, name, Typed } = this;
    const { buffer } = new Typed(numbers.subarray(0, rows.length * stride));
    const bytes = stride * Typed.BYTES_PER_ELEMENT;
    for (let i = 0; i < rows.length; i++) {
      setField(rows[i]!, name, new Typed(buffer, i * bytes, stride));
    }
  }
}
