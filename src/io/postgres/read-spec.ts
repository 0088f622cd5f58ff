// SPDX-License-Identifier: Apache-2.0
// What is read, as the program said it and as SQL has it.

import { BeamBridgeError } from '../../base/index.ts';
import type { RowType } from '../../schema/index.ts';
import type { NamedColumn } from '../sql/names.ts';
import { quoteName, quoteTable } from '../sql/names.ts';
import { failure, stateOf } from './failures.ts';
import { misfit } from './mismatch.ts';
import type { ClientOptions } from './package.ts';
import { type ReadText, valueReader } from './read-values.ts';
import type { Session } from './session.ts';
import { type PgType, typesOf } from './types.ts';

/** All that a program said of a read. */
export interface ReadSpec {
  /** The transform. */
  readonly of: string;
  readonly options: ClientOptions;
  readonly schema: RowType<unknown>;
  readonly columns: readonly NamedColumn[];
  /** A table, or else a query. */
  readonly table: readonly string[] | undefined;
  readonly query: string | undefined;
  /** Of the query. */
  readonly parameters: readonly (string | null)[];
  readonly partitionBy: string | undefined;
  /** How many at most; undefined for as many as the size of a table makes. */
  readonly ranges: number | undefined;
  readonly isOneSnapshot: boolean;
}

/** What messages call it. */
export function nameOf({ table }: ReadSpec): string {
  return table ? quoteTable(table) : 'the query';
}

/** No column has this name, which would be a row as a whole. */
const ALIAS = '"rows of beambridge"';

/**
 * What stands behind FROM. Columns are named without an alias: behind one PostgreSQL takes a name that is no column for a function
 * of the row, such as `count`.
 */
export function fromOf({ table, query }: ReadSpec): string {
  // A comment at its end must not hide the parenthesis.
  return table ? `${quoteTable(table)} AS ${ALIAS}` : `(\n${query}\n) AS ${ALIAS}`;
}

/** The query of the rows of a range. */
export function selectOf(spec: ReadSpec, condition: string): string {
  const columns = spec.columns.map(({ column }) => quoteName(column)).join(', ');
  return `SELECT ${columns} FROM ${fromOf(spec)} WHERE ${condition}`;
}

/** Values for a statement in which the query is. */
export function valuesOf({ parameters }: ReadSpec): readonly unknown[] | undefined {
  return parameters.length > 0 ? parameters : undefined;
}

/**
 * The types of the columns that are read.
 *
 * @throws `TABLE_NOT_FOUND`, `HEADER_MISMATCH` and others
 */
export async function columnTypes(session: Session, spec: ReadSpec): Promise<PgType[]> {
  const look = `${selectOf(spec, 'true')} LIMIT 0`;
  try {
    const { fields } = await session.ask(look, valuesOf(spec));
    return await typesOf(
      session,
      fields.map((field) => ({ oid: field.dataTypeID, modifier: field.dataTypeModifier })),
    );
  } catch (error) {
    const told = failure(error, session.failing(`${nameOf(spec)} cannot be read`));
    if (stateOf(error) !== '42703') throw told;
    const hint = (await whatThereIs(session, spec)) ?? told.hint;
    throw new BeamBridgeError(told.code, told.shortMessage, { hint });
  }
}

/** The columns that there are, after a failure. */
async function whatThereIs(session: Session, spec: ReadSpec): Promise<string | undefined> {
  try {
    await session.ask('ROLLBACK');
    const { fields } = await session.ask(`SELECT * FROM ${fromOf(spec)} LIMIT 0`, valuesOf(spec));
    return `There are ${fields.map(({ name }) => quoteName(name)).join(', ')}.`;
  } catch {
    // Who may not see all of them is told what is wrong without.
    return undefined;
  }
}

/** How a column becomes a field. */
export interface FieldReader extends NamedColumn {
  readonly read: ReadText;
}

/**
 * How columns become fields.
 *
 * @throws `HEADER_MISMATCH` for columns whose type is not what was declared
 */
export function fieldReaders(spec: ReadSpec, types: readonly PgType[]): FieldReader[] {
  return spec.columns.map((named, at) => {
    const declared = spec.schema.fields[at]!.type;
    const column = types[at]!;
    const read = valueReader(declared, column, named.field);
    if (read) return { ...named, read };
    throw misfit(spec.of, nameOf(spec), named, declared, column);
  });
}
