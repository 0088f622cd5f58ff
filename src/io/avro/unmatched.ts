// SPDX-License-Identifier: Apache-2.0
// What is said where a schema is not what was declared, and what could be declared instead.

import { type SchemaType, typeName } from '../../schema/index.ts';
import { type AvroSchema, told } from './schema.ts';

/** Internal: a declared type and a schema that do not fit; who knows where the schema is from makes an error of it. */
export class Unmatched {
  constructor(
    readonly message: string,
    readonly hint: string,
  ) {}
}

/** Of a part of another type. */
export function unmatched(type: SchemaType, schema: AvroSchema, path: string): Unmatched {
  const name = type.kind === 'row' ? 'a row' : typeName(type);
  const what = path === '' ? 'it is' : `its field ${path} is`;
  return new Unmatched(`${what} ${told(schema)}, and declared ${name}`, hintOf(schema));
}

/** Of a field that is missing. */
export function noField(
  path: string,
  { fields }: AvroSchema & { type: 'record' },
  hint?: string,
): Unmatched {
  const names = fields.map(({ name }) => name);
  const listed = names.slice(0, 30).join(', ') + (names.length > 30 ? ', …' : '');
  return new Unmatched(`it has no field ${path}`, hint ?? `It has: ${listed || 'none'}.`);
}

/** What a part can be declared as. */
function hintOf(schema: AvroSchema): string {
  switch (schema.type) {
    case 'union': {
      const others = schema.branches.filter(({ type }) => type !== 'null');
      return others.length > 1
        ? 'A union of several types has no declared type: leave it out.'
        : `Declare it nullable. ${others[0] ? hintOf(others[0]) : ''}`.trim();
    }
    case 'null':
      return 'It has no values: declare it nullable, or leave it out.';
    case 'array':
      return 'Declare it array(…).';
    case 'map':
      return 'Declare it map(string, …).';
    case 'record':
      return 'Declare it row({ … }).';
    case 'enum':
      return 'Declare it string, or enumeration([…]).';
    case 'boolean':
      return 'Declare it boolean.';
    case 'float':
    case 'double':
      return `Declare it ${schema.type === 'float' ? 'float32' : 'float64'}.`;
    default:
      return plainHint(schema);
  }
}

function plainHint({ type, logical }: AvroSchema & { logical?: string | undefined }): string {
  if (logical === 'decimal') return 'Declare it decimal.';
  if (/timestamp|^date$/.test(logical ?? ''))
    return 'Declare it microsInstant or millisInstant, or the number itself: bigint64 or int64.';
  if (type === 'string' || logical === 'uuid') return 'Declare it string.';
  if (type === 'bytes' || type === 'fixed') return 'Declare it bytes.';
  if (type === 'int') return 'Declare it int32 or int64.';
  return `Declare it bigint64 or int64. An instant is a long with the logical type timestamp-millis, -micros or -nanos.`;
}
