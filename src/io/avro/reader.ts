// SPDX-License-Identifier: Apache-2.0
// The declared type against a schema: which of its fields are read, and what their values become. All of it is known
// before a value is read, and what is read is made at once into what was declared.

import { setField, TYPED_ARRAY_KINDS, type TypedArrayKind } from '../../coders/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import type { Cursor } from './cursor.ts';
import { within } from './declared-type.ts';
import { type AvroArray, type AvroRecord, type AvroSchema, leastBytes, told } from './schema.ts';
import { branchOf, type Skip, skipper } from './skip.ts';
import { noField, Unmatched, unmatched } from './unmatched.ts';
import { type Leniency, type Read, valueReader } from './values.ts';

/**
 * How values of a schema are read as a declared type.
 *
 * @param path - where in the records the value is
 * @throws {@link Unmatched}
 */
export function reader(
  type: SchemaType,
  schema: AvroSchema,
  leniency: Leniency,
  path: string,
): Read {
  const isNullable = type.kind === 'nullable';
  const value = isNullable ? type.value : type;
  if (schema.type === 'union') return unionReader(value, isNullable, schema, leniency, path);
  if (schema.type === 'null') {
    if (isNullable) return () => null;
    throw unmatched(type, schema, path);
  }
  return partReader(value, schema, leniency, path);
}

/** A value that is there. */
function partReader(type: SchemaType, schema: AvroSchema, leniency: Leniency, path: string): Read {
  if (type.kind === 'row' && schema.type === 'record')
    return rowReader(type, schema, leniency, path);
  if ((type.kind === 'array' || type.kind === 'iterable') && schema.type === 'array')
    return arrayReader(type, schema, leniency, path);
  if (type.kind === 'map' && schema.type === 'map') {
    const value = reader(type.value, schema.values, leniency, within(path, '{}'));
    return mapReader(value, 1 + leastBytes(schema.values));
  }
  const read = valueReader(type, schema, leniency);
  if (read) return read;
  throw unmatched(type, schema, path);
}

function unionReader(
  type: SchemaType,
  isNullable: boolean,
  schema: AvroSchema & { type: 'union' },
  leniency: Leniency,
  path: string,
): Read {
  const { branches } = schema;
  let fits = 0;
  let first: Unmatched | undefined;
  const reads = branches.map((branch): Read => {
    if (branch.type === 'null') {
      if (isNullable) return () => null;
      return () => {
        throw new Misfit('it is null', `Declare it nullable(${typeName(type)}).`);
      };
    }
    try {
      const read = partReader(type, branch, leniency, path);
      fits += 1;
      return read;
    } catch (error) {
      if (!(error instanceof Unmatched)) throw error;
      first ??= error;
      return () => {
        throw new Misfit(`it is ${told(branch)}, of ${told(schema)}`);
      };
    }
  });
  const isNull = branches.every((branch) => branch.type === 'null');
  if (isNull ? !isNullable : fits === 0)
    throw first && branches.length <= 2 ? first : unmatched(type, schema, path);
  if (first && !leniency.isLenient) throw unmatched(type, schema, path);
  const count = reads.length;
  return (cursor) => reads[branchOf(cursor, count)]!(cursor);
}

/** A field of a record: read, or left out. */
interface Step {
  readonly name: string;
  /** None for a field that was not declared. */
  readonly read: Read | undefined;
  readonly skip: Skip;
}

function rowReader(
  type: SchemaType & { kind: 'row' },
  schema: AvroRecord,
  leniency: Leniency,
  path: string,
): Read {
  const known = new Map<AvroSchema, Skip>();
  const declared = new Map(type.fields.map((field) => [field.name, field.type]));
  const none: Record<string, unknown> = {};
  for (const { name, type: field } of type.fields) {
    setField(none, name, null);
    if (schema.fields.some((one) => one.name === name)) continue;
    if (!leniency.isLenient || field.kind !== 'nullable') throw noField(within(path, name), schema);
  }
  const steps = schema.fields.map(({ name, schema: of }): Step => {
    const field = declared.get(name);
    if (field === undefined) return { name, read: undefined, skip: skipper(of, known) };
    return { name, read: reader(field, of, leniency, within(path, name)), skip: () => {} };
  });
  // The fields in their declared order, whatever that of the schema is, in objects of one shape.
  const hasProto = declared.has('__proto__');
  return (cursor) => {
    // Of a spread `__proto__` is a field as well.
    const row: Record<string, unknown> = { ...none };
    let at = 0;
    try {
      for (; at < steps.length; at++) {
        const { name, read, skip } = steps[at]!;
        if (read === undefined) skip(cursor);
        else if (hasProto) setField(row, name, read(cursor));
        else row[name] = read(cursor);
      }
    } catch (error) {
      throw error instanceof Misfit ? error.within(steps[at]!.name) : error;
    }
    return row;
  };
}

type ListType = SchemaType & { kind: 'array' | 'iterable' };

function arrayReader(type: ListType, { items }: AvroArray, leniency: Leniency, path: string): Read {
  const read = reader(type.element, items, leniency, within(path, '[]'));
  const least = leastBytes(items);
  const isTyped = type.kind === 'array' && type.typed === true;
  const Typed = isTyped ? TYPED_ARRAY_KINDS[type.element.kind as TypedArrayKind] : undefined;
  return (cursor) => {
    const values: unknown[] = [];
    try {
      for (let count = cursor.count(least); count > 0; count = cursor.count(least))
        for (let at = 0; at < count; at++) values.push(read(cursor));
    } catch (error) {
      throw error instanceof Misfit ? error.within(`[${values.length}]`) : error;
    }
    return Typed ? (Typed as unknown as typeof Float64Array).from(values as number[]) : values;
  };
}

function mapReader(read: Read, least: number): Read {
  return (cursor: Cursor) => {
    const values = new Map<string, unknown>();
    for (let count = cursor.count(least); count > 0; count = cursor.count(least)) {
      for (let at = 0; at < count; at++) {
        const key = cursor.text();
        if (values.has(key)) throw new Misfit(`the key ${quoted(key)} is there twice`);
        try {
          values.set(key, read(cursor));
        } catch (error) {
          throw error instanceof Misfit ? error.within(key) : error;
        }
      }
    }
    return values;
  };
}
