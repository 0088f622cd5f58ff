// SPDX-License-Identifier: Apache-2.0
// Rows to SQLite.

import path from 'node:path';
import { checkOptionNames, type OptionNames } from '../base/index.ts';
import { BytesCoder, type Coder } from '../coders/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import { doFnStep } from '../transforms/index.ts';
import { refuseOption } from './records/read-options.ts';
import { typedRows } from './records/write-type.ts';
import {
  checkColumns,
  checkFile,
  checkKey,
  checkKeyFields,
  checkTable,
  type OnConflict,
  type TableName,
} from './sql/names.ts';
import { type WriteSpec, WriteSqliteRows } from './sqlite/write-rows.ts';

/** Options of {@link writeToSqlite}. */
export interface WriteSqliteOptions<T> {
  /** The file, which must be there, relative to the folder that the program is in when it builds the pipeline. */
  file: string;
  /** The table, which must be there. */
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

const OPTIONS: OptionNames<WriteSqliteOptions<unknown>> = {
  file: true,
  table: true,
  schema: true,
  columns: true,
  key: true,
  onConflict: true,
};

const OF = 'writeToSqlite';

/**
 * Writes rows to a table of a file of SQLite, a column for each field; other columns get their defaults. {@link readFromSqlite} with the
 * same type reads the same rows. Nothing is converted: a column that would make another value of one (a decimal in a column of numbers,
 * say) is refused, and so is NaN, which SQLite has not.
 *
 * The rows of a bundle are written in one transaction, all of them or none. A bundle that is tried again, and a pipeline that is run
 * again, add rows once more: at least once. With `key` trying again changes nothing.
 *
 * Needs the npm package `better-sqlite3`, version 12, which has native code.
 *
 * @throws `INVALID_ARGUMENT` where nothing says what the rows are, and for options that cannot be; from the run, for a key
 *   without a unique index
 * @throws `PACKAGE_NOT_FOUND`, `FILE_NOT_FOUND`, `MALFORMED_DATA`, `TABLE_NOT_FOUND`, `HEADER_MISMATCH` from the run, as
 *   {@link readFromSqlite} does; the last also for a column that would make other values of a type's
 * @throws `ROW_MISMATCH` from the run, for a row that is none of the type, and a value that its column does not hold
 * @throws `CONSTRAINT_VIOLATED` from the run, with the row, for one that a constraint of the table refuses
 * @throws `OUTPUT_NOT_WRITABLE` from the run, for a file that may not be written, or a full disk
 * @throws `IO_FAILED` from the run, where another program keeps the file to itself for ten seconds
 *
 * @example
 * ```ts
 * scores.apply(
 *   writeToSqlite({ file: 'scores.db', table: 'scores', schema: row({ id: int64, score: float64 }), key: 'id' }),
 * );
 * ```
 */
export function writeToSqlite<T>(options: WriteSqliteOptions<T>): (rows: PCollection<T>) => void {
  if (options === undefined)
    throw refuseOption(OF, 'options', options, 'Give an object of options.');
  checkOptionNames(OF, options, OPTIONS);
  const { schema, columns } = options;
  const shared = {
    of: OF,
    file: path.resolve(checkFile(OF, options.file)),
    table: checkTable(OF, options.table),
    key: checkKey(OF, options.key, options.onConflict),
  };
  const specOf = (type: RowType<unknown>): WriteSpec => {
    checkKeyFields(OF, shared.key, type.fields);
    return { ...shared, schema: type, columns: checkColumns(OF, type.fields, columns) };
  };
  // What can be told without the rows is told here.
  if (schema?.fields) specOf(schema as RowType<unknown>);
  const write = (input: PCollection<T>): void => {
    const typed = typedRows(OF, input, schema);
    const spec = specOf(typed.schema as RowType<unknown>);
    const nothing = new BytesCoder() as Coder<unknown> as Coder<never>;
    const written = typed.rows.apply(
      doFnStep<T, never>('write', new WriteSqliteRows(spec), nothing),
    );
    // Threads would only wait for each other: a file has one writer at a time.
    written.node.producer.staysHere = 'writes to a file that has one writer at a time';
  };
  return Object.defineProperty(write, 'name', { value: OF });
}
