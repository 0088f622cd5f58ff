// SPDX-License-Identifier: Apache-2.0
// Values without parts as they lie in a file that is written, for which the package has nothing left to convert.

import { BeamBridgeError } from '../../base/index.ts';
import { isWellFormed, whyNotFloat32 } from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import { Decimal, MicrosInstant, type SchemaType } from '../../schema/index.ts';
import { Unwritable } from '../records/write-type.ts';
import type { SchemaElement } from './package.ts';
import type { RawOf, Tally } from './written-part.ts';

const L = urns.LogicalTypes_Enum;

/** How many digits decimals of a column have, and how many of these are behind the point. */
export interface ParquetDecimal {
  readonly precision: number;
  readonly scale: number;
}

/** Where a type is. */
export interface Place {
  /** In the row, as messages say it. */
  readonly path: string;
  /** The column. */
  readonly field: string;
  readonly decimal: ParquetDecimal;
}

/** A column without parts. */
export type WrittenLeaf = Omit<SchemaElement, 'name' | 'repetition_type' | 'num_children'> & {
  readonly raw: RawOf;
};

const LIMITS = {
  byte: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} as const;

/** How values of a type without parts are written. */
export function leafOf(type: SchemaType, place: Place): WrittenLeaf {
  switch (type.kind) {
    case 'boolean':
      return {
        type: 'BOOLEAN',
        raw: sized(1, (value) => (typeof value === 'boolean' ? value : no())),
      };
    case 'byte':
      return { type: 'INT32', converted_type: 'INT_8', raw: wholeRaw(type.kind) };
    case 'int16':
      return { type: 'INT32', converted_type: 'INT_16', raw: wholeRaw(type.kind) };
    case 'int32':
      return { type: 'INT32', raw: wholeRaw(type.kind) };
    case 'int64':
      return { type: 'INT64', raw: wholeRaw(type.kind) };
    case 'bigint64':
      return { type: 'INT64', raw: sized(8, longOf) };
    case 'float32':
      return { type: 'FLOAT', raw: float32Raw };
    case 'float64':
      return { type: 'DOUBLE', raw: float64Raw };
    case 'string':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', raw: textRaw };
    case 'enumeration': {
      const values = new Set<unknown>(type.values);
      const raw: RawOf = (value, tally) => (values.has(value) ? textRaw(value, tally) : no());
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', raw };
    }
    case 'bytes':
      return { type: 'BYTE_ARRAY', raw: bytesRaw };
    case 'logical':
      if (type.urn === L.MILLIS_INSTANT) return { ...timeOf('MILLIS'), raw: sized(8, millisOf) };
      if (type.urn === L.MICROS_INSTANT) return { ...timeOf('MICROS'), raw: sized(8, microsOf) };
      if (type.urn === L.DECIMAL) return decimalLeaf(place);
      break;
    default:
  }
  throw new BeamBridgeError('INTERNAL', `field ${place.path} was looked at, and has no values`);
}

/** Both forms: some readers take the older one for a time without a zone. */
function timeOf(unit: 'MILLIS' | 'MICROS'): Omit<WrittenLeaf, 'raw'> {
  return {
    type: 'INT64',
    converted_type: `TIMESTAMP_${unit}`,
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit },
  };
}

function no(): never {
  throw new Unwritable();
}

function sized(bytes: number, raw: (value: unknown) => unknown): RawOf {
  return (value, tally) => {
    tally.bytes += bytes;
    return raw(value);
  };
}

function wholeRaw(kind: keyof typeof LIMITS): RawOf {
  const [least, most] = LIMITS[kind];
  const isLong = kind === 'int64';
  return sized(isLong ? 8 : 4, (value) => {
    const number = value as number;
    if (!Number.isInteger(value) || number < least || number > most) throw new Unwritable();
    return isLong ? BigInt(number) : number + 0;
  });
}

function longOf(value: unknown): bigint {
  return typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? value : no();
}

const float64Raw: RawOf = (value, tally) => {
  if (typeof value !== 'number') throw new Unwritable();
  tally.bytes += 8;
  if (Object.is(value, -0)) tally.hasNegativeZero = true;
  return value;
};

const float32Raw: RawOf = (value, tally) => {
  if (typeof value !== 'number' || whyNotFloat32(value) !== undefined) throw new Unwritable();
  const single = Math.fround(value);
  tally.bytes += 4;
  if (Object.is(single, -0)) tally.hasNegativeZero = true;
  return single;
};

function textRaw(value: unknown, tally: Tally): string {
  if (typeof value !== 'string' || !isWellFormed(value)) throw new Unwritable();
  tally.bytes += 4 + Buffer.byteLength(value);
  return value;
}

function bytesRaw(value: unknown, tally: Tally): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Unwritable();
  tally.bytes += 4 + value.length;
  // A copy, since whoever gave them may use them again before they are written.
  return new Uint8Array(value);
}

function millisOf(value: unknown): bigint {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw new Unwritable();
  return BigInt(value.getTime());
}

function microsOf(value: unknown): bigint {
  return value instanceof MicrosInstant ? longOf(value.micros) : no();
}

/** How many bytes hold all decimals of so many digits, with their sign. */
function decimalBytes(precision: number): number {
  return Math.ceil((precision * Math.log2(10) + 1) / 8);
}

function decimalLeaf({ path, field, decimal }: Place): WrittenLeaf {
  const { precision, scale } = decimal;
  const most = 10n ** BigInt(precision);
  const type_length = decimalBytes(precision);
  const raw = (value: unknown): bigint => {
    if (!(value instanceof Decimal)) throw new Unwritable();
    const more = BigInt(Math.abs(scale - value.scale));
    const factor = 10n ** more;
    const fits = value.scale <= scale || value.unscaled % factor === 0n;
    const unscaled = value.scale <= scale ? value.unscaled * factor : value.unscaled / factor;
    if (fits && unscaled < most && unscaled > -most) return unscaled;
    throw new BeamBridgeError(
      'ROW_MISMATCH',
      `field ${path}: ${value} is no decimal of ${precision} digits with ${scale} behind the point`,
      {
        hint: `Say how many its column has: { decimals: { ${JSON.stringify(field)}: { precision: 38, scale: … } } }, or round it in a map.`,
      },
    );
  };
  return {
    type: 'FIXED_LEN_BYTE_ARRAY',
    type_length,
    converted_type: 'DECIMAL',
    precision,
    scale,
    raw: sized(type_length, raw),
  };
}
