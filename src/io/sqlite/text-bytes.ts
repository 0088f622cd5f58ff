// SPDX-License-Identifier: Apache-2.0
// Texts that are no UTF-8: SQLite keeps any bytes, and the package puts U+FFFD in place of those that are no letters, so that
// several texts would be read as the same.

import { isUtf8 } from 'node:buffer';
import { Misfit, quoted } from '../records/misfit.ts';
import { type NamedColumn, quoteName } from '../sql/names.ts';
import type { SqliteDatabase, Stored } from './package.ts';

const REPLACEMENT = '\ufffd';

/** Columns beside those that are read: the bytes of texts which have U+FFFD themselves, else NULL. */
export class TextBytes {
  readonly columns: readonly string[];
  /** Bytes of other encodings are converted by SQLite. */
  private readonly isUtf8: boolean;

  constructor(database: SqliteDatabase, { columns }: { readonly columns: readonly NamedColumn[] }) {
    this.isUtf8 = database.prepare('PRAGMA encoding').raw(true).all()[0]?.[0] === 'UTF-8';
    this.columns = columns.map(({ column }) => {
      const name = `q.${quoteName(column)}`;
      return `CASE WHEN typeof(${name}) = 'text' AND instr(${name}, char(65533)) > 0 THEN CAST(${name} AS BLOB) END`;
    });
  }

  /** @throws {@link Misfit} for a text of a row that is none */
  check(stored: readonly Stored[], at: number): void {
    const text = stored[at];
    if (typeof text !== 'string' || !text.includes(REPLACEMENT)) return;
    const bytes = stored[at + this.columns.length];
    if (bytes instanceof Uint8Array && (!this.isUtf8 || isUtf8(bytes))) return;
    throw new Misfit(
      `${quoted(text)} is no UTF-8`,
      'Read its bytes, CAST(… AS BLOB) in a query, and decode them yourself.',
    );
  }
}
