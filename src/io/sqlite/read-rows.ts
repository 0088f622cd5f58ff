// SPDX-License-Identifier: Apache-2.0
// The rows of a table or a query of SQLite: by one connection, in one transaction.

import { BeamBridgeError } from '../../base/index.ts';
import { setField } from '../../coders/index.ts';
import { type RowType, typeName } from '../../schema/index.ts';
import { Misfit } from '../records/misfit.ts';
import { type NamedColumn, quoteName, quoteTable } from '../sql/names.ts';
import { failure, openDatabase } from './database.ts';
import type { SqliteDatabase, Stored } from './package.ts';
import { TextBytes } from './text-bytes.ts';
import { type ReadStored, storedReader } from './values.ts';

/** All that a program said of a read. */
export interface ReadSpec {
  /** The transform. */
  readonly of: string;
  /** Absolute. */
  readonly file: string;
  readonly columns: readonly NamedColumn[];
  readonly readers: readonly ReadStored[];
  /** A table, or else a query. */
  readonly table: readonly string[] | undefined;
  readonly query: string | undefined;
  /** Of the query. */
  readonly parameters: readonly Stored[];
}

/** Rows that are handed on together. */
const ROWS = 500;

/** @throws `INVALID_SCHEMA` for a type that SQLite has no values for */
export function readersOf(of: string, schema: RowType<unknown>): ReadStored[] {
  return schema.fields.map(({ name, type }) => {
    const read = storedReader(type, name);
    if (read) return read;
    const message = `${of}: field ${name} is declared ${typeName(type)}, which SQLite has no value for`;
    throw new BeamBridgeError('INVALID_SCHEMA', message, {
      hint: 'There are numbers, booleans, strings, enumerations, bytes, decimals, millisInstant, microsInstant, and arrays, rows and maps (as texts of JSON).',
    });
  });
}

/**
 * The rows, in batches.
 *
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` for a value that does not fit, with its column and its row, and what
 *   databases throw
 */
export async function* readRows(spec: ReadSpec): AsyncGenerator<unknown[]> {
  const name = spec.table ? quoteTable(spec.table) : 'the query';
  const database = await openDatabase(spec.of, spec.file, true);
  try {
    const texts = textBytes(database, spec, name);
    const names = spec.columns.map(({ column }) => `q.${quoteName(column)}`);
    const columns = [...names, ...texts.columns].join(', ');
    const from = spec.table ? quoteTable(spec.table) : `(\n${spec.query}\n)`;
    const rows = begun(database, spec, `SELECT ${columns} FROM ${from} AS q`, name);
    let batch: unknown[] = [];
    let number = 0;
    for (const stored of rows) {
      batch.push(rowOf(stored, ++number, spec, name, texts));
      if (batch.length < ROWS) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  } finally {
    database.close();
  }
}

function textBytes(database: SqliteDatabase, spec: ReadSpec, name: string): TextBytes {
  try {
    return new TextBytes(database, spec);
  } catch (error) {
    throw failure(`${spec.of}: ${name} of ${spec.file} cannot be read`, error);
  }
}

/** What fails while it is read fails with the file's name, too. */
function* begun(
  database: SqliteDatabase,
  spec: ReadSpec,
  text: string,
  name: string,
): Generator<Stored[]> {
  try {
    const statement = database.prepare(text).raw(true).safeIntegers(true);
    yield* statement.iterate(...spec.parameters);
  } catch (error) {
    throw failure(`${spec.of}: ${name} of ${spec.file} cannot be read`, error);
  }
}

function rowOf(
  stored: readonly Stored[],
  number: number,
  spec: ReadSpec,
  name: string,
  texts: TextBytes,
): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  let at = 0;
  try {
    for (; at < spec.columns.length; at++) {
      texts.check(stored, at);
      setField(row, spec.columns[at]!.field, spec.readers[at]!(stored[at]!));
    }
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const { column } = spec.columns[at]!;
    const part = error.column?.name ?? '';
    const named = error.of(column, `column ${column}${part === '' ? '' : `, ${part}`}`);
    throw named.toError(`${spec.of}: ${name} of ${spec.file}`, number, 'row');
  }
  return row;
}
