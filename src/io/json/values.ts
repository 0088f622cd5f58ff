// SPDX-License-Identifier: Apache-2.0
// What a value of JSON is by the type that was declared for it.

import { BeamBridgeError } from '../../base/index.ts';
import {
  isWellFormed,
  setField,
  TYPED_ARRAY_KINDS,
  type TypedArrayKind,
  whyNotFloat32,
} from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import { Decimal, type SchemaType, typeName } from '../../schema/index.ts';
import { dateOf, microsOf } from '../records/instants.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { bigintOf, decimalOf, wholeOf } from '../records/numbers.ts';
import { exactDigits } from './exact.ts';

const L = urns.LogicalTypes_Enum;

/** The value. @throws {@link Misfit} */
export type JsonReader = (value: unknown) => unknown;

/** Options of {@link jsonReader}. */
export interface JsonReaderOptions {
  /** Whether fields that the type does not have are left out. */
  readonly ignoreUnknownFields: boolean;
}

/** Whether values of a type may have more digits than a double. */
export function needsDigits(type: SchemaType): boolean {
  switch (type.kind) {
    case 'bigint64':
      return true;
    case 'logical':
      return type.urn === L.DECIMAL;
    case 'nullable':
    case 'map':
      return needsDigits(type.value);
    case 'array':
    case 'iterable':
      return needsDigits(type.element);
    case 'row':
      return type.fields.some((field) => needsDigits(field.type));
    default:
      return false;
  }
}

/**
 * How values of a type are read.
 *
 * @param path - where the type is in the record's
 * @throws `INVALID_SCHEMA` for a type that JSON has no values for
 */
export function jsonReader(type: SchemaType, path: string, options: JsonReaderOptions): JsonReader {
  switch (type.kind) {
    case 'nullable': {
      const read = jsonReader(type.value, path, options);
      return (value) => (value === null ? null : read(value));
    }
    case 'array':
    case 'iterable':
      return arrayReader(type, path, options);
    case 'map':
      return mapReader(type, path, options);
    case 'row':
      return rowReader(type, path, options);
    default:
      return valueReader(type, path);
  }
}

/** How values of a type without parts are read. */
function valueReader(type: SchemaType, path: string): JsonReader {
  const wrong = (value: unknown) => misfit(type, value);
  switch (type.kind) {
    case 'string':
      return (value) => {
        if (typeof value !== 'string' || exactDigits(value) !== undefined) throw wrong(value);
        if (isWellFormed(value)) return value;
        throw new Misfit(`${quoted(value)} holds half a surrogate pair`, 'It has no UTF-8 form.');
      };
    case 'enumeration': {
      const values = new Set<unknown>(type.values);
      return (value) => {
        if (values.has(value)) return value;
        throw new Misfit(`${told(value)} is none of ${type.values.map(quoted).join(', ')}`);
      };
    }
    case 'boolean':
      return (value) => {
        if (typeof value === 'boolean') return value;
        throw wrong(value);
      };
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64': {
      const { kind } = type;
      return (value) => {
        if (typeof value !== 'number' && exactDigits(value) === undefined) throw wrong(value);
        return wholeOf(wholeDigits(value), kind);
      };
    }
    case 'bigint64':
      return (value) => {
        if (typeof value === 'number' || exactDigits(value) !== undefined)
          return bigintOf(wholeDigits(value));
        if (typeof value === 'string' && /^-?\d+$/.test(value)) return bigintOf(value);
        throw wrong(value);
      };
    case 'float64':
      return (value) => floatOf(value, wrong);
    case 'float32':
      return (value) => {
        const number = floatOf(value, wrong);
        const reason = whyNotFloat32(number);
        if (reason === undefined) return Math.fround(number);
        throw new Misfit(`${number} is no float32`, reason);
      };
    case 'bytes':
      return (value) => {
        if (typeof value === 'string' && exactDigits(value) === undefined) return bytesOf(value);
        throw wrong(value);
      };
    default:
      return logicalReader(type, path);
  }
}

function logicalReader(type: SchemaType, path: string): JsonReader {
  const ofText = (read: (text: string) => unknown) => (value: unknown) => {
    if (typeof value === 'string' && exactDigits(value) === undefined) return read(value);
    throw misfit(type, value);
  };
  if (type.kind === 'logical') {
    if (type.urn === L.MILLIS_INSTANT) return ofText(dateOf);
    if (type.urn === L.MICROS_INSTANT) return ofText(microsOf);
    if (type.urn === L.DECIMAL) {
      return (value) => {
        if (typeof value === 'number') return Decimal.from(value);
        if (typeof value === 'string') return decimalOf(exactDigits(value) ?? value);
        throw misfit(type, value);
      };
    }
  }
  throw noValue(type, path);
}

function arrayReader(
  type: SchemaType & { kind: 'array' | 'iterable' },
  path: string,
  options: JsonReaderOptions,
): JsonReader {
  const read = jsonReader(type.element, `${path}[]`, options);
  const isTyped = type.kind === 'array' && type.typed === true;
  const Typed = isTyped ? TYPED_ARRAY_KINDS[type.element.kind as TypedArrayKind] : undefined;
  return (value) => {
    if (!Array.isArray(value)) throw misfit(type, value);
    const { length } = value;
    const values = (Typed ? new Typed(length) : new Array(length)) as unknown[];
    let at = 0;
    try {
      for (; at < length; at++) values[at] = read(value[at]);
    } catch (error) {
      throw error instanceof Misfit ? error.within(`[${at}]`) : error;
    }
    return values;
  };
}

function mapReader(
  type: SchemaType & { kind: 'map' },
  path: string,
  options: JsonReaderOptions,
): JsonReader {
  if (type.key.kind !== 'string') throw noValue(type, path);
  const read = jsonReader(type.value, `${path}{}`, options);
  return (value) => {
    if (!isObject(value)) throw misfit(type, value);
    const values = new Map<string, unknown>();
    for (const [key, one] of Object.entries(value)) {
      if (!isWellFormed(key)) throw new Misfit(`the key ${quoted(key)} has no UTF-8 form`);
      values.set(key, inField(key, read, one));
    }
    return values;
  };
}

function rowReader(
  type: SchemaType & { kind: 'row' },
  path: string,
  options: JsonReaderOptions,
): JsonReader {
  const fields = type.fields.map(({ name, type: field }) => ({
    name,
    isNullable: field.kind === 'nullable',
    read: jsonReader(field, path === '' ? name : `${path}.${name}`, options),
  }));
  const known = new Set(fields.map(({ name }) => name));
  return (value) => {
    if (!isObject(value)) throw misfit(type, value);
    const row: Record<string, unknown> = {};
    let found = 0;
    for (const { name, isNullable, read } of fields) {
      if (Object.hasOwn(value, name)) {
        found += 1;
        setField(row, name, inField(name, read, value[name]));
      } else if (isNullable) {
        setField(row, name, null);
      } else {
        throw new Misfit('it is missing', 'Declare it nullable where it may be.').within(name);
      }
    }
    if (options.ignoreUnknownFields || Object.keys(value).length === found) return row;
    const unknown = Object.keys(value).find((name) => !known.has(name))!;
    throw new Misfit(
      'the schema has no such field',
      'Declare it, or set { ignoreUnknownFields: true } where such fields are to be left out.',
    ).within(unknown);
  };
}

function inField(name: string, read: JsonReader, value: unknown): unknown {
  try {
    return read(value);
  } catch (error) {
    throw error instanceof Misfit ? error.within(name) : error;
  }
}

/** Numbers that JSON has no form for, as Java, Python and protobuf write them. */
const SPECIAL = new Map<unknown, number>([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

function floatOf(value: unknown, wrong: (value: unknown) => Misfit): number {
  const digits = exactDigits(value);
  const number = digits === undefined ? (SPECIAL.get(value) ?? value) : Number(digits);
  if (typeof number !== 'number') throw wrong(value);
  if (Number.isFinite(number) || SPECIAL.has(value)) return number;
  throw new Misfit(`${digits ?? 'it'} is too large for a float64`, 'Declare it decimal or string.');
}

/** The digits of a number; 1e3 is a whole one. */
function wholeDigits(value: unknown): string {
  const digits = exactDigits(value) ?? `${value}`;
  const number = Number(digits);
  return /e/i.test(digits) && Number.isSafeInteger(number) ? `${number}` : digits;
}

function bytesOf(text: string): Uint8Array {
  const content = Buffer.from(text, 'base64');
  // Node takes what is none for what it can make of it.
  const same = content.toString('base64').replace(/=+$/, '') === text.replace(/={0,2}$/, '');
  if (same) return new Uint8Array(content);
  throw new Misfit(`${quoted(text)} is no base64`, 'Bytes are texts of base64.');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a message tells it. */
function told(value: unknown): string {
  const digits = exactDigits(value);
  if (digits !== undefined) return digits;
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function misfit(type: SchemaType, value: unknown): Misfit {
  const hint =
    value === null
      ? `Declare it nullable(${typeName(type)}).`
      : 'Nothing is converted silently: declare it what it is, and convert it in a map.';
  return new Misfit(`${told(value)} is no ${type.kind === 'row' ? 'row' : typeName(type)}`, hint);
}

/** The error of a type that JSON has no values for. */
export function noValue(type: SchemaType, path: string): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_SCHEMA',
    `field ${path} is declared ${typeName(type)}, which JSON has no value for`,
    {
      hint: 'There are numbers, booleans, strings, enumerations, bytes (as base64), decimals, millisInstant, microsInstant, arrays, rows, and maps with strings as keys.',
    },
  );
}
