// SPDX-License-Identifier: Apache-2.0
// Rows of PostgreSQL.

import { checkOptionNames, type OptionNames } from '../base/index.ts';
import { type PCollection, PTransformClass, type Root } from '../pipeline/index.ts';
import { array, coderOf, int64, nullable, type RowType, row, string } from '../schema/index.ts';
import { doFnStep, flatMapStep, impulse, reshuffle } from '../transforms/index.ts';
import {
  CONNECTION_OPTIONS,
  checkConnection,
  type PostgresConnection,
} from './postgres/connection.ts';
import { PlanRanges } from './postgres/plan.ts';
import { type ReadRange, readRange } from './postgres/read-range.ts';
import type { ReadSpec } from './postgres/read-spec.ts';
import { checkRowType, refuseOption } from './records/read-options.ts';
import { checkColumns, checkSource, type TableName } from './sql/names.ts';

/** A value for `$1`, `$2` and so on in a query. */
export type PostgresParameter = string | number | bigint | boolean | null;

/** Options of {@link readFromPostgres}. */
export interface ReadPostgresOptions<T> extends PostgresConnection {
  /** The type of the rows. Only the columns of its fields are read. */
  schema: RowType<T>;
  /** The table, view or materialized view; or else a `query`. A name is taken as it is, capitals and dots too. */
  table?: TableName;
  /** A `SELECT`, `VALUES` or `WITH … SELECT`, without a semicolon. */
  query?: string;
  /** The values of `$1`, `$2` and so on in `query`, sent apart from it. @default none */
  parameters?: readonly PostgresParameter[];
  /** By field, the name of its column. @default the field's own */
  columns?: { readonly [Field in keyof T]?: string };
  /**
   * A column of whole numbers, floats, numeric, timestamps or dates, by whose values the rows are cut in ranges. It should have
   * an index.
   *
   * @default a table is cut by its pages, on PostgreSQL 14 and later; a query is one range
   */
  partitionBy?: string;
  /**
   * How many ranges there are at most; several workers read them at the same time, each with a connection of its own.
   *
   * @default one for each 16 MiB of a table, 64 at most; 16 with `partitionBy`
   */
  ranges?: number;
  /**
   * Whether all ranges are read as of one moment. A connection is open for as long as the run lasts then. With false each is as of
   * the moment at which it is read, and a table without `partitionBy` is one range.
   *
   * @default true
   */
  snapshot?: boolean;
}

const OPTIONS: OptionNames<ReadPostgresOptions<unknown>> = {
  ...CONNECTION_OPTIONS,
  schema: true,
  table: true,
  query: true,
  parameters: true,
  columns: true,
  partitionBy: true,
  ranges: true,
  snapshot: true,
};

const OF = 'readFromPostgres';
const MOST_RANGES = 10_000;

const rangeType: RowType<ReadRange> = row({
  number: int64,
  condition: string,
  snapshot: nullable(string),
});

/**
 * The rows of a table or a query, in no particular order, as the type `schema` declares them.
 *
 * Each value is checked, and nothing is converted in silence: a column that a type does not fit is an error before a row is read,
 * and so is a value that does not fit when it comes. `bigint` is `int64` as long as a number holds it exactly, or `bigint64`;
 * `numeric` is `decimal`, or a whole number where its values are; `timestamptz` is `microsInstant` or `millisInstant`; `json` is
 * the row, map or array that was declared, or its text; pgvector's `vector` is `array(float32)`; `uuid`, enums and all other types are `string`.
 *
 * Needs the npm package `pg`, 8.16 or newer.
 *
 * @throws `INVALID_ARGUMENT`, `INVALID_SCHEMA` for options and types that cannot be
 * @throws `PACKAGE_NOT_FOUND` from the run, without that package
 * @throws `ENDPOINT_UNAVAILABLE` from the run, when no server can be reached for ten seconds; `CREDENTIALS_REFUSED`,
 *   `CREDENTIALS_MISSING` when it refuses the user, or what he wants
 * @throws `TABLE_NOT_FOUND`, `HEADER_MISMATCH` from the run, for a table or a column that there is not, or that has another type
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` from the run, with row and column, for a value that does not fit
 * @throws `IO_FAILED` from the run, when the connection is lost while it is read; `ENDPOINT_REFUSED` for a query that fails
 *
 * @example
 * ```ts
 * const order = row({ id: bigint64, price: decimal, placed: microsInstant });
 * root.apply(
 *   readFromPostgres({
 *     connectionString: process.env.DATABASE_URL,
 *     query: 'SELECT id, price, placed FROM orders WHERE country = $1',
 *     parameters: ['NZ'],
 *     partitionBy: 'id',
 *     schema: order,
 *   }),
 * );
 * ```
 */
export function readFromPostgres<T>(options: ReadPostgresOptions<T>): ReadFromPostgres<T> {
  return new ReadFromPostgres<T>(checkOptions(options));
}

/** Made by {@link readFromPostgres}. */
export class ReadFromPostgres<T> extends PTransformClass<Root, PCollection<T>> {
  /** @internal */
  constructor(private readonly spec: ReadSpec) {
    super(OF);
  }

  override expand(root: Root): PCollection<T> {
    const { spec } = this;
    const rows = coderOf(array(spec.schema));
    return root
      .apply(impulse())
      .apply(doFnStep<Uint8Array, ReadRange>('plan', new PlanRanges(spec), coderOf(rangeType)))
      .apply(reshuffle())
      .apply(flatMapStep('read', (range: ReadRange) => readRange(range, spec), rows as never))
      .apply(
        // A step of its own, fused with the one before, so that rows are not awaited one by one.
        flatMapStep('rows', (batch: T[]) => batch, coderOf(spec.schema) as never),
      );
  }
}

function checkOptions<T>(options: ReadPostgresOptions<T>): ReadSpec {
  if (options === undefined)
    throw refuseOption(OF, 'options', options, 'Give an object of options.');
  checkOptionNames(OF, options, OPTIONS);
  const { schema, table, query, parameters = [], partitionBy, ranges, snapshot = true } = options;
  checkRowType(OF, schema);
  if (partitionBy !== undefined && (typeof partitionBy !== 'string' || partitionBy === ''))
    throw refuseOption(OF, 'partitionBy', partitionBy, 'Give the name of a column.');
  if (ranges !== undefined && !(Number.isInteger(ranges) && ranges >= 1 && ranges <= MOST_RANGES))
    throw refuseOption(OF, 'ranges', ranges, `Give a whole number, 1 to ${MOST_RANGES}.`);
  if (typeof snapshot !== 'boolean')
    throw refuseOption(OF, 'snapshot', snapshot, 'Give true or false.');
  return {
    of: OF,
    options: checkConnection(OF, options),
    schema: schema as RowType<unknown>,
    columns: checkColumns(OF, schema.fields, options.columns),
    ...checkSource(OF, table, query),
    parameters: checkParameters(query, parameters),
    partitionBy,
    ranges,
    isOneSnapshot: snapshot,
  };
}

const PARAMETERS = new Set(['string', 'number', 'bigint', 'boolean']);

function checkParameters(
  query: string | undefined,
  parameters: readonly PostgresParameter[],
): readonly (string | null)[] {
  const hint = 'Give an array of texts, numbers, bigints, booleans and nulls, beside a query.';
  const isList = Array.isArray(parameters) && (query !== undefined || parameters.length === 0);
  if (!isList) throw refuseOption(OF, 'parameters', parameters, hint);
  return parameters.map((value, at) => {
    if (value === null) return null;
    if (PARAMETERS.has(typeof value)) return String(value);
    throw refuseOption(OF, `parameters[${at}]`, value, hint);
  });
}
