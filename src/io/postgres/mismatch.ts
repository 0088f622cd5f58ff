// SPDX-License-Identifier: Apache-2.0
// The error of a column whose type is none that the declared one has values of, told before a row is read or written.

import { BeamBridgeError } from '../../base/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { type NamedColumn, quoteName } from '../sql/names.ts';
import type { PgType } from './types.ts';

/** @param table - as messages have it */
export function misfit(
  of: string,
  table: string,
  { field, column }: NamedColumn,
  declared: SchemaType,
  type: PgType,
): BeamBridgeError {
  const message = `column ${quoteName(column)} of ${table} is ${type.name}, and the field ${field} is declared ${typeName(declared)}`;
  return new BeamBridgeError('HEADER_MISMATCH', `${of}: ${message}`, {
    hint: `Declare it ${declarationOf(type)}. Nothing is converted in silence: a query may cast it, as in "${column.replaceAll('"', '""')}"::text.`,
  });
}

/** Declared types that have all values of a column. */
function declarationOf({ family, base, element }: PgType): string {
  switch (family) {
    case 'whole':
      return base === 'int8' ? 'int64 or bigint64' : `int${8 * Number(base.slice(3))}`;
    case 'float':
      return base === 'float4' ? 'float32' : 'float64';
    case 'numeric':
      return 'decimal';
    case 'boolean':
    case 'bytes':
      return family;
    case 'time':
      return base === 'date'
        ? 'string or millisInstant'
        : 'microsInstant, or millisInstant where times are no finer';
    case 'json':
      return 'string, or the row, map or array that it holds';
    case 'vector':
      return "array(float32) or typedArray('float32')";
    case 'array':
      return `array(${declarationOf(element!)})`;
    default:
      return 'string';
  }
}
