// SPDX-License-Identifier: Apache-2.0
// Codecs of single values in rows. Bytes as in Beam's row coder: int64 and int32 are varints, int16
// and the floats big-endian, text and bytes behind their length.

import type { ByteReader, ByteWriter } from '../../base/index.ts';
import { malformed } from '../describe.ts';
import { fitsFloat32, whyNotFloat32 } from '../float32.ts';
import { readBool } from '../primitive-coders.ts';
import { isWellFormed, readText } from '../text.ts';
import type { Codec } from './codec.ts';
import type { AtomicKind, AtomicType, EnumerationType } from './field-type.ts';
import { int64OutOfRange, mismatchThat, wrongType } from './mismatch.ts';

const TWO_32 = 2 ** 32;
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

const codecs: Record<AtomicKind, Codec> = {
  byte: {
    write: (value, out) => out.byte(whole(value, 'byte', -128, 127) & 0xff),
    read: (input) => (input.byte() << 24) >> 24,
  },
  int16: {
    write: (value, out) => out.uint16(whole(value, 'int16', -32_768, 32_767)),
    read: (input) => (input.uint16() << 16) >> 16,
  },
  int32: {
    // Negative numbers take the five bytes of their unsigned 32-bit form.
    write: (value, out) => out.varint(whole(value, 'int32', -(2 ** 31), 2 ** 31 - 1) >>> 0),
    read: readInt32,
  },
  int64: { write: writeInt64, read: readInt64 },
  bigint64: { write: writeBigInt64, read: (input) => input.varint64() },
  float32: { write: writeFloat32, read: (input) => input.float32() },
  float64: {
    write: (value, out) => {
      if (typeof value !== 'number') throw wrongType({ kind: 'float64' }, value);
      out.float64(value);
    },
    read: (input) => input.float64(),
  },
  string: { write: writeString, read: (input) => readText(input, input.varint()) },
  boolean: {
    write: (value, out) => {
      if (typeof value !== 'boolean') throw wrongType({ kind: 'boolean' }, value);
      out.byte(value ? 1 : 0);
    },
    read: readBool,
  },
  bytes: {
    write: (value, out) => {
      if (!(value instanceof Uint8Array)) throw wrongType({ kind: 'bytes' }, value);
      out.prefixedBytes(value);
    },
    read: (input) => new Uint8Array(input.prefixedBytes()),
  },
};

export function atomicCodec(type: AtomicType | EnumerationType): Codec {
  return type.kind === 'enumeration' ? enumerationCodec(type) : codecs[type.kind];
}

function whole(value: unknown, kind: AtomicKind, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max && Number.isInteger(value)) {
    return value;
  }
  if (!Number.isInteger(value)) throw wrongType({ kind }, value);
  throw wrongType({ kind }, value, `${kind} holds ${min} to ${max}: declare a wider type.`);
}

function readInt32(input: ByteReader): number {
  const value = input.signedVarint();
  if (value === undefined || value >= TWO_32 || value < -(2 ** 31)) {
    throw malformed('an int32 does not fit 32 bits');
  }
  return value | 0;
}

export function writeInt64(value: unknown, out: ByteWriter): void {
  if (!Number.isSafeInteger(value)) throw notInt64(value);
  out.signedVarint(value as number);
}

function notInt64(value: unknown) {
  return Number.isInteger(value)
    ? int64OutOfRange(value as number)
    : wrongType({ kind: 'int64' }, value);
}

export function readInt64(input: ByteReader): number {
  const value = input.signedVarint();
  if (value === undefined) throw int64OutOfRange(input.varint64());
  return value;
}

export function writeBigInt64(value: unknown, out: ByteWriter): void {
  if (Number.isSafeInteger(value)) {
    out.signedVarint(value as number);
    return;
  }
  if (typeof value !== 'bigint') throw wrongType({ kind: 'bigint64' }, value);
  if (value < MIN_INT64 || value > MAX_INT64) {
    throw mismatchThat(`is declared bigint64 but ${value}n does not fit 64 bits`);
  }
  out.varint64(value);
}

export function writeFloat32(value: unknown, out: ByteWriter): void {
  if (typeof value !== 'number') throw wrongType({ kind: 'float32' }, value);
  if (!fitsFloat32(value)) throw wrongType({ kind: 'float32' }, value, whyNotFloat32(value));
  out.float32(value);
}

export function writeString(value: unknown, out: ByteWriter): void {
  if (typeof value !== 'string') throw wrongType({ kind: 'string' }, value);
  if (!isWellFormed(value)) {
    throw wrongType(
      { kind: 'string' },
      value,
      'It holds half a surrogate pair: call toWellFormed(), or declare bytes.',
    );
  }
  out.prefixedUtf8(value);
}

function enumerationCodec(type: EnumerationType): Codec {
  const known = new Set<unknown>(type.values);
  return {
    write(value, out) {
      if (!known.has(value)) throw wrongType(type, value, 'Use one of the declared values.');
      out.prefixedUtf8(value as string);
    },
    read(input) {
      const value = readText(input, input.varint());
      if (!known.has(value)) throw wrongType(type, value, 'Add the value to the enumeration.');
      return value;
    },
  };
}
