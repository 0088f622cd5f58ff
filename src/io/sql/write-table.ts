// SPDX-License-Identifier: Apache-2.0
// What all writers of tables are asked, and what they look at before they write: the same for every database.

import { checkOptionNames, type OptionNames } from '../../base/index.ts';
import { BytesCoder, type Coder } from '../../coders/index.ts';
import type { DoFn, PCollection } from '../../pipeline/index.ts';
import type { RowType } from '../../schema/index.ts';
import { doFnStep } from '../../transforms/index.ts';
import { refuseOption } from '../records/read-options.ts';
import { typedRows } from '../records/write-type.ts';
import {
  checkColumns,
  checkKey,
  checkKeyFields,
  checkTable,
  type KeyOfRows,
  type NamedColumn,
  type OnConflict,
  type TableName,
} from './names.ts';

/** Options that all writers of tables share. */
export interface WriteTableOptions<T> {
  /** The table, which must be there. A name is taken as it is, capitals and dots too. */
  table: TableName;
  /** The type of the rows, each of which is then checked. @default what their PCollection is declared to hold */
  schema?: RowType<T>;
  /** By field, the name of its column. @default the field's own */
  columns?: { readonly [Field in keyof T]?: string };
  /**
   * The fields by which a row is the same as one that is there. Their columns need a primary key or a unique index of exactly these.
   * A bundle that is tried again then writes the same rows, and none twice.
   *
   * @default none: rows are added
   */
  key?: (keyof T & string) | readonly (keyof T & string)[];
  /** With `key`, what becomes of a row that is there: its columns get the new values, or it stays as it is. @default `'update'` */
  onConflict?: OnConflict;
}

export const WRITE_TABLE_OPTIONS: OptionNames<WriteTableOptions<unknown>> = {
  table: true,
  schema: true,
  columns: true,
  key: true,
  onConflict: true,
};

/** Which rows go to which columns of what table. */
export interface TableTarget {
  /** The transform. */
  readonly of: string;
  readonly schema: RowType<unknown>;
  readonly columns: readonly NamedColumn[];
  readonly table: readonly string[];
  readonly key: KeyOfRows | undefined;
}

/** @throws `INVALID_ARGUMENT` for options that are none, or that `names` has not */
export function checkTableOptions(
  of: string,
  options: object,
  names: OptionNames<Record<string, unknown>>,
): void {
  if (options === undefined)
    throw refuseOption(of, 'options', options, 'Give an object of options.');
  checkOptionNames(of, options, names);
}

/**
 * A transform that writes rows to a table; what can be told without the rows is told now.
 *
 * @param step - what writes rows to their target
 * @param staysHere - why it must be done where the program is, where that is so
 * @throws `INVALID_ARGUMENT`
 */
export function writeToTable<T>(
  of: string,
  { schema, columns, table, key, onConflict }: WriteTableOptions<T>,
  step: (target: TableTarget) => DoFn<unknown, never>,
  staysHere?: string,
): (rows: PCollection<T>) => void {
  const shared = { of, table: checkTable(of, table), key: checkKey(of, key, onConflict) };
  const targetOf = (type: RowType<unknown>): TableTarget => {
    checkKeyFields(of, shared.key, type.fields);
    return { ...shared, schema: type, columns: checkColumns(of, type.fields, columns) };
  };
  if (schema?.fields) targetOf(schema as RowType<unknown>);
  const write = (input: PCollection<T>): void => {
    const typed = typedRows(of, input, schema);
    const target = targetOf(typed.schema as RowType<unknown>);
    const nothing = new BytesCoder() as Coder<unknown> as Coder<never>;
    const written = typed.rows.apply(
      doFnStep<T, never>('write', step(target) as DoFn<T, never>, nothing),
    );
    if (staysHere !== undefined) written.node.producer.staysHere = staysHere;
  };
  return Object.defineProperty(write, 'name', { value: of });
}
