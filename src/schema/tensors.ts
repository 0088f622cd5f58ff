// SPDX-License-Identifier: Apache-2.0
// Tensors in the builder of types.

import { BeamBridgeError } from '../base/index.ts';
import {
  type Decimal,
  elementNames,
  isTensorElement,
  type MicrosInstant,
  type Nested,
  type Tensor,
  type TensorArrays,
  type TensorElement,
  type TensorValue,
} from '../coders/index.ts';
import type { SchemaType } from './types.ts';

/** The type of a tensor's elements that is no type of a field: 0 to 255, as in images. */
export const uint8: { readonly kind: 'uint8' } = Object.freeze({ kind: 'uint8' });

/** What {@link tensor} takes for its elements. */
export type TensorElementType = { readonly kind: TensorElement };

/**
 * Numbers in a grid, as numpy arrays and the tensors of other frameworks are; comes out as a
 * {@link Tensor}. Taken are a `Tensor`, nested arrays of this shape, and flat typed arrays of as many
 * elements, in row-major order. Another shape is `ROW_MISMATCH`, before anything is sent.
 *
 * Elements are `float32`, `float64`, `int16`, `int32`, `int64`, `bigint64`, `boolean`, `uint8`, and
 * `byte` for int8. There is no float16.
 *
 * To other SDKs it is the array of its elements (bytes where an element is one byte), or where a
 * dimension is open a row `{ shape, values }`.
 *
 * @param element - the type of the elements
 * @param shape - the length of each dimension; `null` where it differs from one tensor to the next
 * @throws BeamBridgeError `INVALID_SCHEMA` for an element type or a shape that there is not
 * @example
 * ```ts
 * tensor(float32, [28, 28]); // a picture in grey
 * tensor(int64, [null]); // as many tokens as the text has
 * row({ input_ids: tensor(int64, [16]), attention_mask: tensor(int64, [16]) }); // named inputs
 * ```
 */
export function tensor<const E extends TensorElementType>(
  element: E,
  shape: readonly (number | null)[],
): SchemaType<Tensor<E['kind']>> {
  if (!isTensorElement((element as TensorElementType | undefined)?.kind ?? '')) {
    throw new BeamBridgeError('INVALID_SCHEMA', 'a tensor has elements of another type', {
      hint: `Use one of ${elementNames()}, as in tensor(float32, [28, 28]).`,
    });
  }
  const fits = (size: number | null) => size === null || (Number.isInteger(size) && size >= 0);
  if (!Array.isArray(shape) || !shape.every(fits)) {
    throw new BeamBridgeError(
      'INVALID_SCHEMA',
      'the shape of a tensor is an array of whole numbers, or null where a length is open',
      { hint: 'Write tensor(float32, [28, 28]), or tensor(float32, [null, 384]).' },
    );
  }
  return Object.freeze({ kind: 'tensor', element: element.kind, shape: Object.freeze([...shape]) });
}

/**
 * What is taken where values of type `T` are declared: for a {@link Tensor} also its shape and data,
 * nested arrays or a flat typed array.
 */
export type Accepts<T> =
  T extends Tensor<infer K>
    ? Pick<Tensor<K>, 'shape' | 'data'> | TensorArrays[K] | Nested<TensorValue<K>>
    : T extends Map<infer K, infer V>
      ? Map<K, Accepts<V>>
      : T extends (infer E)[]
        ? Accepts<E>[]
        : T extends ArrayBufferView | Date | MicrosInstant | Decimal
          ? T
          : T extends object
            ? { [P in keyof T]: Accepts<T[P]> }
            : T;
