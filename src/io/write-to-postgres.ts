// SPDX-License-Identifier: Apache-2.0
// Rows to PostgreSQL.

import type { OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import {
  CONNECTION_OPTIONS,
  checkConnection,
  type PostgresConnection,
} from './postgres/connection.ts';
import { WriteRows } from './postgres/write-rows.ts';
import {
  checkTableOptions,
  WRITE_TABLE_OPTIONS,
  type WriteTableOptions,
  writeToTable,
} from './sql/write-table.ts';

/** Options of {@link writeToPostgres}. */
export interface WritePostgresOptions<T> extends PostgresConnection, WriteTableOptions<T> {}

const OPTIONS: OptionNames<WritePostgresOptions<unknown>> = {
  ...CONNECTION_OPTIONS,
  ...WRITE_TABLE_OPTIONS,
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
  checkTableOptions(OF, options, OPTIONS);
  const connection = checkConnection(OF, options);
  return writeToTable(OF, options, (target) => new WriteRows({ ...target, options: connection }));
}
