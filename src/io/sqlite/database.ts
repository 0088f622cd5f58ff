// SPDX-License-Identifier: Apache-2.0
// A file of SQLite, open, and what its failures mean.
// Source: https://www.sqlite.org/rescode.html

import { existsSync } from 'node:fs';
import { BeamBridgeError, type ErrorCode } from '../../base/index.ts';
import { type SqliteDatabase, sqlitePackage } from './package.ts';

/** How long others may keep the file to themselves. Milliseconds. */
const BUSY_MS = 10_000;

const BY_CODE: readonly (readonly [RegExp, ErrorCode, string?])[] = [
  [/^SQLITE_CONSTRAINT/, 'CONSTRAINT_VIOLATED'],
  [/^SQLITE_(?:NOTADB|CORRUPT)/, 'MALFORMED_DATA'],
  [
    /^SQLITE_(?:BUSY|LOCKED)/,
    'IO_FAILED',
    'Another program, or another step that reads it, keeps the file to itself: PRAGMA journal_mode = WAL lets it be read meanwhile.',
  ],
  [/^SQLITE_(?:READONLY|PERM|AUTH|FULL)/, 'OUTPUT_NOT_WRITABLE'],
  [/^SQLITE_(?:IOERR|CANTOPEN|NOMEM)/, 'IO_FAILED'],
  [/^SQLITE_(?:TOOBIG|MISMATCH|RANGE)/, 'ROW_MISMATCH'],
];
const BY_MESSAGE: readonly (readonly [RegExp, ErrorCode, string?])[] = [
  [
    /^no such table|^unknown database/,
    'TABLE_NOT_FOUND',
    'Create the table first; names are taken as they are.',
  ],
  [/^no such column|has no column named/, 'HEADER_MISMATCH'],
  [
    /^ON CONFLICT clause does not match/,
    'INVALID_ARGUMENT',
    'The columns of key need a unique index of exactly these, or a primary key.',
  ],
];

/** A failure as an error of this package. */
export function failure(what: string, thrown: unknown): BeamBridgeError {
  if (thrown instanceof BeamBridgeError) return thrown;
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const text = String(message);
  const state = String(code);
  const found =
    BY_CODE.find(([codes]) => codes.test(state)) ??
    BY_MESSAGE.find(([messages]) => messages.test(text));
  const isSqlite =
    state.startsWith('SQLITE_') || thrown instanceof RangeError || thrown instanceof TypeError;
  const [, meaning = isSqlite ? 'ENDPOINT_REFUSED' : 'INTERNAL', hint] = found ?? [];
  return new BeamBridgeError(meaning, `${what}: ${text}`, { hint });
}

/**
 * Opens a file that is there.
 *
 * @throws `PACKAGE_NOT_FOUND`, `FILE_NOT_FOUND` and others
 */
export async function openDatabase(
  of: string,
  file: string,
  readonly: boolean,
): Promise<SqliteDatabase> {
  const Sqlite = await sqlitePackage();
  if (!existsSync(file)) {
    throw new BeamBridgeError('FILE_NOT_FOUND', `${of}: there is no file ${file}`, {
      hint: 'Relative names begin in the folder that the program was in when it built the pipeline.',
    });
  }
  try {
    return new Sqlite(file, { readonly, fileMustExist: true, timeout: BUSY_MS });
  } catch (error) {
    const { message } = error as Error;
    if (!/bindings|NODE_MODULE_VERSION|\.node\b/.test(message))
      throw failure(`${of}: ${file} cannot be opened`, error);
    throw new BeamBridgeError(
      'PACKAGE_NOT_FOUND',
      'SQLite needs the package better-sqlite3, which cannot be loaded',
      {
        hint: 'Its native part is missing, or is of another Node.js: npm rebuild better-sqlite3.',
        detail: message,
      },
    );
  }
}
