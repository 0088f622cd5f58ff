// SPDX-License-Identifier: Apache-2.0
// Rows to PostgreSQL.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import { BytesCoder, type Coder } from '../coders/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import type { RowType } from '../schema/index.ts';
import { doFnStep } from '../transforms/index.ts';
import {
  CONNECTION_OPTIONS,
  checkConnection,
  type PostgresConnection,
} from './postgres/connection.ts';
import type { WriteSpec } from './postgres/target.ts';
import { WriteRows } from './postgres/write-rows.ts';
import { refuseOption } from './records/read-options.ts';
import { typedRows } from './records/write-type.ts';
import {
  checkColumns,
  checkKey,
  checkKeyFields,
  checkTable,
  type OnConflict,
  type TableName,
} from './sql/names.ts';

/** Options of {@link writeToPostgres}. */
export interface WritePostgresOptions<T> extends PostgresConnection {
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

const OPTIONS: OptionNames<WritePostgresOptions<unknown>> = {
  ...CONNECTION_OPTIONS,
  table: true,
  schema: true,
  columns: true,
  key: true,
  onConflict: true,
};

const OF = 'writeToPostgres';

/**
 * Writes rows to a table, a column for each field; other columns get their defaults. {@link readFromPostgres} with the same type reads
 * the same rows. Nothing is rounded or cut: a number that has more digits than its column, a time that is finer, a text that is longer
 * are errors.
 *
 * Without `key` the rows of a bundle are added by one COPY, all of them or none. A bundle that fails and is tried again, a pipeline that
 * is run again, and a bundle of which the connection broke before the server answered may add rows once more: at least once. With `key`
 * rows go by `INSERT … ON CONFLICT`, some thousand in a transaction, and trying again changes nothing.
 *
 * Needs the npm package `pg`, 8.16 or newer.
 *
 * @throws `INVALID_ARGUMENT` where nothing says what the rows are, and for options that cannot be; from the run, for a key
 *   without a unique index
 * @throws `PACKAGE_NOT_FOUND` from the run, without that package
 * @throws `ENDPOINT_UNAVAILABLE`, `CREDENTIALS_REFUSED`, `CREDENTIALS_MISSING`, `TABLE_NOT_FOUND`, `HEADER_MISMATCH` from the run, as
 *   {@link readFromPostgres} does
 * @throws `ROW_MISMATCH` from the run, for a row that is none of the type, and a value that its column does not hold
 * @throws `CONSTRAINT_VIOLATED` from the run, with the key of the row, for one that a constraint of the table refuses
 * @throws `IO_FAILED` from the run, when the connection is lost
 *
 * @example
 * ```ts
 * scores.apply(
 *   writeToPostgres({
 *     connection: { host: 'db.example.org', database: 'shop', user: 'scorer', password: process.env.PGPASSWORD },
 *     table: 'scores',
 *     schema: row({ id: int64, score: float64, embedding: array(float32) }),
 *     key: 'id',
 *   }),
 * );
 * ```
 */
export function writeToPostgres<T>(
  options: WritePostgresOptions<T>,
): (rows: PCollection<T>) => void {
  if (options === undefined)
    throw refuseOption(OF, 'options', options, 'Give an object of options.');
  checkOptionNames(OF, options, OPTIONS);
  const { schema, columns } = options;
  const shared = {
    of: OF,
    options: checkConnection(OF, options),
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
    typed.rows.apply(doFnStep<T, never>('write', new WriteRows(spec), nothing));
  };
  return Object.defineProperty(write, 'name', { value: OF });
}
