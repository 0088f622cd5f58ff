// SPDX-License-Identifier: Apache-2.0
// Google BigQuery by Beam's schema IO of Java, under the names of the official TypeScript SDK.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { RowCoder } from '../../coders/index.ts';
import { type ExternalTransform, JAVA_OPTIONS, type JavaOptions } from '../../external/index.ts';
import { type PCollection, type PValue, type Root, withName } from '../../pipeline/index.ts';
import { nullable, type RowType, row, string } from '../../schema/index.ts';
import { refuseOption } from '../records/read-options.ts';
import { schemaio } from './schemaio.ts';

const URNS = 'beam:transform:org.apache.beam:schemaio_bigquery';

/** Java's configuration of both, as the transform's provider has it. */
const CONFIG: RowType<unknown> = row({
  table: nullable(string),
  query: nullable(string),
  queryLocation: nullable(string),
  createDisposition: nullable(string),
});

interface BigQueryRows<T> {
  /** The type of the rows, which is compared with what Java says. @default what Java says, with `applyAsync` */
  schema?: RowType<T> | undefined;
}

/** Where rows are read from: a table, or the result of a query. */
export type BigQuerySource<T> = BigQueryRows<T> &
  (
    | {
        /** `project:dataset.table`, or `dataset.table`. */
        table: string;
        query?: undefined;
        queryLocation?: undefined;
      }
    | {
        /** In BigQuery's standard SQL. */
        query: string;
        /** Where the query runs, such as `EU`. @default where its tables are */
        queryLocation?: string | undefined;
        table?: undefined;
      }
  );

/** Options of {@link writeToBigQuery}. */
export interface WriteBigQueryOptions {
  /** Whether a table that there is not is made: `IfNeeded`, or `Never`. @default 'IfNeeded' */
  createDisposition?: 'Never' | 'IfNeeded' | undefined;
}

type Service = Pick<JavaOptions, 'service' | 'beamVersion'>;

const SOURCE: OptionNames<BigQuerySource<unknown>> = {
  table: true,
  query: true,
  queryLocation: true,
  schema: true,
};

/**
 * Rows of Google BigQuery. They are read by Java, which needs credentials of Google Cloud, and a bucket for what is exported: `tempLocation` in the
 * runner's options. It is tested as far as its expansion, and was not tried with the service.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`; when run as `javaTransform`
 * @example
 * ```ts
 * const orders = await root.applyAsync(readFromBigQuery<Order>({ table: 'project:shop.orders' }));
 * ```
 */
export function readFromBigQuery<T>(
  source: BigQuerySource<T>,
  options: Service = {},
): ExternalTransform<Root, PCollection<T>> {
  const name = 'readFromBigQuery';
  checkOptionNames(name, source, SOURCE);
  const { table, query, queryLocation, schema } = source ?? {};
  const [given] = [table, query].filter((one) => one !== undefined);
  if (
    (table === undefined) === (query === undefined) ||
    typeof given !== 'string' ||
    given === ''
  ) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${name}: give a table or a query`, {
      hint: "One of them: { table: 'project:dataset.table' }.",
    });
  }
  // Where the schema is the program's it is what comes out, and nothing that Java is told.
  const output = schema === undefined ? {} : { output: schema };
  return schemaio<Root, PCollection<T>>(
    `${name}(${table ?? 'query'})`,
    `${URNS}_read:v1`,
    { table, query, queryLocation },
    CONFIG,
    { ...options, ...output } as JavaOptions,
  );
}

/**
 * Writes rows to a table of Google BigQuery. As {@link readFromBigQuery}, it is tested as far as its expansion, and was not tried with the
 * service.
 *
 * @param table - `project:dataset.table`, or `dataset.table`
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `NO_PORTABLE_TYPE` for what are no rows; when run as `javaTransform`
 * @example
 * ```ts
 * scores.apply(withRowCoder(score)).apply(writeToBigQuery('project:shop.scores'));
 * ```
 */
export function writeToBigQuery<T>(
  table: string,
  options: WriteBigQueryOptions = {},
  more: Service = {},
): (rows: PCollection<T>) => PValue {
  const name = 'writeToBigQuery';
  checkOptionNames(name, options, { createDisposition: true });
  checkOptionNames(name, more, JAVA_OPTIONS);
  const { createDisposition = 'IfNeeded' } = options;
  if (typeof table !== 'string' || table === '')
    throw refuseOption(name, 'table', table, "Give 'project:dataset.table'.");
  if (createDisposition !== 'IfNeeded' && createDisposition !== 'Never')
    throw refuseOption(name, 'createDisposition', createDisposition, "Give 'IfNeeded' or 'Never'.");
  const write = schemaio<PCollection<T>, PValue>(
    'write',
    `${URNS}_write:v1`,
    { table, createDisposition },
    CONFIG,
    { ...more, outputs: {} },
  );
  return withName(`${name}(${table})`, (rows: PCollection<T>) => {
    if (rows.coder instanceof RowCoder) return rows.apply(write);
    throw new BeamBridgeError(
      'NO_PORTABLE_TYPE',
      `${name} was given what has no row type (${rows.coder.name})`,
      {
        hint: 'Say what the rows are before: .apply(withRowCoder(row({ … }))).',
      },
    );
  });
}
