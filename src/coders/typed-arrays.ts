// SPDX-License-Identifier: Apache-2.0
// Which typed array holds the elements of which schema type.

export const TYPED_ARRAY_KINDS = {
  byte: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  bigint64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** A kind of element that a typed array can hold. */
export type TypedArrayKind = keyof typeof TYPED_ARRAY_KINDS;

export function isTypedArrayKind(kind: string): kind is TypedArrayKind {
  return Object.hasOwn(TYPED_ARRAY_KINDS, kind);
}

/**
 * Typed arrays of several rows are views of one buffer of about so many bytes, since a small one by itself takes five times
 * as long to make. It is no larger, since a row that is kept keeps all of it.
 */
export const VIEWED_BYTES = 16 * 1024;
