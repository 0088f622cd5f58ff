// SPDX-License-Identifier: Apache-2.0
// The type that would be declared for a file's schema.

import {
  array,
  bigint64,
  boolean,
  bytes,
  decimal,
  enumeration,
  float32,
  float64,
  int32,
  int64,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  type SchemaType,
  string,
} from '../../schema/index.ts';
import { propertyName, quotedText } from '../records/program-text.ts';
import { type AvroRecord, type AvroSchema, told } from './schema.ts';
import { countOf } from './values.ts';

/** A type, and its text in a program. */
export interface Declared {
  readonly type: SchemaType;
  readonly text: string;
  /** The names that the text uses. */
  readonly names: readonly string[];
}

/** A field for which there is a type, or why there is none. */
type Field = { readonly name: string } & (
  | { readonly declared: Declared; readonly why?: undefined }
  | { readonly declared?: undefined; readonly why: string }
);

const PRIMITIVES: Readonly<Record<string, SchemaType>> = {
  boolean,
  int32,
  int64,
  bigint64,
  float32,
  float64,
  string,
  bytes,
  decimal,
  millisInstant,
  microsInstant,
};

/**
 * What a record is declared as; fields of which nothing can be declared are left out, with a comment.
 *
 * @param above - the records around it
 */
export function declaredRow(
  record: AvroRecord,
  indent: string,
  above: readonly AvroSchema[] = [],
): Declared | undefined {
  const inside = [...above, record];
  const fields = record.fields.map(({ name, schema }): Field => {
    const declared = declaredOf(schema, `${indent}  `, inside);
    return declared ? { name, declared } : { name, why: told(schema) };
  });
  const known = fields.flatMap(({ name, declared }) => (declared ? [{ name, declared }] : []));
  if (known.length === 0) return undefined;
  const lines = fields.map(({ name, declared, why }) => {
    if (declared) return `${indent}  ${propertyName(name)}: ${declared.text},`;
    return `${indent}  // ${name} is ${why}, which no type is declared for`;
  });
  return {
    type: row(Object.fromEntries(known.map(({ name, declared }) => [name, declared.type]))),
    text: `row({\n${lines.join('\n')}\n${indent}})`,
    names: ['row', ...known.flatMap(({ declared }) => declared.names)],
  };
}

function declaredOf(
  schema: AvroSchema,
  indent: string,
  above: readonly AvroSchema[],
): Declared | undefined {
  switch (schema.type) {
    case 'null':
      return undefined;
    case 'record':
      return above.includes(schema) ? undefined : declaredRow(schema, indent, above);
    case 'array':
      return wrapped('array', array, declaredOf(schema.items, indent, above));
    case 'map': {
      const value = declaredOf(schema.values, indent, above);
      const of = (type: SchemaType) => map(string, type) as SchemaType;
      return value && { ...wrapped('map', of, value)!, text: `map(string, ${value.text})` };
    }
    case 'union': {
      const others = schema.branches.filter(({ type }) => type !== 'null');
      if (others.length !== 1) return undefined;
      const value = declaredOf(others[0]!, indent, above);
      if (others.length === schema.branches.length) return value;
      return wrapped('nullable', (type) => nullable(type as never) as SchemaType, value);
    }
    case 'enum': {
      const values = schema.symbols.map(quotedText).join(', ');
      const type = enumeration(schema.symbols as [string]) as SchemaType;
      return { type, text: `enumeration([${values}])`, names: ['enumeration'] };
    }
    default:
      return primitive(primitiveName(schema));
  }
}

function wrapped(
  name: string,
  of: (type: SchemaType) => SchemaType,
  inner: Declared | undefined,
): Declared | undefined {
  if (!inner) return undefined;
  const names = name === 'map' ? ['map', 'string'] : [name];
  return {
    type: of(inner.type),
    text: `${name}(${inner.text})`,
    names: [...names, ...inner.names],
  };
}

function primitive(name: string): Declared {
  return { type: PRIMITIVES[name]!, text: name, names: [name] };
}

function primitiveName(schema: AvroSchema & { logical?: string | undefined }): string {
  const instant = countOf(schema);
  if (instant) return instant.perSecond <= 1000n ? 'millisInstant' : 'microsInstant';
  if (schema.logical === 'decimal') return 'decimal';
  switch (schema.type) {
    case 'int':
      return 'int32';
    case 'long':
      return 'bigint64';
    case 'float':
      return 'float32';
    case 'double':
      return 'float64';
    case 'fixed':
      return schema.logical === 'uuid' && schema.size === 16 ? 'string' : 'bytes';
    default:
      return schema.type;
  }
}
