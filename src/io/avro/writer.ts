// SPDX-License-Identifier: Apache-2.0
// How values of the declared type are written in a schema. What the schema has no place for is told before a value is
// written.

import { BeamBridgeError } from '../../base/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { Misfit } from '../records/misfit.ts';
import { Unwritable } from '../records/write-type.ts';
import { within } from './declared-type.ts';
import { defaultWriter } from './default-value.ts';
import type { AvroRecord, AvroSchema } from './schema.ts';
import type { Sink } from './sink.ts';
import { noField, Unmatched, unmatched } from './unmatched.ts';
import { valueWriter, type Write } from './value-writers.ts';

/**
 * How values of a declared type are written in a schema.
 *
 * @param path - where in the rows the value is
 * @throws {@link Unmatched}
 */
export function writer(type: SchemaType, schema: AvroSchema, path: string): Write {
  const isNullable = type.kind === 'nullable';
  const value = isNullable ? type.value : type;
  if (schema.type === 'union') return unionWriter(value, isNullable, schema, path);
  if (schema.type === 'null' && isNullable) {
    return (_, given) => {
      if (given !== null && given !== undefined) throw new Misfit('the schema has null alone');
    };
  }
  const write = partWriter(value, schema, path);
  if (!isNullable) return write;
  return (sink, given) => {
    if (given === null || given === undefined)
      throw new Misfit('it is null, which the schema does not have');
    write(sink, given);
  };
}

function partWriter(type: SchemaType, schema: AvroSchema, path: string): Write {
  if (type.kind === 'row' && schema.type === 'record') return rowWriter(type, schema, path);
  if ((type.kind === 'array' || type.kind === 'iterable') && schema.type === 'array')
    return arrayWriter(writer(type.element, schema.items, within(path, '[]')));
  if (type.kind === 'map' && schema.type === 'map')
    return mapWriter(writer(type.value, schema.values, within(path, '{}')));
  const write = valueWriter(type, schema);
  if (write) return write;
  throw unmatched(type, schema, path);
}

function unionWriter(
  type: SchemaType,
  isNullable: boolean,
  schema: AvroSchema & { type: 'union' },
  path: string,
): Write {
  const none = schema.branches.findIndex((branch) => branch.type === 'null');
  let first: Unmatched | undefined;
  const writes = schema.branches.flatMap((branch, at): { at: number; write: Write }[] => {
    if (at === none) return [];
    try {
      return [{ at, write: partWriter(type, branch, path) }];
    } catch (error) {
      if (!(error instanceof Unmatched)) throw error;
      first ??= error;
      return [];
    }
  });
  const only = writes[0];
  if (!only) throw first && schema.branches.length <= 2 ? first : unmatched(type, schema, path);
  const write: Write =
    writes.length === 1
      ? (sink, value) => {
          sink.long(only.at);
          only.write(sink, value);
        }
      : firstOf(writes);
  return (sink, value) => {
    if (value !== null && value !== undefined) return write(sink, value);
    if (!isNullable) throw new Unwritable();
    if (none < 0) throw new Misfit('it is null, which the schema does not have');
    sink.long(none);
  };
}

/** The first of several types that holds a value. */
function firstOf(writes: readonly { at: number; write: Write }[]): Write {
  return (sink, value) => {
    const before = sink.at;
    let misfit: unknown;
    for (const { at, write } of writes) {
      try {
        sink.long(at);
        write(sink, value);
        return;
      } catch (error) {
        if (!(error instanceof Misfit)) throw error;
        misfit ??= error;
        sink.at = before;
      }
    }
    throw misfit;
  };
}

function rowWriter(type: SchemaType & { kind: 'row' }, schema: AvroRecord, path: string): Write {
  for (const { name } of type.fields) {
    if (schema.fields.some((one) => one.name === name)) continue;
    const hint =
      'It would be lost: give a schema that has it, or leave it out of the declared type.';
    throw noField(within(path, name), schema, hint);
  }
  const fields = schema.fields.map((field) => {
    const { name } = field;
    const declared = type.fields.find((one) => one.name === name);
    if (declared) return { name, write: writer(declared.type, field.schema, within(path, name)) };
    const write = defaultWriter(field, within(path, name));
    return { name, write: (sink: Sink) => write(sink) };
  });
  return (sink, value) => {
    if (typeof value !== 'object' || value === null) throw new Unwritable();
    let at = 0;
    try {
      for (; at < fields.length; at++) {
        const { name, write } = fields[at]!;
        write(sink, (value as Record<string, unknown>)[name]);
      }
    } catch (error) {
      throw error instanceof Misfit ? error.within(fields[at]!.name) : error;
    }
  };
}

function arrayWriter(write: Write): Write {
  return (sink, value) => {
    const isList = typeof value === 'object' && value !== null && Symbol.iterator in value;
    if (!isList) throw new Unwritable();
    const values = Array.isArray(value) ? value : Array.from(value as Iterable<unknown>);
    let at = 0;
    try {
      if (values.length > 0) sink.long(values.length);
      for (; at < values.length; at++) write(sink, values[at]);
    } catch (error) {
      throw error instanceof Misfit ? error.within(`[${at}]`) : error;
    }
    sink.long(0);
  };
}

function mapWriter(write: Write): Write {
  return (sink, value) => {
    if (!(value instanceof Map)) throw new Unwritable();
    if (value.size > 0) sink.long(value.size);
    for (const [key, each] of value) {
      if (typeof key !== 'string') throw new Unwritable();
      sink.text(key);
      try {
        write(sink, each);
      } catch (error) {
        throw error instanceof Misfit ? error.within(key) : error;
      }
    }
    sink.long(0);
  };
}

/** The error of a value that the schema does not hold. */
export function misfitError(error: Misfit, what: string): BeamBridgeError {
  const { message, hint, code, column } = error;
  const place = column === undefined ? '' : `${column.label}: `;
  return new BeamBridgeError(code, `${what}: ${place}${message}`, { hint });
}
