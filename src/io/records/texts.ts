// SPDX-License-Identifier: Apache-2.0
// Values as texts that are read back as the same values: the other side of numbers.ts and instants.ts.

import { isWellFormed, whyNotFloat32 } from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import { Decimal, MicrosInstant, type SchemaType } from '../../schema/index.ts';
import { Unwritable } from './write-type.ts';

const L = urns.LogicalTypes_Enum;

/** The text of a value. @throws {@link Unwritable} for a value that is none of the type */
export type TextOf = (value: unknown) => string;

const LIMITS = {
  byte: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} as const;

/** How values of a type without parts are written; nothing for another type. */
export function textOf(type: SchemaType): TextOf | undefined {
  switch (type.kind) {
    case 'string':
      return text;
    case 'enumeration': {
      const values = new Set<unknown>(type.values);
      return (value) => {
        if (values.has(value)) return value as string;
        throw new Unwritable();
      };
    }
    case 'boolean':
      return (value) => {
        if (typeof value === 'boolean') return value ? 'true' : 'false';
        throw new Unwritable();
      };
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64': {
      const [least, most] = LIMITS[type.kind];
      return (value) => {
        if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
          return `${value}`;
        throw new Unwritable();
      };
    }
    case 'bigint64':
      return (value) => {
        if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return `${value}`;
        throw new Unwritable();
      };
    case 'float64':
      return float64;
    case 'float32':
      return float32;
    case 'logical':
      return logical(type.urn);
    default:
      return undefined;
  }
}

function text(value: unknown): string {
  if (typeof value === 'string' && isWellFormed(value)) return value;
  throw new Unwritable();
}

/** The shortest digits that are this number again. */
function float64(value: unknown): string {
  if (typeof value !== 'number') throw new Unwritable();
  return Object.is(value, -0) ? '-0' : `${value}`;
}

const SINGLE_DIGITS = [6, 7, 8, 9];

/** The shortest digits that are this number again as a float32: 0.1, and not 0.10000000149011612. */
function float32(value: unknown): string {
  if (typeof value !== 'number' || whyNotFloat32(value) !== undefined) throw new Unwritable();
  const single = Math.fround(value);
  if (Number.isInteger(single) || !Number.isFinite(single)) return float64(single);
  for (const digits of SINGLE_DIGITS) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return `${short}`;
  }
  return `${single}`;
}

function logical(urn: string): TextOf | undefined {
  if (urn === L.MILLIS_INSTANT) {
    return (value) => {
      if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
      throw new Unwritable();
    };
  }
  const Value = urn === L.MICROS_INSTANT ? MicrosInstant : urn === L.DECIMAL ? Decimal : undefined;
  if (!Value) return undefined;
  return (value) => {
    if (value instanceof Value) return value.toString();
    throw new Unwritable();
  };
}
