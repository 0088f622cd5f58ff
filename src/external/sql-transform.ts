// SPDX-License-Identifier: Apache-2.0
// Beam SQL, which is Java's: a query over PCollections of rows.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import type { ExternalRequest, PCollection, TransformNode } from '../pipeline/index.ts';
import type { ExternalTransform, OutputType } from './external-transform.ts';
import { JAVA_OPTIONS, type JavaOptions, serviceOf } from './java-options.ts';
import { classPayload, JAVA_CLASS_LOOKUP, JavaTransform, requireRows } from './java-transform.ts';
import { encodePayload } from './payload.ts';

/** What a query is run over: one PCollection, the table `PCOLLECTION`, or several by the names of their tables. */
export type SqlInput = PCollection<unknown> | Readonly<Record<string, PCollection<unknown>>>;

/** Options of {@link sqlTransform}. */
export interface SqlOptions extends JavaOptions {
  /** The dialect of the query: `'calcite'` or `'zetasql'`, as far as the service has it. @default 'calcite' */
  dialect?: string | undefined;
}

const SQL_CLASS = 'org.apache.beam.sdk.extensions.sql.SqlTransform';

const OPTIONS: OptionNames<SqlOptions> = { ...JAVA_OPTIONS, dialect: true };

class SqlTransform<OutputT> extends JavaTransform<never, PCollection<OutputT>> {
  protected override requestOf(node: TransformNode): Pick<ExternalRequest, 'prepare'> {
    requireRows(node, 'table', 'the query');
    return {};
  }
}

/**
 * Rows that an SQL query makes of others, by Beam SQL of Java. One input is the table `PCOLLECTION`; several are
 * given by the names of their tables: `P({ orders, items }).apply(sqlTransform(…))`.
 *
 * The type of what comes out is declared as `output` and compared with that of the query.
 *
 * @param inputTypes - for programs of the official SDK only, which give `null` or leave it out here: inputs say
 *   themselves what rows they have, by `withRowCoder`
 * @throws BeamBridgeError `NO_PORTABLE_TYPE` for an input without rows; when run: `JAVA_EXCEPTION` for a query
 *   that is none, and as `javaTransform`
 * @example
 * ```ts
 * orders.apply(
 *   sqlTransform('SELECT item, COUNT(*) AS n FROM PCOLLECTION GROUP BY item', null, {
 *     output: row({ item: string, n: int64 }),
 *   }),
 * );
 * ```
 */
export function sqlTransform<T>(
  query: string,
  inputTypes: null | undefined,
  options: SqlOptions & { output: OutputType<T> },
): ExternalTransform<SqlInput, PCollection<T>>;
export function sqlTransform(
  query: string,
  inputTypes?: null,
  options?: SqlOptions,
  // What nobody declared is any, as in the official SDK.
  // biome-ignore lint/suspicious/noExplicitAny: as above
): ExternalTransform<SqlInput, PCollection<any>>;
export function sqlTransform(
  query: string,
  inputTypes?: null,
  options: SqlOptions = {},
): ExternalTransform<SqlInput, PCollection<unknown>> {
  checkOptionNames('sqlTransform', options, OPTIONS);
  if (typeof query !== 'string' || query.trim() === '') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'sqlTransform: there is no query', {
      hint: "Give one: sqlTransform('SELECT name FROM PCOLLECTION').",
    });
  }
  if (inputTypes !== undefined && inputTypes !== null) {
    throw new BeamBridgeError('UNSUPPORTED', 'sqlTransform takes no example of its inputs', {
      hint: 'Give the inputs their types before it, .apply(withRowCoder(row({ … }))), and null in this place.',
    });
  }
  const name = `sqlTransform(${query.length > 60 ? `${query.slice(0, 60)}…` : query})`;
  const service = serviceOf(options, 'beam-sdks-java-extensions-sql-expansion-service');
  const { dialect } = options;
  // Beam's own jar has a name for it that others of Beam SQL's jars lack; the class is in all of them. Somebody
  // else's service may not let it be made.
  const isManaged = 'kind' in service && service.kind === 'java' && dialect === undefined;
  const [urn, payload] = isManaged
    ? [JAVA_CLASS_LOOKUP, classPayload(SQL_CLASS, { constructorMethod: 'query', args: [query] })]
    : ['beam:external:java:sql:v1', encodePayload({ query, dialect })];
  return new SqlTransform(name, urn, payload, service, options) as JavaTransform<
    SqlInput,
    PCollection<unknown>
  >;
}
