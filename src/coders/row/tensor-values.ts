// SPDX-License-Identifier: Apache-2.0
// Which JavaScript values are a tensor of a declared type: a Tensor, a typed array of as many
// elements, or nested arrays. Shapes are checked before anything is written.

import { describeValue } from '../describe.ts';
import { fitsFloat32, whyNotFloat32 } from '../float32.ts';
import { sizeOf, TENSOR_ARRAYS, Tensor, type TensorArrays, type TensorElement } from '../tensor.ts';
import type { TensorType } from './field-type.ts';
import { typeName } from './field-type.ts';
import { type FieldMismatch, int64OutOfRange, mismatchThat, wrongType } from './mismatch.ts';

/** Any typed array that backs a tensor. */
export type TensorStore = TensorArrays[TensorElement];
type View = TensorStore | Uint16Array | Uint32Array | Uint8ClampedArray | BigUint64Array;

const INDEXED = 'Give a Tensor, nested arrays of this shape, or a flat typed array.';

function isView(value: unknown): value is View {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** An array of the declared elements, for so many of them. */
export function tensorStore(element: TensorElement, size: number): TensorStore {
  return new TENSOR_ARRAYS[element](size);
}

/**
 * The shape of a value, which fits the declared one. Of nested arrays only the first of each
 * dimension is looked at: {@link copyTensor} compares the others.
 *
 * @throws FieldMismatch when it is no tensor, or one of another shape
 */
export function tensorShape(type: TensorType, value: unknown): readonly number[] {
  if (isView(value)) return flatShape(type, value);
  let shape: readonly number[];
  if (isTensorLike(value)) {
    if (sizeOf(value.shape) !== value.data.length) {
      throw wrongType(type, value, 'The shape of a tensor says how many elements its data has.');
    }
    shape = value.shape;
  } else {
    shape = nestedShape(value);
    if (shape.length === 0 && type.shape.length > 0) throw wrongType(type, value, INDEXED);
  }
  const fits =
    shape.length === type.shape.length &&
    type.shape.every((size, dimension) => size === null || size === shape[dimension]);
  if (!fits) throw otherShape(type, `has the shape [${shape.join(', ')}]`);
  return shape;
}

interface TensorLike {
  readonly shape: readonly number[];
  readonly data: View;
}

function isTensorLike(value: unknown): value is TensorLike {
  if (value instanceof Tensor) return true;
  const like = value as Partial<TensorLike> | null;
  return (
    typeof like === 'object' && like !== null && Array.isArray(like.shape) && isView(like.data)
  );
}

function nestedShape(value: unknown): number[] {
  const shape: number[] = [];
  let at = value;
  while (Array.isArray(at) || isView(at)) {
    shape.push(at.length);
    at = at[0];
  }
  return shape;
}

/** A typed array has no shape of its own: its length must leave no choice. */
function flatShape(type: TensorType, value: View): readonly number[] {
  const known = type.shape.filter((size) => size !== null);
  const product = sizeOf(known);
  const open = type.shape.length - known.length;
  if (open === 0 && value.length === product) return known;
  if (open === 1 && product > 0 && value.length % product === 0) {
    return type.shape.map((size) => size ?? value.length / product);
  }
  const found = `holds ${value.constructor.name} of ${value.length} elements`;
  if (open > 1) {
    throw mismatchThat(
      `is declared ${typeName(type)} but ${found}, which does not tell the shape`,
      `Give it as a Tensor: new Tensor('${type.element}', shape, data).`,
    );
  }
  throw otherShape(type, open === 0 ? `${found}, not ${product}` : found);
}

function otherShape(type: TensorType, found: string): FieldMismatch {
  return mismatchThat(
    `is declared ${typeName(type)} but ${found}`,
    'Reshape it, or declare null for a dimension whose length differs from one element to the next.',
  );
}

/**
 * Copies the elements of a value of this shape.
 *
 * @throws FieldMismatch for an element that does not fit, or nested arrays of unequal lengths
 */
export function copyTensor(
  type: TensorType,
  value: unknown,
  shape: readonly number[],
  into: TensorStore,
  at: number,
): void {
  if (isView(value)) {
    copyFlat(type, value, shape, into, at);
  } else if (isTensorLike(value)) {
    if (value instanceof Tensor && (value.dtype === 'boolean') !== (type.element === 'boolean')) {
      throw mismatchThat(`is declared ${typeName(type)} but holds a Tensor of ${value.dtype}`);
    }
    copyFlat(type, value.data, shape, into, at);
  } else {
    const fit = FITS[type.element];
    const store = into as { [index: number]: unknown };
    const copy = (part: unknown, dimension: number, start: number, size: number): void => {
      if (dimension === shape.length) {
        const element = fit(part);
        if (element === undefined) throw misfit(type, part, shape, start - at);
        store[start] = element;
        return;
      }
      const length = shape[dimension]!;
      if (!(Array.isArray(part) || isView(part)) || part.length !== length) {
        const found =
          Array.isArray(part) || isView(part) ? `${part.length} elements` : describeValue(part);
        throw otherShape(type, `holds ${found} beside ${length} in dimension ${dimension}`);
      }
      const inner = length === 0 ? 0 : size / length;
      for (let i = 0; i < length; i++) copy(part[i], dimension + 1, start + i * inner, inner);
    };
    copy(value, 0, at, sizeOf(shape));
  }
}

function copyFlat(
  type: TensorType,
  view: View,
  shape: readonly number[],
  into: TensorStore,
  at: number,
): void {
  if (view.constructor === into.constructor && SAFE.has(type.element)) {
    (into as Float64Array).set(view as Float64Array, at);
    return;
  }
  const fit = type.element === 'boolean' ? zeroOrOne : FITS[type.element];
  const store = into as { [index: number]: unknown };
  for (let i = 0; i < view.length; i++) {
    const element = fit(view[i]);
    if (element === undefined) throw misfit(type, view[i], shape, i);
    store[at + i] = element;
  }
}

/** Elements of which every value of the typed array is one. */
const SAFE: ReadonlySet<TensorElement> = new Set([
  'float32',
  'float64',
  'byte',
  'int16',
  'int32',
  'bigint64',
  'uint8',
] as const);

type Fit = (value: unknown) => number | bigint | undefined;

const MAX_INT64 = 2n ** 63n - 1n;

function within(low: number, high: number): Fit {
  return (value) =>
    Number.isInteger(value) && (value as number) >= low && (value as number) <= high
      ? (value as number)
      : undefined;
}

const zeroOrOne = within(0, 1);

/** The element as its typed array holds it; undefined when it does not fit. */
const FITS: Record<TensorElement, Fit> = {
  float32: (value) => (typeof value === 'number' && fitsFloat32(value) ? value : undefined),
  float64: (value) => (typeof value === 'number' ? value : undefined),
  byte: within(-128, 127),
  int16: within(-32_768, 32_767),
  int32: within(-(2 ** 31), 2 ** 31 - 1),
  int64: (value) => {
    if (typeof value === 'bigint') {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : undefined;
    }
    return Number.isSafeInteger(value) ? (value as number) : undefined;
  },
  bigint64: (value) => {
    if (Number.isSafeInteger(value)) return BigInt(value as number);
    return typeof value === 'bigint' && value <= MAX_INT64 && value >= -MAX_INT64 - 1n
      ? value
      : undefined;
  },
  uint8: within(0, 255),
  boolean: (value) => (typeof value === 'boolean' ? Number(value) : undefined),
};

function misfit(
  type: TensorType,
  value: unknown,
  shape: readonly number[],
  offset: number,
): FieldMismatch {
  let path = '';
  let rest = offset;
  for (const size of [...shape].reverse()) {
    path = `[${rest % size}]${path}`;
    rest = Math.floor(rest / size);
  }
  const isBig = typeof value === 'bigint' || Number.isInteger(value);
  if (type.element === 'int64' && isBig) {
    return int64OutOfRange(value as number | bigint).within(path);
  }
  const why =
    type.element === 'float32' && typeof value === 'number' ? whyNotFloat32(value) : undefined;
  return mismatchThat(
    `is declared ${type.element} but holds ${describeValue(value)}`,
    why ?? 'Change the value or the declared type: nothing is converted silently.',
  ).within(path);
}
