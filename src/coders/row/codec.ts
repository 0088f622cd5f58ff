// SPDX-License-Identifier: Apache-2.0
// A type compiled once into a pair of functions; no type is looked at per value.

import type { ByteReader, ByteWriter } from '../../base/index.ts';
import { atomicCodec } from './atomic-codecs.ts';
import { arrayCodec, iterableCodec, mapCodec, nullableCodec } from './collection-codecs.ts';
import type { FieldType } from './field-type.ts';
import { logicalCodec } from './logical-codecs.ts';
import { rowCodec } from './row-codec.ts';
import { tensorCodec } from './tensor-codec.ts';

/** Writes and reads values of one type, nested. Throws a `FieldMismatch` for what does not fit. */
export interface Codec {
  write(value: unknown, out: ByteWriter): void;
  /** `outer`: the value owns all bytes to the end, as in Beam's outer context. */
  read(input: ByteReader, outer?: boolean): unknown;
}

export function compile(type: FieldType): Codec {
  switch (type.kind) {
    case 'array':
      return arrayCodec(type, compile);
    case 'iterable':
      return iterableCodec(type, compile);
    case 'map':
      return mapCodec(type, compile);
    case 'nullable':
      return nullableCodec(type, compile);
    case 'row':
      return rowCodec(type, compile);
    case 'tensor':
      return tensorCodec(type, compile);
    case 'logical':
      return logicalCodec(type, compile);
    default:
      return atomicCodec(type);
  }
}
