// SPDX-License-Identifier: Apache-2.0
// What is written for a field that a schema has and the declared type has not: its default, as JSON has it.
// Source: https://avro.apache.org/docs/1.12.0/specification/#schema-record

import type { AvroField, AvroSchema } from './schema.ts';
import { Sink } from './sink.ts';
import { Unmatched } from './unmatched.ts';

/** @throws {@link Unmatched} for a field without a default, and for a default that is none */
export function defaultWriter(field: AvroField, path: string): (sink: Sink) => void {
  const hint = 'Declare it, or give it a default in the schema.';
  if (field.default === undefined)
    throw new Unmatched(`its field ${path} has no default, and is not declared`, hint);
  const sink = new Sink();
  if (!writeDefault(sink, field.schema, field.default))
    throw new Unmatched(`the default of its field ${path} is none of its type`, hint);
  const bytes = sink.taken();
  return (to) => to.raw(bytes);
}

type Json = Record<string, unknown>;

/** Whether the value is one of the schema. */
function writeDefault(sink: Sink, schema: AvroSchema, value: unknown): boolean {
  switch (schema.type) {
    case 'null':
      return value === null;
    case 'boolean':
      sink.byte(value === true ? 1 : 0);
      return typeof value === 'boolean';
    case 'int':
    case 'long':
      if (!Number.isSafeInteger(value)) return false;
      sink.long(value as number);
      return schema.type === 'long' || value === ((value as number) | 0);
    case 'float':
      sink.float(value as number);
      return typeof value === 'number';
    case 'double':
      sink.double(value as number);
      return typeof value === 'number';
    case 'string':
      if (typeof value !== 'string') return false;
      sink.text(value);
      return true;
    case 'bytes':
      if (typeof value !== 'string') return false;
      sink.content(Buffer.from(value, 'latin1'));
      return true;
    case 'fixed':
      if (typeof value !== 'string' || value.length !== schema.size) return false;
      sink.raw(Buffer.from(value, 'latin1'));
      return true;
    case 'enum': {
      const at = schema.symbols.indexOf(value as string);
      if (at >= 0) sink.long(at);
      return at >= 0;
    }
    case 'union':
      // The first of its types, by the specification's rule.
      sink.long(0);
      return schema.branches[0] !== undefined && writeDefault(sink, schema.branches[0], value);
    case 'array':
      if (!Array.isArray(value)) return false;
      return writeMany(sink, value, (one) => writeDefault(sink, schema.items, one));
    default:
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
      return schema.type === 'map'
        ? writeMany(sink, Object.entries(value), ([key, one]) => {
            sink.text(key);
            return writeDefault(sink, schema.values, one);
          })
        : schema.fields.every(({ name, schema: of, default: own }) =>
            writeDefault(sink, of, Object.hasOwn(value, name) ? (value as Json)[name] : own),
          );
  }
}

function writeMany<T>(sink: Sink, values: readonly T[], write: (one: T) => boolean): boolean {
  if (values.length > 0) sink.long(values.length);
  const areAll = values.every(write);
  sink.long(0);
  return areAll;
}
