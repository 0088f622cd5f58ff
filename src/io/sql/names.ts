// SPDX-License-Identifier: Apache-2.0
// Names in SQL that mean exactly what they say: quoted, whatever letters they have, and never folded to lower case.

import { BeamBridgeError } from '../../base/index.ts';
import { isWellFormed } from '../../coders/index.ts';
import { refuseOption } from '../records/read-options.ts';

/** A table: its name, or the schema that it is in and its name. */
export type TableName = string | readonly [schema: string, name: string];

/** A name as SQL has it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL has it, for PostgreSQL with any of its settings: a backslash is a letter. */
export function quoteText(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** A table as SQL has it. */
export function quoteTable(table: readonly string[]): string {
  return table.map(quoteName).join('.');
}

/** Whether a text can be a name. */
function isName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && !name.includes('\0') && isWellFormed(name);
}

/** @throws `INVALID_ARGUMENT` */
export function checkTable(transform: string, table: unknown): readonly string[] {
  const parts = Array.isArray(table) ? table : [table];
  if (parts.length >= 1 && parts.length <= 2 && parts.every(isName)) return parts;
  throw refuseOption(
    transform,
    'table',
    table,
    "Give the table's name, 'birds', or that of its schema, too: ['zoo', 'birds']. It is taken as it is, dots and capitals too.",
  );
}

/** What is read: a table, or else a query. */
export interface Source {
  readonly table: readonly string[] | undefined;
  readonly query: string | undefined;
}

/** @throws `INVALID_ARGUMENT` for both, or neither */
export function checkSource(transform: string, table: unknown, query: unknown): Source {
  if ((table === undefined) === (query === undefined)) {
    const given = table === undefined ? 'neither' : 'both';
    throw refuseOption(transform, 'table', table, `Give a table or a query: there are ${given}.`);
  }
  if (query === undefined) return { table: checkTable(transform, table), query };
  if (typeof query === 'string' && !/^\s*$|;\s*$/.test(query)) return { table: undefined, query };
  throw refuseOption(transform, 'query', query, 'Give the text of a SELECT, without a semicolon.');
}

/** @throws `INVALID_ARGUMENT` for what is no name of a file; a database in memory is one of each worker by itself */
export function checkFile(transform: string, file: unknown): string {
  if (isName(file) && !/^:|^file:/.test(file)) return file;
  throw refuseOption(transform, 'file', file, "Give the name of a file: 'birds.db'.");
}

/** A field of the rows and its column. */
export interface NamedColumn {
  readonly field: string;
  readonly column: string;
}

/**
 * The columns of fields.
 *
 * @param columns - those of fields that are called otherwise
 * @throws `INVALID_ARGUMENT`
 */
export function checkColumns(
  transform: string,
  fields: readonly { readonly name: string }[],
  columns: unknown,
): readonly NamedColumn[] {
  const hint = "Give names of columns by field: { columns: { beak: 'Beak Length (mm)' } }.";
  const given = columns ?? {};
  if (typeof given !== 'object') throw refuseOption(transform, 'columns', columns, hint);
  const names = new Set(fields.map(({ name }) => name));
  for (const [field, column] of Object.entries(given)) {
    if (!names.has(field) || !isName(column))
      throw refuseOption(transform, `columns.${field}`, column, hint);
  }
  const named = fields.map(({ name }) => ({
    field: name,
    column: Object.hasOwn(given, name) ? String((given as Record<string, unknown>)[name]) : name,
  }));
  for (const { field, column } of named) {
    const other = named.find((one) => one.column === column && one.field !== field);
    if (!isName(column) || other) throw refuseOption(transform, `columns.${field}`, column, hint);
  }
  return named;
}

/** What is done with a row whose key is there already. */
export type OnConflict = 'update' | 'ignore';

/** The key of written rows. */
export interface KeyOfRows {
  /** The fields, at least one. */
  readonly fields: ReadonlySet<string>;
  readonly onConflict: OnConflict;
}

/**
 * The fields that are the key of a row.
 *
 * @throws `INVALID_ARGUMENT`, also for one that may be null: databases take no null for another, so that a row with
 *   one would be there once more with each try
 */
export function checkKey(
  transform: string,
  key: unknown,
  onConflict: unknown,
): KeyOfRows | undefined {
  if (onConflict !== undefined && onConflict !== 'update' && onConflict !== 'ignore') {
    throw refuseOption(transform, 'onConflict', onConflict, "Give 'update' or 'ignore'.");
  }
  if (key === undefined) {
    if (onConflict === undefined) return undefined;
    throw new BeamBridgeError('INVALID_ARGUMENT', `${transform}: onConflict is without a key`, {
      hint: "Say by which fields rows are the same: { key: 'id' }.",
    });
  }
  const fields = Array.isArray(key) ? key : [key];
  const areTexts = fields.length > 0 && fields.every((field) => typeof field === 'string');
  if (areTexts) return { fields: new Set<string>(fields), onConflict: onConflict ?? 'update' };
  throw refuseOption(transform, 'key', key, "Give a field, or several: 'id', ['shop', 'order'].");
}

/** @throws `INVALID_ARGUMENT` for a key that is none of these rows */
export function checkKeyFields(
  transform: string,
  key: KeyOfRows | undefined,
  fields: readonly { readonly name: string; readonly type: { readonly kind: string } }[],
): void {
  for (const name of key?.fields ?? []) {
    const field = fields.find((one) => one.name === name);
    if (field && field.type.kind !== 'nullable') continue;
    const why = field ? 'may be null' : 'is no field of the rows';
    throw new BeamBridgeError('INVALID_ARGUMENT', `${transform}: ${name} of key ${why}`, {
      hint: 'The key is of fields that are there, and not nullable: databases take one null for another than the next.',
    });
  }
}
