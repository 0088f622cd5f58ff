// SPDX-License-Identifier: Apache-2.0
// Rows to SQLite.

import path from 'node:path';
import type { OptionNames } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';
import { checkFile } from './sql/names.ts';
import {
  checkTableOptions,
  type TableTarget,
  WRITE_TABLE_OPTIONS,
  type WriteTableOptions,
  writeToTable,
} from './sql/write-table.ts';
import { WriteSqliteRows } from './sqlite/write-rows.ts';

/** Options of {@link writeToSqlite}. */
export interface WriteSqliteOptions<T> extends WriteTableOptions<T> {
  /** The file, which must be there, relative to the folder that the program is in when it builds the pipeline. */
  file: string;
}

const OPTIONS: OptionNames<WriteSqliteOptions<unknown>> = { file: true, ...WRITE_TABLE_OPTIONS };

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
  checkTableOptions(OF, options, OPTIONS);
  const file = path.resolve(checkFile(OF, options.file));
  const step = (target: TableTarget) => new WriteSqliteRows({ ...target, file });
  // Threads would only wait for each other.
  return writeToTable(OF, options, step, 'writes to a file that has one writer at a time');
}
