// SPDX-License-Identifier: Apache-2.0
// Which declared types Parquet has values for, told before there is a file.

import { BeamBridgeError } from '../../base/index.ts';
import { urns } from '../../proto/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';

const L = urns.LogicalTypes_Enum;
const LOGICAL = new Set<string>([L.DECIMAL, L.MILLIS_INSTANT, L.MICROS_INSTANT]);
const KEYS = new Set([
  'string',
  'enumeration',
  'boolean',
  'byte',
  'int16',
  'int32',
  'int64',
  'bigint64',
]);

/**
 * Looks at a declared type before there is a file.
 *
 * @param path - where the type is in the record's
 * @param withTensors - whether they are lists, as they are when they are written
 * @param format - whose types are the same
 * @throws `INVALID_SCHEMA` for a type that Parquet has no values for
 */
export function checkParquetType(
  type: SchemaType,
  path: string,
  withTensors = false,
  format = 'Parquet',
): void {
  switch (type.kind) {
    case 'nullable':
      checkParquetType(type.value, path, withTensors, format);
      return;
    case 'array':
    case 'iterable':
      checkParquetType(type.element, `${path}[]`, withTensors, format);
      return;
    case 'map':
      if (!KEYS.has(type.key.kind)) throw noValue(type, path, format);
      checkParquetType(type.value, `${path}{}`, withTensors, format);
      return;
    case 'row':
      if (type.fields.length === 0) throw noValue(type, path, format);
      for (const { name, type: field } of type.fields)
        checkParquetType(field, path === '' ? name : `${path}.${name}`, withTensors, format);
      return;
    case 'logical':
      if (!LOGICAL.has(type.urn)) throw noValue(type, path, format);
      return;
    case 'tensor':
      if (!withTensors) throw noValue(type, path, format);
      return;
    default:
  }
}

function noValue(type: SchemaType, path: string, format: string): BeamBridgeError {
  const message = `field ${path} is declared ${typeName(type)}, which ${format} ${/s$/.test(format) ? 'have' : 'has'} no value for`;
  return new BeamBridgeError('INVALID_SCHEMA', message, {
    hint: 'There are numbers, booleans, strings, enumerations, bytes, decimals, millisInstant, microsInstant, arrays, rows with fields, and maps with strings, whole numbers or booleans as keys.',
  });
}
