// SPDX-License-Identifier: Apache-2.0
// How values without parts are written: the other side of values.ts.

import { isWellFormed, whyNotFloat32 } from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import { Decimal, MicrosInstant, type SchemaType } from '../../schema/index.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { Unwritable } from '../records/write-type.ts';
import type { AvroSchema } from './schema.ts';
import type { Sink } from './sink.ts';

const L = urns.LogicalTypes_Enum;

/**
 * Writes a value.
 *
 * @throws {@link Unwritable} for one that is none of the declared type, {@link Misfit} for one that the schema does not hold
 */
export type Write = (sink: Sink, value: unknown) => void;

/** How values are written in a schema; nothing where it does not hold what is declared. */
export function valueWriter(type: SchemaType, schema: AvroSchema): Write | undefined {
  switch (type.kind) {
    case 'boolean':
      if (schema.type !== 'boolean') return undefined;
      return (sink, value) => {
        if (typeof value !== 'boolean') throw new Unwritable();
        sink.byte(value ? 1 : 0);
      };
    case 'string':
      return textWriter(schema);
    case 'enumeration': {
      const known = new Set<unknown>(type.values);
      const write = textWriter(schema);
      return (
        write &&
        ((sink, value) => {
          if (!known.has(value)) throw new Unwritable();
          write(sink, value);
        })
      );
    }
    case 'bytes':
      return bytesWriter(schema);
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64':
      return wholeWriter(LIMITS[type.kind], schema);
    case 'bigint64':
      return bigintWriter(schema);
    case 'float32':
    case 'float64':
      return floatWriter(type.kind, schema);
    case 'logical':
      if (type.urn === L.DECIMAL) return decimalWriter(schema);
      return instantWriter(type.urn === L.MICROS_INSTANT, schema);
    default:
      return undefined;
  }
}

function textWriter(schema: AvroSchema): Write | undefined {
  if (schema.type === 'enum') {
    const { symbols } = schema;
    const places = new Map<unknown, number>(symbols.map((symbol, at) => [symbol, at]));
    return (sink, value) => {
      if (typeof value !== 'string') throw new Unwritable();
      const at = places.get(value);
      if (at === undefined)
        throw new Misfit(`${quoted(value)} is none of ${symbols.map(quoted).join(', ')}`);
      sink.long(at);
    };
  }
  if (schema.type !== 'string') return undefined;
  return (sink, value) => {
    if (typeof value !== 'string' || !isWellFormed(value)) throw new Unwritable();
    sink.text(value);
  };
}

function bytesWriter(schema: AvroSchema): Write | undefined {
  if (schema.type !== 'bytes' && schema.type !== 'fixed') return undefined;
  const size = schema.type === 'fixed' ? schema.size : undefined;
  return (sink, value) => {
    if (!(value instanceof Uint8Array)) throw new Unwritable();
    if (size === undefined) sink.content(value);
    else if (size === value.length) sink.raw(value);
    else throw new Misfit(`it has ${value.length} bytes, and the schema ${size}`);
  };
}

const LIMITS = {
  byte: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} as const;

function wholeWriter(
  [least, most]: readonly [number, number],
  schema: AvroSchema,
): Write | undefined {
  const write = wholeSink(schema);
  if (!write) return undefined;
  return (sink, value) => {
    const isOne =
      Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
    if (!isOne) throw new Unwritable();
    write(sink, value as number);
  };
}

/** How whole numbers are written, which are safe integers. */
function wholeSink(schema: AvroSchema): ((sink: Sink, value: number) => void) | undefined {
  switch (schema.type) {
    case 'long':
      return (sink, value) => sink.long(value);
    case 'int':
      return (sink, value) => {
        if (value !== (value | 0)) throw new Misfit(`${value} is no int of 32 bits`);
        sink.long(value);
      };
    case 'double':
      return (sink, value) => sink.double(value);
    case 'float':
      return (sink, value) => {
        if (value !== Math.fround(value)) throw new Misfit(`${value} is no float exactly`);
        sink.float(value);
      };
    default:
      return undefined;
  }
}

function bigintWriter(schema: AvroSchema): Write | undefined {
  const write = wholeSink(schema);
  if (!write) return undefined;
  const isLong = schema.type === 'long';
  return (sink, value) => {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw new Unwritable();
    const number = Number(value);
    if (Number.isSafeInteger(number)) write(sink, number);
    else if (isLong) sink.bigint(value);
    else throw new Misfit(`a whole number beyond 2^53 is where the schema has no long`);
  };
}

function floatWriter(kind: 'float32' | 'float64', schema: AvroSchema): Write | undefined {
  if (schema.type !== 'float' && schema.type !== 'double') return undefined;
  const isFloat = schema.type === 'float';
  return (sink, value) => {
    if (typeof value !== 'number') throw new Unwritable();
    if (kind === 'float32') {
      if (whyNotFloat32(value) !== undefined) throw new Unwritable();
    } else if (isFloat && !Object.is(Math.fround(value), value)) {
      throw new Misfit(`${value} is no float exactly`, 'The schema wants a double for it.');
    }
    if (isFloat) sink.float(value);
    else sink.double(kind === 'float32' ? Math.fround(value) : value);
  };
}

function decimalWriter(schema: AvroSchema): Write | undefined {
  if (schema.type !== 'bytes' && schema.type !== 'fixed') return undefined;
  const { logical, precision = 0, scale = 0 } = schema;
  if (logical !== 'decimal') return undefined;
  const most = 10n ** BigInt(precision);
  const size = schema.type === 'fixed' ? schema.size : undefined;
  return (sink, value) => {
    if (!(value instanceof Decimal)) throw new Unwritable();
    const unscaled = rescaled(value, scale);
    const isWide = unscaled === undefined || unscaled >= most || unscaled <= -most;
    const bytes = isWide ? undefined : signedBytes(unscaled, size);
    if (!bytes) throw new Misfit(`${value} is no decimal(${precision}, ${scale})`);
    if (size === undefined) sink.content(bytes);
    else sink.raw(bytes);
  };
}

/** The digits at another scale; nothing where some would be lost. */
function rescaled({ unscaled, scale }: Decimal, to: number): bigint | undefined {
  if (to >= scale) return unscaled * 10n ** BigInt(to - scale);
  const divisor = 10n ** BigInt(scale - to);
  return unscaled % divisor === 0n ? unscaled / divisor : undefined;
}

/** In two's complement, the greatest byte first, in as few bytes as it takes or in so many. */
function signedBytes(value: bigint, size: number | undefined): Uint8Array | undefined {
  let length = size ?? 1;
  while (size === undefined && BigInt.asIntN(length * 8, value) !== value) length += 1;
  if (BigInt.asIntN(length * 8, value) !== value) return undefined;
  const hex = BigInt.asUintN(length * 8, value).toString(16);
  return Buffer.from(hex.padStart(length * 2, '0'), 'hex');
}

const PER_MILLI: Readonly<Record<string, bigint>> = {
  'timestamp-millis': 1n,
  'timestamp-micros': 1000n,
  'timestamp-nanos': 1_000_000n,
};

/** An instant is more than its day, and is nowhere without its zone. */
function instantWriter(isMicros: boolean, schema: AvroSchema): Write | undefined {
  if (schema.type !== 'long') return undefined;
  const perMilli = PER_MILLI[schema.logical ?? ''];
  if (perMilli === undefined) return undefined;
  if (!isMicros) {
    return (sink, value) => {
      if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw new Unwritable();
      counted(sink, BigInt(value.getTime()) * perMilli, schema.logical!);
    };
  }
  return (sink, value) => {
    if (!(value instanceof MicrosInstant)) throw new Unwritable();
    const count = value.micros * perMilli;
    if (count % 1000n !== 0n) throw new Misfit(`${value} is finer than ${schema.logical}`);
    counted(sink, count / 1000n, schema.logical!);
  };
}

function counted(sink: Sink, count: bigint, logical: string): void {
  if (BigInt.asIntN(64, count) !== count)
    throw new Misfit(`a time has more than 64 bits as ${logical}`);
  sink.bigint(count);
}
