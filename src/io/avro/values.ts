// SPDX-License-Identifier: Apache-2.0
// What values without parts are by the type that was declared for them.

import { urns } from '../../proto/index.ts';
import { Decimal, type SchemaType } from '../../schema/index.ts';
import { dateOfCount, float32Of, microsOfCount, signedOf, uuidOf } from '../records/from-counts.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { bigintOf, wholeOf } from '../records/numbers.ts';
import type { Cursor } from './cursor.ts';
import type { AvroSchema } from './schema.ts';
import { branchOf } from './skip.ts';

const L = urns.LogicalTypes_Enum;

/** The value, or null. @throws {@link Misfit}, {@link Undecodable} */
export type Read = (cursor: Cursor) => unknown;

/** How much is made of values that are not quite what was declared. */
export interface Leniency {
  /**
   * For single messages, of which each has a schema of its own: what is below a millisecond is cut off, whole numbers may
   * be floats that are whole, a nullable field may be missing, and a union's types are told apart by each value.
   */
  readonly isLenient: boolean;
}

/** How values of a schema are read; nothing where they are not what is declared. */
export function valueReader(
  type: SchemaType,
  schema: AvroSchema,
  leniency: Leniency,
): Read | undefined {
  const { type: kind } = schema;
  switch (type.kind) {
    case 'boolean':
      return kind === 'boolean' ? (cursor) => cursor.boolean() : undefined;
    case 'string':
      return textReader(schema);
    case 'enumeration':
      return enumerationReader(type.values, schema);
    case 'bytes':
      // Copies, since the bytes are those of a whole block.
      if (kind === 'bytes') return (cursor) => new Uint8Array(cursor.content());
      if (kind === 'fixed') return (cursor) => new Uint8Array(cursor.raw(schema.size));
      return undefined;
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64':
      return wholeReader(type.kind, schema, leniency);
    case 'bigint64':
      if (kind === 'int' || kind === 'long') return (cursor) => cursor.bigint();
      if (!leniency.isLenient) return undefined;
      return wholeFloat(schema, (whole) => bigintOf(whole));
    case 'float64':
      return numberReader(schema);
    case 'float32': {
      if (kind === 'float') return (cursor) => cursor.float();
      const read = numberReader(schema);
      return read && ((cursor) => float32Of(read(cursor)));
    }
    case 'logical':
      if (type.urn === L.DECIMAL) return decimalReader(schema);
      return instantReader(type.urn === L.MICROS_INSTANT, schema, leniency);
    default:
      return undefined;
  }
}

function textReader(schema: AvroSchema): Read | undefined {
  switch (schema.type) {
    case 'string':
      return (cursor) => cursor.text();
    case 'enum': {
      const { symbols } = schema;
      return (cursor) => symbols[branchOf(cursor, symbols.length)];
    }
    case 'fixed':
      if (schema.logical !== 'uuid' || schema.size !== 16) return undefined;
      return (cursor) => uuidOf(cursor.raw(16));
    default:
      return undefined;
  }
}

function enumerationReader(values: readonly string[], schema: AvroSchema): Read | undefined {
  const none = (text: string) =>
    new Misfit(`${quoted(text)} is none of ${values.map(quoted).join(', ')}`);
  const known = new Set(values);
  if (schema.type === 'enum') {
    const { symbols } = schema;
    return (cursor) => {
      const symbol = symbols[branchOf(cursor, symbols.length)]!;
      if (known.has(symbol)) return symbol;
      throw none(symbol);
    };
  }
  if (schema.type !== 'string') return undefined;
  return (cursor) => {
    const text = cursor.text();
    if (known.has(text)) return text;
    throw none(text);
  };
}

type WholeKind = 'byte' | 'int16' | 'int32' | 'int64';

function wholeReader(
  kind: WholeKind,
  schema: AvroSchema,
  { isLenient }: Leniency,
): Read | undefined {
  switch (schema.type) {
    case 'int':
      if (kind === 'int64' || kind === 'int32') return (cursor) => cursor.int();
      return (cursor) => wholeOf(`${cursor.int()}`, kind);
    case 'long':
      if (kind === 'int64') return safeLong;
      return (cursor) => wholeOf(`${cursor.bigint()}`, kind);
    default:
      return isLenient ? wholeFloat(schema, (whole) => wholeOf(whole, kind)) : undefined;
  }
}

/** A whole number that a number holds exactly. */
function safeLong(cursor: Cursor): number {
  const { at } = cursor;
  const value = cursor.long();
  if (Number.isSafeInteger(value)) return value;
  cursor.at = at;
  return wholeOf(`${cursor.bigint()}`, 'int64');
}

/** A float that is a whole number. */
function wholeFloat(schema: AvroSchema, of: (whole: string) => unknown): Read | undefined {
  if (schema.type !== 'float' && schema.type !== 'double') return undefined;
  const isFloat = schema.type === 'float';
  return (cursor) => {
    const value = isFloat ? cursor.float() : cursor.double();
    // Not as JavaScript shows it, which rounds what is beyond 2^53.
    if (Number.isInteger(value)) return of(`${BigInt(value)}`);
    throw new Misfit(`${value} is no whole number`, 'Declare it float64.');
  };
}

function numberReader(schema: AvroSchema): ((cursor: Cursor) => number) | undefined {
  switch (schema.type) {
    case 'float':
      return (cursor) => cursor.float();
    case 'double':
      return (cursor) => cursor.double();
    case 'int':
      return (cursor) => cursor.int();
    case 'long':
      return safeLong;
    default:
      return undefined;
  }
}

function decimalReader(schema: AvroSchema): Read | undefined {
  if (schema.type === 'int' || schema.type === 'long')
    return (cursor) => new Decimal(cursor.bigint());
  if (schema.type !== 'bytes' && schema.type !== 'fixed') return undefined;
  if (schema.logical !== 'decimal') return undefined;
  const { scale } = schema;
  if (schema.type === 'fixed')
    return (cursor) => new Decimal(signedOf(cursor.raw(schema.size)), scale);
  return (cursor) => new Decimal(signedOf(cursor.content()), scale);
}

/** How many of a unit are a second. */
const PER_SECOND: Readonly<Record<string, bigint>> = {
  millis: 1000n,
  micros: 1_000_000n,
  nanos: 1_000_000_000n,
};
const DAY = 86_400n;

/** A time and how many of its unit are a second. Without a zone it is one of UTC, as in texts. */
export function countOf(
  schema: AvroSchema,
): { count: (cursor: Cursor) => bigint; perSecond: bigint } | undefined {
  if (schema.type === 'int' && schema.logical === 'date')
    return { count: (cursor) => BigInt(cursor.int()) * DAY, perSecond: 1n };
  if (schema.type !== 'long') return undefined;
  const unit = /^(?:local-)?timestamp-(\w+)$/.exec(schema.logical ?? '')?.[1] ?? '';
  const perSecond = PER_SECOND[unit];
  return perSecond === undefined ? undefined : { count: (cursor) => cursor.bigint(), perSecond };
}

function instantReader(
  isMicros: boolean,
  schema: AvroSchema,
  { isLenient }: Leniency,
): Read | undefined {
  const instant = countOf(schema);
  if (!instant) return undefined;
  const { count, perSecond } = instant;
  const unit = isMicros ? 1_000_000n : 1000n;
  const of = isMicros ? microsOfCount : dateOfCount;
  if (!isMicros && perSecond === unit) return millisDate;
  if (!isLenient || perSecond <= unit) {
    const value = of(perSecond);
    return (cursor) => value(count(cursor));
  }
  const value = of(unit);
  const divisor = perSecond / unit;
  return (cursor) => value(floor(count(cursor), divisor));
}

const dateOfMillis = dateOfCount(1000n);

/** Most times: without a bigint in between. */
function millisDate(cursor: Cursor): Date {
  const { at } = cursor;
  const date = new Date(cursor.long());
  if (!Number.isNaN(date.getTime())) return date;
  cursor.at = at;
  return dateOfMillis(cursor.bigint());
}

/** Towards the past, also before 1970. */
function floor(count: bigint, divisor: bigint): bigint {
  const rest = ((count % divisor) + divisor) % divisor;
  return (count - rest) / divisor;
}
