// SPDX-License-Identifier: Apache-2.0
// Schemas as Avro's JSON has them: a tree in which names are what they stand for.
// Source: https://avro.apache.org/docs/1.12.0/specification/#schema-declaration

import { describeValue } from '../../coders/index.ts';

/** What a schema's values mean beyond their bytes. */
export interface Meaning {
  readonly logical?: string | undefined;
  /** Of decimals. */
  readonly precision?: number;
  readonly scale?: number;
}

export type AvroPrimitive = Meaning & {
  readonly type: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';
};
export type AvroFixed = Meaning & {
  readonly type: 'fixed';
  readonly name: string;
  readonly size: number;
};
export interface AvroEnum {
  readonly type: 'enum';
  readonly name: string;
  readonly symbols: readonly string[];
}
export interface AvroArray {
  readonly type: 'array';
  readonly items: AvroSchema;
}
export interface AvroMap {
  readonly type: 'map';
  readonly values: AvroSchema;
}
export interface AvroField {
  readonly name: string;
  readonly schema: AvroSchema;
  /** What a writer without the field writes, as JSON; undefined for none. */
  readonly default: unknown;
}
/** A record may have itself in a field. */
export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly fields: readonly AvroField[];
}
export interface AvroUnion {
  readonly type: 'union';
  readonly branches: readonly AvroSchema[];
}
export type AvroSchema =
  | AvroPrimitive
  | AvroFixed
  | AvroEnum
  | AvroArray
  | AvroMap
  | AvroRecord
  | AvroUnion;

/** Internal: what is wrong with a schema. */
export class NoSchema {
  constructor(readonly message: string) {}
}

const PRIMITIVES = new Set([
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
]);
const DEEPEST = 200;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Whether Avro has such a name for a field or a symbol. */
export function isName(name: string): boolean {
  return NAME.test(name);
}

type Json = Record<string, unknown>;

/**
 * The tree of a schema.
 *
 * @param json - parsed JSON
 * @throws {@link NoSchema}
 */
export function parseSchema(json: unknown): AvroSchema {
  return new Parser().schema(json, '', 0);
}

class Parser {
  private readonly named = new Map<string, AvroSchema>();

  schema(json: unknown, namespace: string, depth: number): AvroSchema {
    if (depth > DEEPEST) throw new NoSchema(`it is nested more than ${DEEPEST} deep`);
    if (typeof json === 'string') return this.byName(json, namespace);
    if (Array.isArray(json)) return this.union(json, namespace, depth);
    if (typeof json !== 'object' || json === null)
      throw new NoSchema(`${describeValue(json)} is no type`);
    const given = json as Json;
    const { type } = given;
    switch (type) {
      case 'record':
      case 'error':
        return this.record(given, namespace, depth);
      case 'enum':
        return this.enumeration(given, namespace);
      case 'fixed':
        return this.fixed(given, namespace);
      case 'array':
        return { type, items: this.schema(given.items, namespace, depth + 1) };
      case 'map':
        return { type, values: this.schema(given.values, namespace, depth + 1) };
      default: {
        const plain = this.schema(type, namespace, depth + 1);
        const isPrimitive = typeof type === 'string' && PRIMITIVES.has(type);
        return isPrimitive ? { ...plain, ...meaningOf(given) } : plain;
      }
    }
  }

  private byName(name: string, namespace: string): AvroSchema {
    if (PRIMITIVES.has(name)) return { type: name as AvroPrimitive['type'] };
    const found = this.named.get(fullName(name, namespace)) ?? this.named.get(name);
    if (found) return found;
    throw new NoSchema(`there is no type ${name.slice(0, 100)}`);
  }

  private union(branches: unknown[], namespace: string, depth: number): AvroSchema {
    return {
      type: 'union',
      branches: branches.map((one) => this.schema(one, namespace, depth + 1)),
    };
  }

  /** A type with a name, which is known from then on. */
  private define<T extends AvroSchema>(
    given: Json,
    namespace: string,
    make: (name: string) => T,
  ): { made: T; inside: string } {
    const { name, namespace: own } = given;
    if (typeof name !== 'string' || name === '')
      throw new NoSchema(`a ${given.type} has no name: ${describeValue(name)}`);
    const full = fullName(name, typeof own === 'string' ? own : namespace);
    if (this.named.has(full)) throw new NoSchema(`there are two types ${full.slice(0, 100)}`);
    const made = make(full);
    this.named.set(full, made);
    return { made, inside: full.slice(0, Math.max(full.lastIndexOf('.'), 0)) };
  }

  private record(given: Json, namespace: string, depth: number): AvroSchema {
    const fields: AvroField[] = [];
    const { made, inside } = this.define(given, namespace, (name) => ({
      type: 'record' as const,
      name,
      fields,
    }));
    if (!Array.isArray(given.fields)) throw new NoSchema(`record ${made.name} has no fields`);
    const names = new Set<string>();
    for (const field of given.fields as (Json | null)[]) {
      const name = field?.name;
      if (typeof name !== 'string') throw new NoSchema(`a field of ${made.name} has no name`);
      if (names.has(name)) throw new NoSchema(`record ${made.name} has two fields ${name}`);
      names.add(name);
      const schema = this.schema(field!.type, inside, depth + 1);
      fields.push({ name, schema, default: field!.default });
    }
    return made;
  }

  private enumeration(given: Json, namespace: string): AvroSchema {
    const { symbols } = given;
    if (!Array.isArray(symbols) || symbols.some((one) => typeof one !== 'string'))
      throw new NoSchema(`the symbols of an enum are ${describeValue(symbols)}`);
    return this.define(given, namespace, (name) => ({ type: 'enum' as const, name, symbols })).made;
  }

  private fixed(given: Json, namespace: string): AvroSchema {
    const { size } = given;
    if (!Number.isSafeInteger(size) || (size as number) < 0)
      throw new NoSchema(`the size of a fixed is ${describeValue(size)}`);
    return this.define(given, namespace, (name) => ({
      type: 'fixed' as const,
      name,
      size: size as number,
      ...meaningOf(given),
    })).made;
  }
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

/** A logical type that cannot be is none, by Avro's rule. */
function meaningOf({ logicalType: logical, precision, scale = 0 }: Json): Meaning {
  if (typeof logical !== 'string') return {};
  if (logical !== 'decimal') return { logical };
  const isDecimal =
    Number.isSafeInteger(precision) &&
    Number.isSafeInteger(scale) &&
    (scale as number) >= 0 &&
    (precision as number) >= Math.max(scale as number, 1);
  return isDecimal ? { logical, precision: precision as number, scale: scale as number } : {};
}

/** A schema as messages tell it. */
export function told(schema: AvroSchema): string {
  switch (schema.type) {
    case 'array':
      return `an array of ${told(schema.items)}`;
    case 'map':
      return `a map of ${told(schema.values)}`;
    case 'record':
    case 'enum':
      return `${schema.type} ${schema.name}`;
    case 'union': {
      const names = schema.branches.map((branch) => told(branch));
      if (names.length < 2) return `a union of ${names[0] ?? 'nothing'}`;
      return `a union of ${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
    }
    default: {
      const { type, logical, precision, scale } = schema;
      const name = schema.type === 'fixed' ? `fixed(${schema.size})` : type;
      const digits = precision === undefined ? '' : `(${precision}, ${scale})`;
      return logical === undefined ? name : `${name} (${logical}${digits})`;
    }
  }
}

const LEAST = new WeakMap<AvroSchema, number>();

/**
 * The fewest bytes that a value has: of a number of values that is more than its bytes can hold, none needs to be read.
 */
export function leastBytes(schema: AvroSchema): number {
  switch (schema.type) {
    case 'null':
      return 0;
    case 'float':
      return 4;
    case 'double':
      return 8;
    case 'fixed':
      return schema.size;
    case 'record': {
      const known = LEAST.get(schema);
      if (known !== undefined) return known;
      // For the one that has itself in it.
      LEAST.set(schema, 0);
      const least = schema.fields.reduce((sum, field) => sum + leastBytes(field.schema), 0);
      LEAST.set(schema, least);
      return least;
    }
    default:
      return 1;
  }
}
