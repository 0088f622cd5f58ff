// SPDX-License-Identifier: Apache-2.0
// Rows of SQLite.

import path from 'node:path';
import { checkOptionNames, type OptionNames } from '../base/index.ts';
import { type PCollection, PTransformClass, type Root } from '../pipeline/index.ts';
import { array, coderOf, type RowType } from '../schema/index.ts';
import { flatMapStep, impulse, reshuffle } from '../transforms/index.ts';
import { checkRowType, refuseOption } from './records/read-options.ts';
import { checkColumns, checkFile, checkSource, type TableName } from './sql/names.ts';
import type { Stored } from './sqlite/package.ts';
import { type ReadSpec, readersOf, readRows } from './sqlite/read-rows.ts';

/** A value for a `?` in a query. */
export type SqliteParameter = string | number | bigint | boolean | null | Uint8Array;

/** Options of {@link readFromSqlite}. */
export interface ReadSqliteOptions<T> {
  /** The file, relative to the folder that the program is in when it builds the pipeline. */
  file: string;
  /** The type of the rows. Only the columns of its fields are read. */
  schema: RowType<T>;
  /** The table or view; or else a `query`. */
  table?: TableName;
  /** A `SELECT`, `VALUES` or `WITH … SELECT`, without a semicolon. */
  query?: string;
  /** The values of each `?` in `query`. @default none */
  parameters?: readonly SqliteParameter[];
  /** By field, the name of its column. @default the field's own */
  columns?: { readonly [Field in keyof T]?: string };
}

const OPTIONS: OptionNames<ReadSqliteOptions<unknown>> = {
  file: true,
  schema: true,
  table: true,
  query: true,
  parameters: true,
  columns: true,
};

const OF = 'readFromSqlite';

/**
 * The rows of a table or a query of a file of SQLite, in no particular order, as the type `schema` declares them. They are read by one
 * worker, in one transaction.
 *
 * Each value is checked, and nothing is converted in silence: INTEGER is a whole number, or a boolean where it is 0 or 1; REAL and
 * INTEGER are floats; TEXT is a string, a time of ISO 8601, a decimal, or the JSON of an array, a row or a map; BLOB is bytes.
 *
 * Needs the npm package `better-sqlite3`, version 12, which has native code.
 *
 * @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` for options and types that cannot be
 * @throws `PACKAGE_NOT_FOUND` from the run, without that package, or without its native part
 * @throws `FILE_NOT_FOUND`, `MALFORMED_DATA` from the run, for a file that there is not, or that is none of SQLite
 * @throws `TABLE_NOT_FOUND`, `HEADER_MISMATCH` from the run, for a table or a column that there is not
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` from the run, with row and column, for a value that does not fit
 * @throws `IO_FAILED` from the run, where another program keeps the file to itself for ten seconds
 *
 * @example
 * ```ts
 * const bird = row({ id: int64, name: string, seen: millisInstant });
 * root.apply(readFromSqlite({ file: 'birds.db', table: 'birds', schema: bird }));
 * ```
 */
export function readFromSqlite<T>(options: ReadSqliteOptions<T>): ReadFromSqlite<T> {
  return new ReadFromSqlite<T>(checkOptions(options), options.schema);
}

/** Made by {@link readFromSqlite}. */
export class ReadFromSqlite<T> extends PTransformClass<Root, PCollection<T>> {
  /** @internal */
  constructor(
    private readonly spec: ReadSpec,
    private readonly schema: RowType<T>,
  ) {
    super(OF);
  }

  override expand(root: Root): PCollection<T> {
    const { spec, schema } = this;
    return root
      .apply(impulse())
      .apply(reshuffle())
      .apply(flatMapStep('read', () => readRows(spec), coderOf(array(schema)) as never))
      .apply(
        // A step of its own, fused with the one before, so that rows are not awaited one by one.
        flatMapStep('rows', (batch: T[]) => batch, coderOf(schema) as never),
      );
  }
}

function checkOptions<T>(options: ReadSqliteOptions<T>): ReadSpec {
  if (options === undefined)
    throw refuseOption(OF, 'options', options, 'Give an object of options.');
  checkOptionNames(OF, options, OPTIONS);
  const { schema, query, parameters = [] } = options;
  checkRowType(OF, schema);
  return {
    of: OF,
    file: path.resolve(checkFile(OF, options.file)),
    columns: checkColumns(OF, schema.fields, options.columns),
    readers: readersOf(OF, schema as RowType<unknown>),
    ...checkSource(OF, options.table, query),
    parameters: checkParameters(query, parameters),
  };
}

function checkParameters(
  query: string | undefined,
  parameters: readonly SqliteParameter[],
): readonly Stored[] {
  const hint =
    'Give an array of texts, numbers, bigints, booleans, bytes and nulls, beside a query.';
  const isList = Array.isArray(parameters) && (query !== undefined || parameters.length === 0);
  if (!isList) throw refuseOption(OF, 'parameters', parameters, hint);
  return parameters.map((value, at) => {
    if (typeof value === 'boolean') return value ? 1n : 0n;
    // A whole number is one there, too, and no fraction that happens to be whole.
    if (Number.isSafeInteger(value)) return BigInt(value as number);
    const isKnown = ['string', 'number', 'bigint'].includes(typeof value) || value === null;
    if (isKnown || value instanceof Uint8Array) return value as Stored;
    throw refuseOption(OF, `parameters[${at}]`, value, hint);
  });
}
