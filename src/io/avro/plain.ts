// SPDX-License-Identifier: Apache-2.0
// Values as a person reads them, whatever was declared: for a record that does not fit.

import type { Cursor } from './cursor.ts';
import { type AvroSchema, leastBytes } from './schema.ts';
import { branchOf } from './skip.ts';

/** The JSON of a value: whole numbers with all their digits, bytes in base64. */
export function plainText(cursor: Cursor, schema: AvroSchema): string {
  switch (schema.type) {
    case 'null':
      return 'null';
    case 'boolean':
      return `${cursor.boolean()}`;
    case 'int':
    case 'long':
      return `${cursor.bigint()}`;
    case 'float':
      return numberText(cursor.float());
    case 'double':
      return numberText(cursor.double());
    case 'bytes':
      return JSON.stringify(cursor.content().toString('base64'));
    case 'string':
      return JSON.stringify(cursor.content().toString('utf8'));
    case 'fixed':
      return JSON.stringify(cursor.raw(schema.size).toString('base64'));
    case 'enum':
      return JSON.stringify(schema.symbols[branchOf(cursor, schema.symbols.length)]);
    case 'union':
      return plainText(cursor, schema.branches[branchOf(cursor, schema.branches.length)]!);
    case 'record': {
      const fields = schema.fields.map(
        (field) => `${JSON.stringify(field.name)}:${plainText(cursor, field.schema)}`,
      );
      return `{${fields.join(',')}}`;
    }
    case 'array': {
      const values: string[] = [];
      const least = leastBytes(schema.items);
      for (let count = cursor.count(least); count > 0; count = cursor.count(least))
        for (let at = 0; at < count; at++) values.push(plainText(cursor, schema.items));
      return `[${values.join(',')}]`;
    }
    case 'map': {
      const values: string[] = [];
      const least = 1 + leastBytes(schema.values);
      for (let count = cursor.count(least); count > 0; count = cursor.count(least)) {
        for (let at = 0; at < count; at++) {
          const key = JSON.stringify(cursor.content().toString('utf8'));
          values.push(`${key}:${plainText(cursor, schema.values)}`);
        }
      }
      return `{${values.join(',')}}`;
    }
  }
}

function numberText(value: number): string {
  return Number.isFinite(value) ? `${value}` : `"${value}"`;
}
