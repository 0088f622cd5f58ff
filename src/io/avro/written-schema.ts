// SPDX-License-Identifier: Apache-2.0
// The schema that rows of a declared type are written with where nobody gives one.

import { BeamBridgeError } from '../../base/index.ts';
import { urns } from '../../proto/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { within } from './declared-type.ts';
import { isName } from './schema.ts';

const L = urns.LogicalTypes_Enum;
const PRIMITIVES: Readonly<Record<string, string>> = {
  boolean: 'boolean',
  string: 'string',
  bytes: 'bytes',
  byte: 'int',
  int16: 'int',
  int32: 'int',
  int64: 'long',
  bigint64: 'long',
  float32: 'float',
  float64: 'double',
};

/**
 * The JSON of a schema.
 *
 * @param type - one that Avro has values for
 * @param name - of the record
 * @param path - where in the rows the type is
 * @throws `INVALID_SCHEMA` for names that are none in Avro, and for decimals, whose digits a schema tells
 */
export function writtenSchema(type: SchemaType, name: string, path = ''): unknown {
  switch (type.kind) {
    case 'nullable':
      return ['null', writtenSchema(type.value, name, path)];
    case 'array':
    case 'iterable':
      return { type: 'array', items: writtenSchema(type.element, name, within(path, '[]')) };
    case 'map':
      return { type: 'map', values: writtenSchema(type.value, name, within(path, '{}')) };
    case 'enumeration':
      // What are no names in Avro are texts there.
      if (!type.values.every(isName) || new Set(type.values).size < type.values.length)
        return 'string';
      return { type: 'enum', name, symbols: type.values };
    case 'row': {
      const fields = type.fields.map((field) => {
        const at = within(path, field.name);
        if (!isName(field.name)) throw noName(at);
        // Each record is of its own field: two with one name would have to be the same.
        return { name: field.name, type: writtenSchema(field.type, `${name}_${field.name}`, at) };
      });
      return { type: 'record', name, fields };
    }
    case 'logical':
      if (type.urn === L.MILLIS_INSTANT) return { type: 'long', logicalType: 'timestamp-millis' };
      if (type.urn === L.MICROS_INSTANT) return { type: 'long', logicalType: 'timestamp-micros' };
      throw new BeamBridgeError(
        'INVALID_SCHEMA',
        `field ${path} is a decimal, of which a schema must tell the digits`,
        {
          hint: "Give avroSchema, in which it is { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 2 }, or declare it a string.",
        },
      );
    default:
      return PRIMITIVES[type.kind];
  }
}

function noName(path: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_SCHEMA', `field ${path} is no name in Avro`, {
    hint: 'Names there are of letters A to Z, digits and _: rename it in a map.',
  });
}
