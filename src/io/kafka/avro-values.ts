// SPDX-License-Identifier: Apache-2.0
// Values as Avro's codec has them, and as the types of beambridge/schema have them. The declared type
// decides: what a schema has beside its fields is left out, as Avro's own readers do.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { type Instants, isInstant, type Units } from './avro-schema.ts';

const WHOLE = ['byte', 'int16', 'int32', 'int64', 'bigint64'];
const SIMPLE = [...WHOLE, 'float32', 'float64', 'string', 'boolean', 'bytes', 'enumeration'];

/** The types that a type is made of, each with where it is. */
function partsOf(type: SchemaType, path: string): [SchemaType, string][] | undefined {
  switch (type.kind) {
    case 'nullable':
      return [[type.value, path]];
    case 'array':
    case 'iterable':
      return [[type.element, `an element of ${path}`]];
    case 'map':
      return type.key.kind === 'string' ? [[type.value, `a value of ${path}`]] : undefined;
    case 'row':
      return type.fields.map((field) => [field.type, `field ${field.name} of ${path}`]);
    default:
      return SIMPLE.includes(type.kind) || isInstant(type) ? [] : undefined;
  }
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for a type that Avro has no values for */
export function checkAvroType(type: SchemaType, path = 'the type'): void {
  const parts = partsOf(type, path);
  if (!parts) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `kafkaAvro: ${path} is ${typeName(type)}`, {
      hint: 'Take numbers, bigint64, string, boolean, bytes, enumerations, millisInstant, arrays, maps with texts as keys, rows and nullable ones of them.',
    });
  }
  for (const [part, where] of parts) checkAvroType(part, where);
}

/** A value of Avro's as one of the type, as far as it looks like one: its coder says whether it is. */
export function fromAvro(
  type: SchemaType,
  value: unknown,
  instants: Instants | undefined,
): unknown {
  if (value === null || value === undefined) return value ?? null;
  if (type.kind === 'nullable') return fromAvro(type.value, value, instants);
  if (isInstant(type)) return dateOf(value, instants?.units);
  switch (type.kind) {
    case 'bigint64':
      return typeof value === 'number' ? BigInt(value) : value;
    case 'bytes':
      return value instanceof Uint8Array ? new Uint8Array(value) : value;
    case 'array':
    case 'iterable':
      return Array.isArray(value)
        ? value.map((each) => fromAvro(type.element, each, instants?.within))
        : value;
    case 'map':
      return new Map(
        Object.entries(value).map(([key, each]) => [
          key,
          fromAvro(type.value, each, instants?.within),
        ]),
      );
    case 'row':
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          fromAvro(
            field.type,
            (value as Record<string, unknown>)[field.name],
            instants?.fields?.get(field.name),
          ),
        ]),
      );
    default:
      return typeof value === 'bigint' ? numberOf(value) : value;
  }
}

const DAY_MILLIS = 24 * 60 * 60 * 1000;

/** What is below a millisecond is cut off. */
function dateOf(value: unknown, { int, long }: Units = {}): Date {
  let millis = Number.NaN;
  if (typeof value === 'bigint' && long) {
    // Towards the past, also before 1970.
    millis = Number(
      long === 'timestamp-millis' ? value : (value - (((value % 1000n) + 1000n) % 1000n)) / 1000n,
    );
  } else if (typeof value === 'number' && int) millis = value * DAY_MILLIS;
  const date = new Date(millis);
  if (!Number.isNaN(date.getTime())) return date;
  throw new BeamBridgeError('ROW_MISMATCH', `${describeValue(value)} is no millisInstant`, {
    hint: 'Numbers are instants where the schema says so by a logical type.',
  });
}

function numberOf(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new BeamBridgeError('INT64_OUT_OF_RANGE', `${value} is no safe number`, {
    hint: 'Declare bigint64 for it.',
  });
}

/** A value of the type as Avro's codec takes it. */
export function toAvro(type: SchemaType, value: unknown, instants: Instants | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (type.kind === 'nullable') return toAvro(type.value, value, instants);
  if (isInstant(type)) return countOf(value as Date, instants?.units);
  switch (type.kind) {
    case 'bigint64':
      return smallest(value as bigint);
    case 'bytes': {
      const bytes = value as Uint8Array;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    case 'array':
    case 'iterable':
      return Array.from(value as Iterable<unknown>, (each) =>
        toAvro(type.element, each, instants?.within),
      );
    case 'map':
      return Object.fromEntries(
        Array.from(value as Map<string, unknown>, ([key, each]) => [
          key,
          toAvro(type.value, each, instants?.within),
        ]),
      );
    case 'row':
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          toAvro(
            field.type,
            (value as Record<string, unknown>)[field.name],
            instants?.fields?.get(field.name),
          ),
        ]),
      );
    default:
      return value;
  }
}

/** Only a `long` takes bigints, also where it is one of a union. */
function countOf(date: Date, { long }: Units = {}): bigint {
  if (!long)
    throw new BeamBridgeError('ROW_MISMATCH', 'the schema has no instant for a millisInstant');
  const millis = BigInt(date.getTime());
  return long === 'timestamp-millis' ? millis : millis * 1000n;
}

/** An `int` or a `double` takes numbers alone. */
function smallest(value: bigint): bigint | number {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** What a value of a message is, for an error. */
export function noWireFormat(content: Uint8Array): BeamBridgeError {
  return new BeamBridgeError(
    'MALFORMED_DATA',
    `no message of a schema registry: it begins with ${describeValue(content[0])}, not with 0 and the number of a schema`,
    { hint: 'Was it written without the registry?' },
  );
}
