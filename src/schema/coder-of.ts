// SPDX-License-Identifier: Apache-2.0
// Which coder a PCollection of a schema type has.

import {
  type ArrayType,
  BoolCoder,
  BytesCoder,
  type Coder,
  DoubleCoder,
  EnumerationCoder,
  Float32Coder,
  IterableCoder,
  type IterableOptions,
  isTypedArrayKind,
  NarrowIntCoder,
  NullableCoder,
  RowCoder,
  SchemaValueCoder,
  StrUtf8Coder,
  VarIntCoder,
} from '../coders/index.ts';
import { type RowType, requireRow, type SchemaType } from './types.ts';

/** The coder of rows of this type. */
export function rowCoder<T>(type: RowType<T>): RowCoder<T> {
  return new RowCoder<T>(requireRow<T>(type));
}

/**
 * The coder of a PCollection whose elements are of this type.
 *
 * | type | coder |
 * |---|---|
 * | row | row |
 * | int64, int32, int16, byte, bigint64 | varint |
 * | float64, float32 | double |
 * | string, enumeration, boolean, bytes | string_utf8, bool, bytes |
 * | array, typedArray, iterable of any type | iterable |
 * | nullable of any type | nullable |
 * | map and the logical types | `beambridge:coder:schema_value:v1` |
 *
 * Every SDK knows all but the last, which only this package does ({@link isPortable} tells): put a
 * value of such a type into a row to send it to another language. Beam has no standard coder for
 * the narrow types and enumerations, so they are carried as the wider ones; what this program gives
 * and gets is held to their limits, and has the precision of a float32 where that is declared.
 */
export function coderOf<T>(type: SchemaType<T>): Coder<T> {
  return untypedCoderOf(type) as Coder<T>;
}

function untypedCoderOf(type: SchemaType): Coder<unknown> {
  switch (type.kind) {
    case 'row':
      return new RowCoder(type);
    case 'int64':
      return new VarIntCoder();
    case 'int32':
    case 'int16':
    case 'byte':
      return new NarrowIntCoder({ kind: type.kind });
    case 'bigint64':
      return new VarIntCoder({ bigint: true });
    case 'float32':
      return new Float32Coder();
    case 'float64':
      return new DoubleCoder();
    case 'string':
      return new StrUtf8Coder();
    case 'enumeration':
      return new EnumerationCoder(type);
    case 'boolean':
      return new BoolCoder();
    case 'bytes':
      return new BytesCoder();
    case 'iterable':
      return new IterableCoder(untypedCoderOf(type.element));
    case 'array':
      return new IterableCoder(untypedCoderOf(type.element), typedOptions(type));
    case 'nullable':
      return new NullableCoder(untypedCoderOf(type.value));
    default:
      return new SchemaValueCoder(type);
  }
}

function typedOptions({ element, typed }: ArrayType): IterableOptions {
  return typed && isTypedArrayKind(element.kind) ? { typed: element.kind } : {};
}

/** Whether every SDK knows a coder and all of its components: whether its URN is one of Beam's. */
export function isPortable(coder: Coder<unknown>): boolean {
  const { urn, components = [] } = coder.spec();
  return urn.startsWith('beam:coder:') && !urn.includes('pickled') && components.every(isPortable);
}
