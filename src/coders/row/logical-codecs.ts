// SPDX-License-Identifier: Apache-2.0
// Codecs of Beam's standard logical types: which JavaScript value stands for each, and its bytes.

import type { ByteReader, ByteWriter } from '../../base/index.ts';
import { urns } from '../../proto/index.ts';
import { malformed } from '../describe.ts';
import { readInstant, writeInstant } from '../instant.ts';
import { Decimal, MicrosInstant } from '../logical-values.ts';
import { readText } from '../text.ts';
import { writeString } from './atomic-codecs.ts';
import type { Codec } from './codec.ts';
import type { FieldType, LogicalType } from './field-type.ts';
import { mismatchThat, wrongType } from './mismatch.ts';
import { ownLogicalType } from './own-logical-types.ts';

const L = urns.LogicalTypes_Enum;
const MICROS_PER_SECOND = 1_000_000n;
/** Milliseconds from 1970 that a Date can hold, either way. */
const MAX_DATE = 8.64e15;

const makers = new Map<string, (type: LogicalType) => Codec>([
  [L.MILLIS_INSTANT, millisInstant],
  [L.MICROS_INSTANT, microsInstant],
  [L.DECIMAL, decimal],
  [L.FIXED_BYTES, (type) => limitedBytes(type, true)],
  [L.VAR_BYTES, (type) => limitedBytes(type, false)],
  [L.FIXED_CHAR, (type) => limitedString(type, true)],
  [L.VAR_CHAR, (type) => limitedString(type, false)],
  [L.PYTHON_CALLABLE, pythonCallable],
]);

/** An unknown logical type has the values and the bytes of its representation. */
export function logicalCodec(type: LogicalType, compile: (type: FieldType) => Codec): Codec {
  const known = makers.get(type.urn)?.(type);
  if (known) return known;
  const representation = compile(type.representation);
  const own = ownLogicalType(type.urn);
  if (!own) return representation;
  return {
    write: (value, out) => representation.write(own.toRepr(value), out),
    read: (input, outer) => own.fromRepr(representation.read(input, outer)),
  };
}

/** `Date`, as eight shifted bytes: the one logical type whose bytes are not its representation's. */
function millisInstant(type: LogicalType): Codec {
  return {
    write(value, out) {
      if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw wrongType(type, value);
      writeInstant(value.getTime(), out);
    },
    read(input) {
      const millis = readInstant(input);
      if (Math.abs(millis) > MAX_DATE) throw outsideDate(type);
      return new Date(millis);
    },
  };
}

function outsideDate(type: LogicalType) {
  return mismatchThat(
    `holds a ${type.urn} outside the years that a Date can hold`,
    'Read the field as int64 instead of an instant.',
  );
}

/** {@link MicrosInstant} (a Date is taken too), as a row of seconds and microseconds from 0. */
function microsInstant(type: LogicalType): Codec {
  return {
    write(value, out) {
      const micros = microsOf(value, type);
      const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
      const seconds = (micros - fraction) / MICROS_PER_SECOND;
      if (BigInt.asIntN(64, seconds) !== seconds) {
        throw wrongType(type, value, 'Its seconds do not fit 64 bits.');
      }
      out.byte(2);
      out.byte(0);
      out.varint64(seconds);
      out.varint(Number(fraction));
    },
    read(input) {
      if (input.byte() !== 2 || input.byte() !== 0)
        throw malformed('a micros instant is a row of two numbers');
      const seconds = input.varint64();
      return new MicrosInstant(seconds * MICROS_PER_SECOND + input.varint64());
    },
  };
}

function microsOf(value: unknown, type: LogicalType): bigint {
  if (value instanceof MicrosInstant) return value.micros;
  if (value instanceof Date && !Number.isNaN(value.getTime()))
    return MicrosInstant.fromDate(value).micros;
  throw wrongType(type, value, 'Use a MicrosInstant, or a Date for whole milliseconds.');
}

/** {@link Decimal}: the scale, then the unscaled integer in two's complement, as Java's BigDecimal. */
function decimal(type: LogicalType): Codec {
  return {
    write(value, out) {
      if (!(value instanceof Decimal)) throw wrongType(type, value, "Use Decimal.from('12.50').");
      out.varint(value.scale);
      out.prefixedBytes(twosComplement(value.unscaled));
    },
    read(input) {
      const scale = readScale(input);
      const unscaled = fromTwosComplement(input.prefixedBytes());
      return scale >= 0
        ? new Decimal(unscaled, scale)
        : new Decimal(unscaled * 10n ** BigInt(-scale));
    },
  };
}

/** Java writes a negative scale as unsigned 32 bits, Python as 64. We never write one. */
function readScale(input: ByteReader): number {
  const scale = (input.signedVarint() ?? Number.NaN) | 0;
  if (Math.abs(scale) > 100_000) throw malformed(`a decimal has the scale ${scale}`);
  return scale;
}

/** The shortest big-endian two's complement. */
export function twosComplement(value: bigint): Uint8Array {
  const bits = (value < 0n ? -value - 1n : value).toString(2).length + 1;
  const size = value === 0n || value === -1n ? 1 : Math.ceil(bits / 8);
  const hex = BigInt.asUintN(size * 8, value)
    .toString(16)
    .padStart(size * 2, '0');
  return Buffer.from(hex, 'hex');
}

export function fromTwosComplement(bytes: Uint8Array): bigint {
  if (bytes.length === 0) throw malformed('a decimal has no digits');
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

/** Bytes of a fixed length (shorter ones are filled with zeros, as Beam says) or a largest one. */
function limitedBytes(type: LogicalType, fixed: boolean): Codec {
  const limit = type.argument ?? Number.POSITIVE_INFINITY;
  const fit = (value: Uint8Array): Uint8Array => {
    if (value.length > limit) throw tooLong(type, value.length, 'bytes');
    if (!fixed || value.length === limit || !Number.isFinite(limit)) return value;
    const padded = new Uint8Array(limit);
    padded.set(value);
    return padded;
  };
  return {
    write(value: unknown, out: ByteWriter) {
      if (!(value instanceof Uint8Array)) throw wrongType(type, value);
      out.prefixedBytes(fit(value));
    },
    read: (input) => fit(new Uint8Array(input.prefixedBytes())),
  };
}

/** Text of a fixed length in code points (shorter is filled with spaces) or of a largest one. */
function limitedString(type: LogicalType, fixed: boolean): Codec {
  const limit = type.argument ?? Number.POSITIVE_INFINITY;
  const fit = (value: string): string => {
    const length = codePoints(value);
    if (length > limit) throw tooLong(type, length, 'characters');
    return fixed && Number.isFinite(limit) ? value + ' '.repeat(limit - length) : value;
  };
  return {
    write(value: unknown, out: ByteWriter) {
      if (typeof value !== 'string') throw wrongType(type, value);
      writeString(fit(value), out);
    },
    read: (input) => fit(readText(input, input.varint())),
  };
}

function codePoints(value: string): number {
  let count = 0;
  for (const _ of value) count++;
  return count;
}

function tooLong(type: LogicalType, length: number, unit: string) {
  return mismatchThat(
    `holds ${length} ${unit}, more than the ${type.argument} of ${type.urn}`,
    'Declare a larger length.',
  );
}

/** `{ expr }`: the dotted name or the source text of a Python callable. */
export interface PythonCallableValue {
  readonly expr: string;
}

function pythonCallable(type: LogicalType): Codec {
  return {
    write(value, out) {
      const expr = typeof value === 'string' ? value : (value as PythonCallableValue | null)?.expr;
      if (typeof expr !== 'string')
        throw wrongType(type, value, "Use { expr: 'module.name' } or source text.");
      writeString(expr, out);
    },
    read: (input): PythonCallableValue => ({ expr: readText(input, input.varint()) }),
  };
}
