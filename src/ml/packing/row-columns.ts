// SPDX-License-Identifier: Apache-2.0
// Columns of rows: a column for each field. Named inputs of a model and the columns of a data frame
// travel so.

import { type ByteReader, ByteWriter } from '../../base/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { isMisfit } from '../failures/dead-letters.ts';
import { addEach, type ColumnBuilder, sized } from './column-builder.ts';

export const ROWS = 6;

/** A column of one field. */
interface FieldColumn {
  builder(): ColumnBuilder | undefined;
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
  private readonly names: ReadonlySet<string>;

  constructor(private readonly fields: readonly (readonly [string, FieldColumn])[]) {
    this.names = new Set(fields.map(([name]) => name));
  }

  /** A column to build a row at a time, where each field has one. */
  builder(): ColumnBuilder | undefined {
    const builders: ColumnBuilder[] = [];
    for (const [, column] of this.fields) {
      const builder = column.builder();
      if (!builder) return undefined;
      builders.push(builder);
    }
    return new RowsBuilder(this.names, builders);
  }

  /** The parts of the column; undefined when a value does not fit, which the row coder then names. */
  pack(values: readonly unknown[]): Uint8Array[] | undefined {
    if (!values.every((value) => isRow(value, this.names))) return undefined;
    const out = new ByteWriter();
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

/** Builds a column for each field. */
class RowsBuilder implements ColumnBuilder {
  count = 0;

  private readonly ordered: readonly string[];

  constructor(
    private readonly names: ReadonlySet<string>,
    /** In the order of the names. */
    private readonly builders: readonly ColumnBuilder[],
  ) {
    this.ordered = [...names];
  }

  add(value: unknown): boolean {
    if (!isRow(value, this.names)) return false;
    const { ordered, builders } = this;
    for (let i = 0; i < builders.length; i++) {
      if (builders[i]!.add(value[ordered[i]!])) continue;
      for (let before = 0; before < i; before++) builders[before]!.drop();
      return false;
    }
    this.count += 1;
    return true;
  }

  drop(): void {
    this.count -= 1;
    for (const builder of this.builders) builder.drop();
  }

  addAll(values: readonly unknown[]): boolean {
    return addEach(this, values);
  }

  parts(): Uint8Array[] {
    return [Uint8Array.of(ROWS), ...this.builders.flatMap((builder) => sized(builder.parts()))];
  }
}

/** Whether a value is a row without fields beside those declared. */
function isRow(value: unknown, names: ReadonlySet<string>): value is Record<string, unknown> {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof Map
  ) {
    return false;
  }
  for (const name in value) {
    if (!names.has(name) && (value as Record<string, unknown>)[name] !== undefined) return false;
  }
  return true;
}
