// SPDX-License-Identifier: Apache-2.0
// Columns of rows: a column for each field. Named inputs of a model and the columns of a data frame
// travel so.

import type { ByteReader, ByteWriter } from '../base/index.ts';
import { ByteWriter as Writer } from '../base/index.ts';
import type { SchemaType } from '../schema/index.ts';
import { isMisfit } from './dead-letters.ts';

export const ROWS = 6;

/** A column of one field. */
interface FieldColumn {
  write(values: readonly unknown[], out: ByteWriter): void;
  reader(bytes: Uint8Array, count: number): () => unknown;
}

const NUMBERS: ReadonlySet<string> = new Set([
  'byte',
  'int16',
  'int32',
  'int64',
  'float32',
  'float64',
]);

/** Whether a column holds the values of this type other than one by one. */
function isPacked(type: SchemaType): boolean {
  if (type.kind === 'array' || type.kind === 'iterable') return NUMBERS.has(type.element.kind);
  return NUMBERS.has(type.kind) || type.kind === 'tensor' || isPackedRow(type);
}

/** Whether it is worth a column for each field. */
export function isPackedRow(type: SchemaType): boolean {
  if (type.kind !== 'row') return false;
  return (
    type.fields.some((field) => isPacked(field.type)) &&
    // The one name that cannot be set like any other.
    type.fields.every((field) => field.name !== '__proto__')
  );
}

/** Packs and reads rows of one declared type. */
export class RowColumn {
  constructor(private readonly fields: readonly (readonly [string, FieldColumn])[]) {}

  /** The parts of the column; undefined when a value does not fit, which the row coder then names. */
  pack(values: readonly unknown[]): Uint8Array[] | undefined {
    const names = new Set(this.fields.map(([name]) => name));
    for (const value of values) {
      if (!isRow(value)) return undefined;
      for (const name in value) {
        if (!names.has(name) && value[name] !== undefined) return undefined;
      }
    }
    const out = new Writer();
    out.byte(ROWS);
    try {
      for (const [name, column] of this.fields) {
        const part = (values as readonly Record<string, unknown>[]).map((value) => value[name]);
        out.prefixed((bytes) => column.write(part, bytes));
      }
    } catch (error) {
      if (isMisfit(error)) return undefined;
      throw error;
    }
    return [out.detach()];
  }

  /** Gives the rows of the column after its first byte, one after the other. */
  reader(input: ByteReader, count: number): () => unknown {
    const readers = this.fields.map(
      ([name, column]) => [name, column.reader(input.prefixedBytes(), count)] as const,
    );
    return () => {
      const row: Record<string, unknown> = {};
      for (const [name, next] of readers) row[name] = next();
      return row;
    };
  }
}

function isRow(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof Map)
  );
}
