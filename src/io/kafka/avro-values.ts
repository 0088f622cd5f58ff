// SPDX-License-Identifier: Apache-2.0
// Values as Avro's codec has them, and as the types of beambridge/schema have them. The declared type
// decides: what a schema has beside its fields is left out, as Avro's own readers do.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import { millisInstant, type SchemaType, typeName } from '../../schema/index.ts';

const WHOLE = ['byte', 'int16', 'int32', 'int64', 'bigint64'];
const SIMPLE = [...WHOLE, 'float32', 'float64', 'string', 'boolean', 'bytes', 'enumeration'];

const isInstant = (type: SchemaType) =>
  type.kind === 'logical' &&
  (type as { urn?: string }).urn === (millisInstant as { urn?: string }).urn;

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
export function fromAvro(type: SchemaType, value: unknown): unknown {
  if (value === null || value === undefined) return value ?? null;
  if (type.kind === 'nullable') return fromAvro(type.value, value);
  if (isInstant(type)) return new Date(Number(value));
  switch (type.kind) {
    case 'bigint64':
      return typeof value === 'number' ? BigInt(value) : value;
    case 'bytes':
      return value instanceof Uint8Array ? new Uint8Array(value) : value;
    case 'array':
    case 'iterable':
      return Array.isArray(value) ? value.map((each) => fromAvro(type.element, each)) : value;
    case 'map':
      return new Map(Object.entries(value).map(([key, each]) => [key, fromAvro(type.value, each)]));
    case 'row':
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          fromAvro(field.type, (value as Record<string, unknown>)[field.name]),
        ]),
      );
    default:
      return typeof value === 'bigint' ? numberOf(value) : value;
  }
}

function numberOf(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new BeamBridgeError('INT64_OUT_OF_RANGE', `${value} is no safe number`, {
    hint: 'Declare bigint64 for it.',
  });
}

/** A value of the type as Avro's codec takes it. */
export function toAvro(type: SchemaType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (type.kind === 'nullable') return toAvro(type.value, value);
  if (isInstant(type)) return (value as Date).getTime();
  switch (type.kind) {
    case 'bigint64':
      return numberOf(value as bigint);
    case 'bytes': {
      const bytes = value as Uint8Array;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    case 'array':
    case 'iterable':
      return Array.from(value as Iterable<unknown>, (each) => toAvro(type.element, each));
    case 'map':
      return Object.fromEntries(
        Array.from(value as Map<string, unknown>, ([key, each]) => [key, toAvro(type.value, each)]),
      );
    case 'row':
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          toAvro(field.type, (value as Record<string, unknown>)[field.name]),
        ]),
      );
    default:
      return value;
  }
}

/** What a value of a message is, for an error. */
export function noWireFormat(content: Uint8Array): BeamBridgeError {
  return new BeamBridgeError(
    'MALFORMED_DATA',
    `no message of a schema registry: it begins with ${describeValue(content[0])}, not with 0 and the number of a schema`,
    { hint: 'Was it written without the registry?' },
  );
}
