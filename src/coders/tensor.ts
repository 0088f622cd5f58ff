// SPDX-License-Identifier: Apache-2.0
// Tensors as JavaScript values: a typed array and a shape.

import { BeamBridgeError } from '../base/index.ts';

/** The typed array for the elements of each tensor type. */
export const TENSOR_ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  byte: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  // Whole numbers that a number holds exactly.
  int64: Float64Array,
  bigint64: BigInt64Array,
  uint8: Uint8Array,
  // 1 for true.
  boolean: Uint8Array,
} as const;

/** What a tensor's elements are. */
export type TensorElement = keyof typeof TENSOR_ARRAYS;

/** The typed array that backs a tensor of such elements. */
export interface TensorArrays {
  float32: Float32Array;
  float64: Float64Array;
  byte: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: Float64Array;
  bigint64: BigInt64Array;
  uint8: Uint8Array;
  boolean: Uint8Array;
}

/** One element of a tensor, as JavaScript has it. */
export type TensorValue<K extends TensorElement> = K extends 'bigint64'
  ? bigint
  : K extends 'boolean'
    ? boolean
    : number;

/** Arrays in arrays, as deep as a tensor has dimensions; a bare element for none. */
export type Nested<T> = T | readonly Nested<T>[];

export function isTensorElement(kind: string): kind is TensorElement {
  return Object.hasOwn(TENSOR_ARRAYS, kind);
}

/**
 * Numbers (or booleans) in a grid of any number of dimensions: a typed array in row-major order, as
 * numpy has them, and its shape.
 *
 * Tensors that come out of a model share the memory of their batch: copy (`data.slice()`) what is
 * kept long after the others.
 *
 * @example
 * ```ts
 * const image = new Tensor('uint8', [2, 2, 3], new Uint8Array(12));
 * image.at(0, 1, 2); // blue of the second pixel
 * Tensor.from('float32', [[1, 2], [3, 4]]).shape; // [2, 2]
 * ```
 */
export class Tensor<K extends TensorElement = TensorElement> {
  /**
   * @param dtype - what the elements are: the `kind` of the declared element type
   * @param shape - the length of each dimension; none for a single number
   * @param data - the elements in row-major order, not copied: for `int64` a `Float64Array` of whole
   *   numbers, for `boolean` a `Uint8Array` of zeros and ones
   * @throws BeamBridgeError `INVALID_ARGUMENT` when these do not fit each other
   */
  constructor(
    readonly dtype: K,
    readonly shape: readonly number[],
    readonly data: TensorArrays[K],
  ) {
    if (!isTensorElement(dtype)) {
      throw bad(`there is no tensor of ${String(dtype)}`, `Use ${elementNames()}.`);
    }
    const Data = TENSOR_ARRAYS[dtype];
    if (!(data instanceof Data)) {
      throw bad(`the data of a tensor of ${dtype} is no ${Data.name}`);
    }
    if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw bad('the shape of a tensor is an array of whole numbers from 0');
    }
    if (sizeOf(shape) !== data.length) {
      throw bad(
        `a tensor of shape [${shape.join(', ')}] has ${sizeOf(shape)} elements, not ${data.length}`,
      );
    }
  }

  /** How many elements it has. */
  get size(): number {
    return this.data.length;
  }

  /**
   * A tensor of nested arrays.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` when their lengths differ
   */
  static from<K extends TensorElement>(dtype: K, values: Nested<TensorValue<K>>): Tensor<K> {
    if (!isTensorElement(dtype)) {
      throw bad(`there is no tensor of ${String(dtype)}`, `Use ${elementNames()}.`);
    }
    const shape: number[] = [];
    for (let at: unknown = values; Array.isArray(at); at = at[0]) shape.push(at.length);
    const flat: unknown[] = [];
    const collect = (part: unknown, depth: number): void => {
      if (depth === shape.length) {
        if (Array.isArray(part)) throw bad('the arrays of a tensor differ in depth');
        flat.push(dtype === 'boolean' ? Number(part) : part);
        return;
      }
      if (!Array.isArray(part) || part.length !== shape[depth]) {
        throw bad(`the arrays of a tensor differ in length in dimension ${depth}`);
      }
      for (const inner of part) collect(inner, depth + 1);
    };
    collect(values, 0);
    const Data = TENSOR_ARRAYS[dtype] as unknown as { from(flat: unknown[]): TensorArrays[K] };
    return new Tensor(dtype, shape, Data.from(flat));
  }

  /**
   * The element at an index for each dimension.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` when there is none
   */
  at(...index: number[]): TensorValue<K> {
    let offset = 0;
    const fits =
      index.length === this.shape.length &&
      index.every((i, dimension) => {
        const size = this.shape[dimension]!;
        offset = offset * size + i;
        return Number.isInteger(i) && i >= 0 && i < size;
      });
    if (!fits) {
      throw bad(
        `a tensor of shape [${this.shape.join(', ')}] has nothing at [${index.join(', ')}]`,
      );
    }
    return this.element(offset);
  }

  /** The elements as nested arrays. */
  toArray(): Nested<TensorValue<K>> {
    const build = (dimension: number, start: number, size: number): Nested<TensorValue<K>> => {
      if (dimension === this.shape.length) return this.element(start);
      const length = this.shape[dimension]!;
      const inner = length === 0 ? 0 : size / length;
      return Array.from({ length }, (_, i) => build(dimension + 1, start + i * inner, inner));
    };
    return build(0, 0, this.size);
  }

  private element(offset: number): TensorValue<K> {
    const value = this.data[offset]!;
    return (this.dtype === 'boolean' ? value === 1 : value) as TensorValue<K>;
  }
}

/** How many elements a tensor of this shape has. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function elementNames(): string {
  return Object.keys(TENSOR_ARRAYS).join(', ');
}

function bad(message: string, hint?: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', message, { hint });
}
