// SPDX-License-Identifier: Apache-2.0
// Values of SQLite, where each has a type of its own whatever its column's: what it is by the type that was declared for it,
// and how it is stored so that its column leaves it as it is.
// Source: https://www.sqlite.org/datatype3.html

import { isWellFormed, whyNotFloat32 } from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { parseExactly } from '../json/exact.ts';
import { jsonText } from '../json/lines.ts';
import { jsonReader } from '../json/values.ts';
import { dateOf, microsOf } from '../records/instants.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { bigintOf, decimalOf, wholeOf } from '../records/numbers.ts';
import { textOf } from '../records/texts.ts';
import { Unwritable } from '../records/write-type.ts';
import type { Stored } from './package.ts';

const L = urns.LogicalTypes_Enum;

/** The value. @throws {@link Misfit} */
export type ReadStored = (stored: Stored) => unknown;
/** What is stored. @throws {@link Misfit}, {@link Unwritable} */
export type WriteStored = (value: unknown) => Stored;

/** What a column makes of the values that it is given. */
export type Affinity = 'integer' | 'text' | 'blob' | 'real' | 'numeric';

/** That of a column by the name of its type, as SQLite tells it. */
export function affinityOf(type: string): Affinity {
  const name = type.toUpperCase();
  if (name.includes('INT')) return 'integer';
  if (/CHAR|CLOB|TEXT/.test(name)) return 'text';
  if (name === '' || name.includes('BLOB')) return 'blob';
  return /REAL|FLOA|DOUB/.test(name) ? 'real' : 'numeric';
}

/**
 * How values are read.
 *
 * @returns nothing for a type that SQLite has no values for
 * @throws `INVALID_SCHEMA` for a type of JSON that it has no values for
 */
export function storedReader(type: SchemaType, path: string): ReadStored | undefined {
  if (type.kind === 'nullable') {
    const read = storedReader(type.value, path);
    return read && ((stored) => (stored === null ? null : read(stored)));
  }
  const read = valueReader(type, path);
  return (
    read &&
    ((stored) => {
      if (stored !== null) return read(stored);
      throw new Misfit('it is NULL', `Declare it nullable(${typeName(type)}).`);
    })
  );
}

function valueReader(type: SchemaType, path: string): ReadStored | undefined {
  const wrong = (stored: Stored) => {
    const hint = 'Nothing is converted in silence: declare it what it is, or CAST it in a query.';
    return new Misfit(`${told(stored)} is no ${typeName(type)}`, hint);
  };
  const ofText = (read: (text: string) => unknown) => (stored: Stored) => {
    if (typeof stored === 'string') return read(stored);
    throw wrong(stored);
  };
  switch (type.kind) {
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64': {
      const { kind } = type;
      return (stored) => {
        if (typeof stored === 'bigint') return wholeOf(`${stored}`, kind);
        throw wrong(stored);
      };
    }
    case 'bigint64':
      return (stored) => {
        if (typeof stored === 'bigint') return bigintOf(`${stored}`);
        throw wrong(stored);
      };
    case 'float64':
    case 'float32':
      return (stored) => {
        // A column of fractions may hold whole numbers as such.
        const number = typeof stored === 'bigint' ? Number(stored) : stored;
        if (typeof number !== 'number' || !isExact(stored, number)) throw wrong(stored);
        if (type.kind === 'float64' || Math.fround(number) === number) return number;
        throw new Misfit(`${number} is no float32`, whyNotFloat32(number) ?? 'Declare it float64.');
      };
    case 'boolean':
      return (stored) => {
        if (stored === 0n || stored === 1n) return stored === 1n;
        throw wrong(stored);
      };
    case 'bytes':
      return (stored) => {
        if (stored instanceof Uint8Array) return new Uint8Array(stored);
        throw wrong(stored);
      };
    case 'string':
      return ofText((text) => {
        if (isWellFormed(text)) return text;
        throw new Misfit(`${quoted(text)} holds half a surrogate pair`);
      });
    case 'enumeration': {
      const values = new Set<string>(type.values);
      return ofText((text) => {
        if (values.has(text)) return text;
        throw wrong(text);
      });
    }
    case 'logical':
      if (type.urn === L.MILLIS_INSTANT) return ofText(dateOf);
      if (type.urn === L.MICROS_INSTANT) return ofText(microsOf);
      if (type.urn !== L.DECIMAL) return undefined;
      return (stored) => {
        if (typeof stored === 'bigint' || typeof stored === 'string') return decimalOf(`${stored}`);
        throw wrong(stored);
      };
    case 'array':
    case 'iterable':
    case 'row':
    case 'map': {
      const read = jsonReader(type, path, { ignoreUnknownFields: false });
      return ofText((text) => read(parsed(text)));
    }
    default:
      return undefined;
  }
}

function isExact(stored: Stored, number: number): boolean {
  return typeof stored !== 'bigint' || BigInt(number) === stored;
}

function parsed(text: string): unknown {
  try {
    return parseExactly(text);
  } catch {
    throw new Misfit(`${quoted(text)} is no JSON`, 'Arrays, rows and maps are texts of JSON.');
  }
}

/** A value as a message tells it. */
function told(stored: Stored): string {
  if (typeof stored === 'string') return quoted(stored);
  return stored instanceof Uint8Array ? `a BLOB of ${stored.length} bytes` : `${stored}`;
}

/** A text that a column of numbers would take for one. */
const LIKE_A_NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i;

/**
 * How values are stored in a column.
 *
 * @returns nothing where the column would make other values of them
 * @throws `INVALID_SCHEMA` for a type of JSON that it has no values for
 */
export function storedWriter(
  type: SchemaType,
  affinity: Affinity,
  path: string,
): WriteStored | undefined {
  if (type.kind === 'nullable') {
    const write = storedWriter(type.value, affinity, path);
    return write && ((value) => (value === null || value === undefined ? null : write(value)));
  }
  switch (type.kind) {
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64':
    case 'bigint64': {
      const text = textOf(type)!;
      const isKept = affinity !== 'text' && affinity !== 'real';
      return isKept ? (value) => BigInt(text(value)) : undefined;
    }
    case 'boolean':
      if (affinity === 'text' || affinity === 'real') return undefined;
      return (value) => {
        if (typeof value === 'boolean') return value ? 1n : 0n;
        throw new Unwritable();
      };
    case 'float64':
    case 'float32': {
      const text = textOf(type)!;
      if (affinity === 'text') return undefined;
      return (value) => {
        text(value);
        if (!Number.isNaN(value))
          return type.kind === 'float32' ? Math.fround(value as number) : (value as number);
        throw new Misfit('it is NaN, which SQLite stores as NULL', 'Map it to null yourself.');
      };
    }
    case 'bytes':
      return (value) => {
        if (value instanceof Uint8Array)
          return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        throw new Unwritable();
      };
    case 'array':
    case 'iterable':
    case 'row':
    case 'map':
      return textIn(jsonText(type, path), affinity);
    case 'logical':
      // Of its digits a column of numbers would keep fifteen.
      if (type.urn === L.DECIMAL && affinity !== 'text' && affinity !== 'blob') return undefined;
      return textIn(textOf(type), affinity);
    default:
      return textIn(textOf(type), affinity);
  }
}

function textIn(
  text: ((value: unknown) => string) | undefined,
  affinity: Affinity,
): WriteStored | undefined {
  if (!text || affinity === 'text' || affinity === 'blob') return text;
  return (value) => {
    const letters = text(value);
    // SQLite looks no further than NUL.
    const [seen = ''] = letters.split('\0', 1);
    if (!LIKE_A_NUMBER.test(seen)) return letters;
    throw new Misfit(
      `${quoted(letters)} would become a number`,
      'The column is one of numbers: its type should be TEXT.',
    );
  };
}
