// SPDX-License-Identifier: Apache-2.0
// What a writer's schema says of the declared type: what its numbers count where instants are declared, and
// whether it has the fields. Both are known before the first value is.

import { BeamBridgeError } from '../../base/index.ts';
import { millisInstant, type SchemaType } from '../../schema/index.ts';

/** What we use of the types of the package avsc. */
export interface AvroType {
  readonly typeName: string;
  /** Of a union. */
  readonly types?: readonly AvroType[];
  /** Of a record. */
  readonly fields?: readonly { readonly name: string; readonly type: AvroType }[];
  /** Of an array. */
  readonly itemsType?: AvroType;
  /** Of a map. */
  readonly valuesType?: AvroType;
  fromBuffer(content: Buffer): unknown;
  toBuffer(value: unknown): Buffer;
}

/** What we use of the package avsc. */
export interface Avro {
  readonly Type: { forSchema(schema: unknown, options: object): AvroType };
  readonly types: {
    readonly IntType: new () => AvroType;
    readonly LongType: { __with(methods: object): AvroType };
  };
}

/** A schema, with the logical types of its numbers, which avsc itself forgets. */
export interface AvroSchema {
  readonly type: AvroType;
  readonly logical: ReadonlyMap<AvroType, string>;
}

/** What numbers of an instant count, by the kind of number: a value's own kind tells which it is. */
export interface Units {
  readonly int?: 'date' | undefined;
  readonly long?: 'timestamp-millis' | 'timestamp-micros' | undefined;
}

/** Where instants are in values of a type, as deep as there are any. */
export interface Instants {
  readonly units?: Units;
  /** In an array's elements, or a map's values. */
  readonly within?: Instants | undefined;
  readonly fields?: ReadonlyMap<string, Instants>;
}

export const isInstant = (type: SchemaType) =>
  type.kind === 'logical' &&
  (type as { urn?: string }).urn === (millisInstant as { urn?: string }).urn;

export function parseSchema({ Type, types }: Avro, schema: unknown): AvroSchema {
  const logical = new Map<AvroType, string>();
  const typeHook = (given: unknown) => {
    const { type, logicalType } = (given ?? {}) as { type?: unknown; logicalType?: unknown };
    if (typeof logicalType !== 'string' || (type !== 'int' && type !== 'long')) return undefined;
    const own = type === 'int' ? new types.IntType() : bigLong(types);
    logical.set(own, logicalType);
    return own;
  };
  const type = Type.forSchema(schema, { registry: { long: bigLong(types) }, typeHook });
  return { type, logical };
}

const isInt64 = (value: unknown) =>
  typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value);

/** Numbers of 64 bits, whole: which of them a number may stand for is the declared type's to say. */
function bigLong(types: Avro['types']): AvroType {
  return types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer: (value: bigint | number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      return bytes;
    },
    fromJSON: BigInt,
    toJSON: String,
    isValid: isInt64,
    compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
  });
}

/** What a schema is matched for. */
export interface Matching {
  /** What is said of the schema: `schema 7`. */
  readonly name: string;
  /** Whether values are written: then no declared field may be left out. */
  readonly isWriting: boolean;
}

/**
 * Where instants are, and what their numbers count.
 *
 * @throws BeamBridgeError `ROW_MISMATCH` where an instant is declared and the schema has none; and, for
 *   writing, where it lacks a field
 */
export function matchSchema(
  declared: SchemaType,
  { type, logical }: AvroSchema,
  { name, isWriting }: Matching,
): Instants | undefined {
  const match = (of: SchemaType, at: AvroType, path: string): Instants | undefined => {
    const branches = (at.types ?? [at]).filter(({ typeName }) => typeName !== 'null');
    // Of several nothing is known before there is a value, which is checked then.
    const only = (...names: string[]) => {
      const found = branches.filter(({ typeName }) => names.includes(typeName));
      return found.length === 1 ? found[0] : undefined;
    };
    if (of.kind === 'nullable') return match(of.value, at, path);
    if (isInstant(of)) {
      const units = unitsOf(branches, logical, isWriting);
      if (units || branches.length === 0) return units && { units };
      throw noInstant(name, path, branches, logical, isWriting);
    }
    if (of.kind === 'array' || of.kind === 'iterable') {
      const items = only('array')?.itemsType;
      const within = items && match(of.element, items, `an element of ${path}`);
      return within && { within };
    }
    if (of.kind === 'map') {
      const values = only('map')?.valuesType;
      const within = values && match(of.value, values, `a value of ${path}`);
      return within && { within };
    }
    if (of.kind !== 'row') return undefined;
    const there = only('record', 'error')?.fields;
    if (!there) return undefined;
    const fields = new Map<string, Instants>();
    for (const field of of.fields) {
      const found = there.find((one) => one.name === field.name);
      if (!found && isWriting) throw noField(name, path, field.name);
      const within = found && match(field.type, found.type, `field ${field.name} of ${path}`);
      if (within) fields.set(field.name, within);
    }
    return fields.size > 0 ? { fields } : undefined;
  };
  return match(declared, type, 'the type');
}

function unitsOf(
  branches: readonly AvroType[],
  logical: AvroSchema['logical'],
  isWriting: boolean,
): Units | undefined {
  const names = branches.map((one) => logical.get(one));
  const long = (['timestamp-millis', 'timestamp-micros'] as const).find((one) =>
    branches.some((branch, i) => isLong(branch) && names[i] === one),
  );
  // An instant is more than its day.
  const hasDate =
    !isWriting && branches.some((b, i) => b.typeName === 'int' && names[i] === 'date');
  return long || hasDate ? { long, int: hasDate ? 'date' : undefined } : undefined;
}

const isLong = ({ typeName }: AvroType) => typeName === 'abstract:long';

function noInstant(
  name: string,
  path: string,
  branches: readonly AvroType[],
  logical: AvroSchema['logical'],
  isWriting: boolean,
): BeamBridgeError {
  const shown = branches.map((one) => {
    const plain = isLong(one) ? 'long' : one.typeName;
    return logical.has(one) ? `${plain} (${logical.get(one)})` : plain;
  });
  return new BeamBridgeError(
    'ROW_MISMATCH',
    `${path} is declared as millisInstant, and is ${shown.join(' or ')} in ${name}`,
    {
      hint: `An instant is a long with the logical type timestamp-millis or timestamp-micros${isWriting ? '' : ', or an int with date'}. Declare the number itself otherwise: int64, or bigint64.`,
    },
  );
}

function noField(name: string, path: string, field: string): BeamBridgeError {
  return new BeamBridgeError('ROW_MISMATCH', `${name} has no field ${field}, as ${path} has`, {
    hint: 'It would be lost: register a schema that has it, or leave it out of the declared type.',
  });
}
