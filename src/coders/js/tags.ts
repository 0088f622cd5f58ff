// SPDX-License-Identifier: Apache-2.0
// The byte that opens every value of the JavaScript coder. A wire format: never renumber.
//
// Own code rather than a library, for what each one loses: msgpackr and cbor-x read a typed array
// back as another kind or as a view of a shared buffer unless extensions are on, write -0 as 0,
// replace half surrogate pairs, keep no holes or `undefined` in every place, take class instances
// for plain objects, and none has a form whose bytes are equal for equal Maps and Sets, which keys
// need. v8.serialize keeps most values but its bytes depend on the version of V8.

export const Tag = {
  UNDEFINED: 0x00,
  NULL: 0x01,
  FALSE: 0x02,
  TRUE: 0x03,
  /** A varint. */
  INTEGER: 0x04,
  /** A varint of -1 - value. */
  NEGATIVE_INTEGER: 0x05,
  /** Eight bytes: fractions, -0, NaN, infinities, integers beyond the safe ones. */
  DOUBLE: 0x06,
  /** Magnitude, big-endian, length first. */
  BIGINT: 0x07,
  NEGATIVE_BIGINT: 0x08,
  /** UTF-8, length first. */
  STRING: 0x09,
  /** UTF-16 code units, little-endian, length in bytes first: strings with half surrogate pairs. */
  UTF16_STRING: 0x0a,
  /** Count, values. */
  ARRAY: 0x0b,
  /** Count, then names and values in turn. */
  OBJECT: 0x0c,
  /** Milliseconds as a double: an invalid date is NaN. */
  DATE: 0x0d,
  MAP: 0x0e,
  SET: 0x0f,
  /** Length, bytes. */
  ARRAY_BUFFER: 0x10,
  /** Kind, length in bytes, elements little-endian. */
  TYPED_ARRAY: 0x11,
  /** Node's Buffer: length, bytes. */
  BUFFER: 0x12,
  /** Kind, message, stack, cause. */
  ERROR: 0x13,
  GLOBAL_WINDOW: 0x14,
  INTERVAL_WINDOW: 0x15,
  /** Scale as a varint, then the unscaled integer as a bigint. */
  DECIMAL: 0x16,
  MICROS_INSTANT: 0x17,
  /** Element type as a string, the lengths of its dimensions, then the typed array. */
  TENSOR: 0x18,
  /** Name of a class that the program registered, then the instance's fields as an object. */
  INSTANCE: 0x19,
  /** As an error, then its own fields as an object. */
  ERROR_WITH_FIELDS: 0x1a,
  /** What a regular expression matched: the array, then index, input and groups. */
  MATCH: 0x1b,
  /**
   * Name of a class that the program registered and that extends one of JavaScript's own, the object that it
   * is without the class, then its other fields as an object.
   */
  BUILT_IN_INSTANCE: 0x1c,
  /** From here, the low six bits are the length of a UTF-8 string in bytes. */
  SHORT_STRING: 0x40,
  /** From here, the low seven bits are a small whole number. */
  SMALL_INTEGER: 0x80,
} as const;

/** Typed arrays by their kind byte; append only. */
export const TYPED_ARRAYS = [
  Uint8Array,
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  BigUint64Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
] as const;

/** Errors by their kind byte; append only. Any other error class must be registered. */
export const ERRORS = [
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
] as const;

/** How deep values may nest: deeper ones are taken for cyclic, or for damaged bytes. */
export const MAX_DEPTH = 500;
