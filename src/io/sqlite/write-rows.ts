// SPDX-License-Identifier: Apache-2.0
// Writes the rows of bundles to SQLite. A bundle's rows wait in a temporary table, which keeps nobody from the file, and go to
// theirs in one transaction at its end: all of them, or none.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import type { DoFn } from '../../pipeline/index.ts';
import { typeName } from '../../schema/index.ts';
import { Misfit } from '../records/misfit.ts';
import { checkedRender } from '../records/write-type.ts';
import { type NamedColumn, quoteName, quoteTable } from '../sql/names.ts';
import type { TableTarget } from '../sql/write-table.ts';
import { failure, openDatabase } from './database.ts';
import type { SqliteDatabase, Statement, Stored } from './package.ts';
import { affinityOf, storedWriter, type WriteStored } from './values.ts';

/** All that a program said of what it writes. */
export interface WriteSpec extends TableTarget {
  /** Absolute. */
  readonly file: string;
}

const STAGE = 'temp.beambridge_rows';

/** The file, open, with what is asked of it. */
interface Open {
  readonly database: SqliteDatabase;
  readonly render: (row: unknown) => Stored[];
  readonly stage: Statement;
}

export class WriteSqliteRows implements DoFn<unknown, never> {
  private open: Open | undefined;
  /** Whether a bundle has rows in the temporary table. */
  private isStaged = false;

  constructor(private readonly spec: WriteSpec) {}

  forBundle(): WriteSqliteRows {
    return new WriteSqliteRows(this.spec);
  }

  startBundle(): void {
    // What a bundle that failed has left must not be stored with the next one's.
    if (this.isStaged) this.teardown();
  }

  process(row: unknown): Promise<void> | undefined {
    if (!this.open) return this.begin(row);
    this.add(this.open, row);
    return undefined;
  }

  private async begin(row: unknown): Promise<void> {
    const { spec } = this;
    const database = await openDatabase(spec.of, spec.file, false);
    try {
      this.open = prepared(database, spec);
    } catch (error) {
      database.close();
      throw failure(`${spec.of}: ${place(spec)} cannot be written`, error);
    }
    this.add(this.open, row);
  }

  private add({ database, render, stage }: Open, row: unknown): void {
    const stored = render(row);
    this.isStaged = true;
    try {
      // Not one transaction for each row; the file itself is not touched before its end.
      if (!database.inTransaction) database.exec('BEGIN');
      stage.run(...stored);
    } catch (error) {
      throw failure(`${this.spec.of}: a row for ${place(this.spec)} cannot be kept`, error);
    }
  }

  finishBundle(): void {
    if (!this.open || !this.isStaged) return;
    const { database } = this.open;
    const { spec } = this;
    try {
      if (database.inTransaction) database.exec('COMMIT');
      database.exec(`BEGIN IMMEDIATE; ${insertText(spec)}; COMMIT; DELETE FROM ${STAGE}`);
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      throw failed(database, spec, error);
    }
    this.isStaged = false;
  }

  teardown(): void {
    this.open?.database.close();
    this.open = undefined;
    this.isStaged = false;
  }
}

function place({ table, file }: WriteSpec): string {
  return `${quoteTable(table)} of ${file}`;
}

const staged = (columns: readonly NamedColumn[]) => columns.map((_, at) => `c${at}`).join(', ');

/** Of rows with the same key the last one counts: they are written in their order. */
function insertText({ table, columns, key }: WriteSpec, condition = 'true'): string {
  const names = columns.map(({ column }) => quoteName(column));
  const insert = `INSERT INTO ${quoteTable(table)} (${names.join(', ')})
SELECT ${staged(columns)} FROM ${STAGE} WHERE ${condition} ORDER BY rowid`;
  if (!key) return insert;
  const keys = names.filter((_, at) => key.fields.has(columns[at]!.field)).join(', ');
  const others = names.filter((_, at) => !key.fields.has(columns[at]!.field));
  const sets = others.map((name) => `${name} = excluded.${name}`).join(', ');
  const action = key.onConflict === 'update' && sets !== '' ? `UPDATE SET ${sets}` : 'NOTHING';
  return `${insert} ON CONFLICT (${keys}) DO ${action}`;
}

/** @throws `TABLE_NOT_FOUND`, `HEADER_MISMATCH`, and what the package throws */
function prepared(database: SqliteDatabase, spec: WriteSpec): Open {
  const { of, table, columns, schema } = spec;
  const name = table.at(-1)!;
  const look = 'SELECT name, type, hidden FROM pragma_table_xinfo(?, ?)'.replace(
    ', ?)',
    table.length > 1 ? ', ?)' : ')',
  );
  const found = database
    .prepare(look)
    .raw(true)
    .all(name, ...table.slice(0, -1));
  if (found.length === 0)
    throw new BeamBridgeError('TABLE_NOT_FOUND', `${of}: there is no table ${place(spec)}`, {
      hint: 'Create it first.',
    });
  const writers = columns.map((named, at): WriteStored => {
    const declared = schema.fields[at]!.type;
    const column = quoteName(named.column);
    // Names of SQLite are the same in capitals and in small letters.
    const info = found.find(([one]) => String(one).toLowerCase() === named.column.toLowerCase());
    if (!info || Number(info[2]) > 1) {
      const why = info ? 'is computed by the table' : 'is no column of it';
      throw new BeamBridgeError('HEADER_MISMATCH', `${of}: ${place(spec)}: ${column} ${why}`, {
        hint: `There are ${found.map(([one]) => quoteName(String(one))).join(', ')}.`,
      });
    }
    const type = String(info[1]);
    const write = storedWriter(declared, affinityOf(type), named.field);
    if (write) return write;
    const message = `${of}: column ${column} of ${place(spec)} is ${type}, and the field ${named.field} is declared ${typeName(declared)}`;
    throw new BeamBridgeError('HEADER_MISMATCH', message, {
      hint: 'SQLite would make other values of these: whole numbers and booleans go into INTEGER, fractions into REAL, texts, times and decimals into TEXT.',
    });
  });
  database.exec(`CREATE TEMP TABLE beambridge_rows (${staged(columns)})`);
  const marks = columns.map(() => '?').join(', ');
  const stage = database.prepare(`INSERT INTO ${STAGE} VALUES (${marks})`);
  const render = checkedRender<unknown, Stored[]>(schema, (row) => storedOf(spec, writers, row));
  return { database, stage, render };
}

function storedOf(spec: WriteSpec, writers: readonly WriteStored[], row: unknown): Stored[] {
  let at = 0;
  const stored: Stored[] = [];
  try {
    for (; at < writers.length; at++)
      stored.push(writers[at]!((row as Record<string, unknown>)[spec.columns[at]!.field]));
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const part = error.column?.name ?? '';
    const column = `column ${quoteName(spec.columns[at]!.column)} of ${place(spec)}${part && `, ${part}`}`;
    throw new BeamBridgeError(error.code, `${spec.of}: ${column}: ${error.message}`, {
      hint: error.hint,
    });
  }
  return stored;
}

/** The error of a bundle, with the row that a constraint has refused: SQLite tells columns alone. */
function failed(database: SqliteDatabase, spec: WriteSpec, error: unknown): BeamBridgeError {
  const told = failure(`${spec.of}: rows cannot be written to ${place(spec)}`, error);
  const row = told.code === 'CONSTRAINT_VIOLATED' ? refusedRow(database, spec) : undefined;
  if (!row) return told;
  const values = spec.columns.map(({ field }, at) => `${field}: ${describeValue(row[at])}`);
  const text = values.join(', ').slice(0, 300);
  return new BeamBridgeError(told.code, `${told.shortMessage} (${text})`, {
    hint: "Where rows may be there already, say by which fields they are the same: { key: 'id' }.",
  });
}

/** Writes the rows one by one, to undo them all. */
function refusedRow(database: SqliteDatabase, spec: WriteSpec): Stored[] | undefined {
  const rows = database.prepare(
    `SELECT rowid, ${staged(spec.columns)} FROM ${STAGE} ORDER BY rowid`,
  );
  const all = rows.raw(true).all();
  database.exec('BEGIN IMMEDIATE');
  try {
    const insert = database.prepare(insertText(spec, 'rowid = ?'));
    for (const [id, ...row] of all) {
      try {
        insert.run(id!);
      } catch {
        return row;
      }
    }
    return undefined;
  } finally {
    if (database.inTransaction) database.exec('ROLLBACK');
  }
}
