// SPDX-License-Identifier: Apache-2.0
// What a value of a leaf is by the type that was declared for it. Values come as they lie in the file: whole
// numbers of 64 bits as bigints, texts and decimals as bytes.

import { isUtf8 } from 'node:buffer';
import { urns } from '../../proto/index.ts';
import { Decimal, type SchemaType } from '../../schema/index.ts';
import { dateOfCount, float32Of, microsOfCount, signedOf, uuidOf } from '../records/from-counts.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { bigintOf, plainRange, wholeOf } from '../records/numbers.ts';
import type { Leaf } from './file-schema.ts';

const L = urns.LogicalTypes_Enum;

/** The value, of one that is there. @throws {@link Misfit} */
export type ValueReader = (raw: unknown) => unknown;

/** How values of a leaf are read; nothing where they are not what is declared. */
export function leafReader(type: SchemaType, leaf: Leaf): ValueReader | undefined {
  switch (type.kind) {
    case 'boolean':
      return leaf.kind === 'boolean' ? (raw) => raw : undefined;
    case 'string':
      if (leaf.kind === 'string') return textOf;
      return leaf.kind === 'uuid' ? (raw) => uuidOf(raw as Uint8Array) : undefined;
    case 'enumeration': {
      if (leaf.kind !== 'string') return undefined;
      const values = new Set<unknown>(type.values);
      return (raw) => {
        const text = textOf(raw);
        if (values.has(text)) return text;
        throw new Misfit(`${quoted(text)} is none of ${type.values.map(quoted).join(', ')}`);
      };
    }
    case 'bytes':
      // A copy, since the file's bytes are those of a whole page.
      return leaf.kind === 'bytes' || leaf.kind === 'uuid'
        ? (raw) => new Uint8Array(raw as Uint8Array)
        : undefined;
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64':
      return leaf.kind === 'int' ? wholeReader(type.kind, leaf) : undefined;
    case 'bigint64':
      return leaf.kind === 'int' ? bigintReader(leaf) : undefined;
    case 'float64':
      return numberReader(leaf);
    case 'float32': {
      const read = numberReader(leaf);
      if (!read) return undefined;
      return leaf.kind === 'int' ? (raw) => wholeFloat32(read(raw)) : (raw) => float32Of(read(raw));
    }
    case 'logical':
      if (type.urn === L.DECIMAL) return decimalReader(leaf);
      if (type.urn === L.MILLIS_INSTANT) return dateReader(leaf);
      if (type.urn === L.MICROS_INSTANT) return microsReader(leaf);
      return undefined;
    default:
      return undefined;
  }
}

/** Numbers that need no look of their own. */
export interface PlainNumbers {
  readonly least: number;
  readonly most: number;
}

/** Holds no number. */
export const NONE: PlainNumbers = { least: 1, most: 0 };

/** Between which numbers those of a leaf are values of a type as they are; nothing where each has to be looked at. */
export function plainNumbers(type: SchemaType, leaf: Leaf): PlainNumbers | undefined {
  if (leaf.kind === 'int') return leaf.isSigned ? plainRange(type.kind) : undefined;
  const isFraction = leaf.kind === 'float32' || leaf.kind === 'float64';
  if (!isFraction || (type.kind !== leaf.kind && type.kind !== 'float64')) return undefined;
  // What lies as a float32 is one, however large.
  return plainRange('float64');
}

function textOf(raw: unknown): string {
  const bytes = raw as Uint8Array;
  if (!isUtf8(bytes)) throw new Misfit('it is no UTF-8 text', 'Declare it bytes if that is right.');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

type WholeLeaf = Leaf & { kind: 'int' };

/** The number or bigint that is meant: files have no unsigned numbers of their own. */
function meant({ isLong, isSigned }: WholeLeaf): (raw: unknown) => number | bigint {
  if (isSigned) return (raw) => raw as number | bigint;
  return isLong ? (raw) => BigInt.asUintN(64, raw as bigint) : (raw) => (raw as number) >>> 0;
}

function wholeReader(kind: 'byte' | 'int16' | 'int32' | 'int64', leaf: WholeLeaf): ValueReader {
  const value = meant(leaf);
  if (kind === 'int64' && !leaf.isLong) return value;
  if (kind === 'int32' && !leaf.isLong && leaf.isSigned) return value;
  return (raw) => {
    const number = Number(value(raw));
    const isSmall = number >= -128 && number <= 127;
    if (isSmall || (kind === 'int64' && Number.isSafeInteger(number))) return number;
    return wholeOf(`${value(raw)}`, kind);
  };
}

function bigintReader(leaf: WholeLeaf): ValueReader {
  const value = meant(leaf);
  if (leaf.isSigned) return (raw) => BigInt(value(raw));
  return (raw) => bigintOf(`${value(raw)}`);
}

function numberReader(leaf: Leaf): ((raw: unknown) => number) | undefined {
  switch (leaf.kind) {
    case 'float32':
    case 'float64':
      return (raw) => raw as number;
    case 'float16':
      return float16Of;
    case 'int': {
      const value = meant(leaf);
      return (raw) => {
        const whole = value(raw);
        const number = Number(whole);
        // Some beyond the safe integers are held exactly, such as powers of 2.
        if (Number.isSafeInteger(number) || BigInt(number) === whole) return number;
        return wholeOf(`${whole}`, 'int64');
      };
    }
    default:
      return undefined;
  }
}

/** A whole number, which is never rounded, however large. */
function wholeFloat32(number: number): number {
  const single = float32Of(number);
  if (single === number) return single;
  throw new Misfit(
    `${number} is no float32`,
    'Declare it float64, or bigint64: float32 would round it.',
  );
}

function float16Of(raw: unknown): number {
  const [low = 0, high = 0] = raw as Uint8Array;
  const sign = high & 0x80 ? -1 : 1;
  const exponent = (high >> 2) & 0x1f;
  const fraction = (((high & 3) << 8) | low) / 1024;
  if (exponent === 0) return sign * 2 ** -14 * fraction;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction);
}

function decimalReader(leaf: Leaf): ValueReader | undefined {
  if (leaf.kind === 'int') {
    const value = meant(leaf);
    return (raw) => new Decimal(BigInt(value(raw)));
  }
  if (leaf.kind !== 'decimal') return undefined;
  const { scale } = leaf;
  return (raw) =>
    new Decimal(raw instanceof Uint8Array ? signedOf(raw) : BigInt(raw as number), scale);
}

/** How many of a unit are a second. */
const NANOS = 1_000_000_000n;
const PER_SECOND: Readonly<Record<string, bigint>> = { MILLIS: 1000n, MICROS: 1_000_000n, NANOS };
const DAY = 86_400n;
/** The number of the day 1970-01-01 in INT96. */
const JULIAN_1970 = 2_440_588;

/**
 * The nanoseconds since 1970 of an INT96: those of its day, in 8 bytes, and the day's number. Older pyarrow counts
 * those before 1970 back from the next day, so that they are negative.
 */
function nanosOf(raw: unknown): bigint {
  const { buffer, byteOffset, byteLength } = raw as Uint8Array;
  const view = new DataView(buffer, byteOffset, byteLength);
  const day = view.getInt32(8, true) - JULIAN_1970;
  return BigInt(day) * DAY * NANOS + view.getBigInt64(0, true);
}

/** A time, and how many of its unit are a second. */
function instantReader(
  leaf: Leaf,
): { count: (raw: unknown) => bigint; perSecond: bigint } | undefined {
  if (leaf.kind === 'date') return { count: (raw) => BigInt(raw as number) * DAY, perSecond: 1n };
  if (leaf.kind === 'int96') return { count: nanosOf, perSecond: NANOS };
  if (leaf.kind !== 'timestamp') return undefined;
  const perSecond = PER_SECOND[leaf.unit];
  return perSecond === undefined ? undefined : { count: (raw) => raw as bigint, perSecond };
}

function dateReader(leaf: Leaf): ValueReader | undefined {
  const instant = instantReader(leaf);
  if (!instant) return undefined;
  const { count, perSecond } = instant;
  const date = dateOfCount(perSecond);
  return (raw) => date(count(raw));
}

function microsReader(leaf: Leaf): ValueReader | undefined {
  const instant = instantReader(leaf);
  if (!instant) return undefined;
  const { count, perSecond } = instant;
  const micros = microsOfCount(perSecond);
  return (raw) => micros(count(raw));
}
