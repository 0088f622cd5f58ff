// SPDX-License-Identifier: Apache-2.0
// Values that nobody asked for: what a schema has beside the declared fields.

import type { Cursor } from './cursor.ts';
import { Undecodable } from './cursor.ts';
import { type AvroSchema, leastBytes } from './schema.ts';

export type Skip = (cursor: Cursor) => void;

/** How values of a schema are left out. */
export function skipper(schema: AvroSchema, known = new Map<AvroSchema, Skip>()): Skip {
  const found = known.get(schema);
  if (found) return found;
  // A record may have itself in it.
  let made: Skip | undefined;
  known.set(schema, (cursor) => made!(cursor));
  made = skipOf(schema, known);
  known.set(schema, made);
  return made;
}

function skipOf(schema: AvroSchema, known: Map<AvroSchema, Skip>): Skip {
  switch (schema.type) {
    case 'null':
      return () => {};
    case 'boolean':
      return (cursor) => cursor.skip(1);
    case 'int':
    case 'long':
    case 'enum':
      return (cursor) => void cursor.long();
    case 'float':
      return (cursor) => cursor.skip(4);
    case 'double':
      return (cursor) => cursor.skip(8);
    case 'bytes':
    case 'string':
      return (cursor) => void cursor.content();
    case 'fixed':
      return (cursor) => cursor.skip(schema.size);
    case 'array':
      return many(skipper(schema.items, known), leastBytes(schema.items));
    case 'map': {
      const skip = skipper(schema.values, known);
      return many((cursor) => {
        cursor.content();
        skip(cursor);
      }, 1 + leastBytes(schema.values));
    }
    case 'record': {
      const fields = schema.fields.map((field) => skipper(field.schema, known));
      return (cursor) => {
        for (const skip of fields) skip(cursor);
      };
    }
    case 'union': {
      const branches = schema.branches.map((branch) => skipper(branch, known));
      return (cursor) => branches[branchOf(cursor, branches.length)]!(cursor);
    }
  }
}

function many(skip: Skip, least: number): Skip {
  return (cursor) => {
    for (;;) {
      const count = cursor.countOrSkip(least);
      if (count === 0) return;
      for (let at = 0; at < count; at++) skip(cursor);
    }
  };
}

/** Which branch of a union a value is of. */
export function branchOf(cursor: Cursor, branches: number): number {
  const branch = cursor.long();
  if (branch >= 0 && branch < branches) return branch;
  throw new Undecodable(`a union has ${branches} types, and no number ${branch}`);
}
