// SPDX-License-Identifier: Apache-2.0
// Which declared types Avro has values for, told before there is a schema.

import { urns } from '../../proto/index.ts';
import type { SchemaType } from '../../schema/index.ts';

const L = urns.LogicalTypes_Enum;
const LOGICAL = new Set<string>([L.DECIMAL, L.MILLIS_INSTANT, L.MICROS_INSTANT]);

export const AVRO_TYPES =
  'There are numbers, bigint64, booleans, strings, enumerations, bytes, decimals, millisInstant, microsInstant, arrays, rows, maps with strings as keys, and nullable ones of them.';

/** Where a step is within what has it. */
export function within(path: string, step: string): string {
  return path === '' || step.startsWith('[') || step.startsWith('{')
    ? path + step
    : `${path}.${step}`;
}

/** A part of a type that Avro has no values for, and where it is. */
export function noAvroType(
  type: SchemaType,
  path: string,
): { type: SchemaType; path: string } | undefined {
  switch (type.kind) {
    case 'nullable':
      return noAvroType(type.value, path);
    case 'array':
    case 'iterable':
      return noAvroType(type.element, within(path, '[]'));
    case 'map':
      if (type.key.kind !== 'string') return { type, path };
      return noAvroType(type.value, within(path, '{}'));
    case 'row':
      for (const field of type.fields) {
        const found = noAvroType(field.type, within(path, field.name));
        if (found) return found;
      }
      return undefined;
    case 'logical':
      return LOGICAL.has(type.urn) ? undefined : { type, path };
    case 'tensor':
      return { type, path };
    default:
      return undefined;
  }
}
