// SPDX-License-Identifier: Apache-2.0
// Rows with a key, which takes the place of the one that is there or leaves it as it is. Each statement is a transaction of
// its own, and may be done again: however often, the rows are the same.
// Source: https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT

import { nap } from '../../base/index.ts';
import { type KeyOfRows, quoteName, quoteTable } from '../sql/names.ts';
import { arrayText } from './array-text.ts';
import { failure, isLost, mayPass } from './failures.ts';
import type { RowSink } from './row-sink.ts';
import { openWriting, type Session } from './session.ts';
import type { RowTexts, TargetColumn, WriteSpec } from './target.ts';

/** Rows of one statement. */
const MOST_ROWS = 5_000;
const MOST_LETTERS = 1024 * 1024;
/** How long one that failed is tried again: for the server, or for a transaction that was in the way. Milliseconds. */
export const WRITE_PATIENCE_MS = 30_000;
const PAUSE_MS = 100;

/**
 * The statement. Values come as arrays of texts, one for each column; of rows with the same key in it the last one counts, or the
 * first where rows that are there stay. Rows are in the order of their keys, so that two of these do not wait for each other.
 */
export function upsertText(
  table: readonly string[],
  columns: readonly TargetColumn[],
  key: KeyOfRows,
): string {
  const names = columns.map(({ column }) => quoteName(column));
  const arrays = columns.map((_, at) => `$${at + 1}::text[]`).join(', ');
  const texts = columns.map((_, at) => `c${at}`);
  // By the name without a length: a cast to one would cut texts off.
  const values = columns.map(({ type }, at) => `c${at}::${type.name} AS v${at}`).join(', ');
  const cast = columns.map((_, at) => `v${at}`).join(', ');
  const isKey = ({ field }: TargetColumn) => key.fields.has(field);
  const keys = columns.flatMap((column, at) => (isKey(column) ? [`v${at}`] : [])).join(', ');
  const keyNames = names.filter((_, at) => isKey(columns[at]!)).join(', ');
  const others = names.filter((_, at) => !isKey(columns[at]!));
  const order = key.onConflict === 'update' ? 'DESC' : 'ASC';
  const overriding = columns.some(({ isIdentity }) => isIdentity) ? ' OVERRIDING SYSTEM VALUE' : '';
  const sets = others.map((name) => `${name} = EXCLUDED.${name}`).join(', ');
  const action = key.onConflict === 'update' && sets !== '' ? `UPDATE SET ${sets}` : 'NOTHING';
  return `INSERT INTO ${quoteTable(table)} (${names.join(', ')})${overriding}
SELECT DISTINCT ON (${keys}) ${cast} FROM (
  SELECT ${values}, place FROM unnest(${arrays}) WITH ORDINALITY AS given (${texts.join(', ')}, place)
) AS typed ORDER BY ${keys}, place ${order}
ON CONFLICT (${keyNames}) DO ${action}`;
}

export class UpsertRows implements RowSink {
  private readonly text: string;
  private rows: RowTexts[] = [];
  private letters = 0;

  constructor(
    private session: Session,
    private readonly spec: WriteSpec,
    private readonly columns: readonly TargetColumn[],
    /** Takes a connection in place of one that was lost. */
    private readonly replace: (session: Session) => void,
  ) {
    this.text = upsertText(spec.table, columns, spec.key!);
  }

  add(row: RowTexts): Promise<void> | undefined {
    this.rows.push(row);
    for (const text of row) this.letters += text?.length ?? 4;
    const isFull = this.rows.length >= MOST_ROWS || this.letters >= MOST_LETTERS;
    return isFull ? this.write() : undefined;
  }

  finish(): Promise<void> {
    return this.write();
  }

  private async write(): Promise<void> {
    const { rows } = this;
    if (rows.length === 0) return;
    this.rows = [];
    this.letters = 0;
    const values = this.columns.map((_, at) => arrayText(rows.map((row) => row[at]!)));
    const until = performance.now() + WRITE_PATIENCE_MS;
    for (;;) {
      try {
        await this.session.ask(this.text, values);
        return;
      } catch (error) {
        const what = `rows cannot be written to ${quoteTable(this.spec.table)}`;
        if (!mayPass(error) || performance.now() > until)
          throw failure(error, this.session.failing(what, true));
        if (isLost(error)) await this.reopen(until);
        else await nap(PAUSE_MS);
      }
    }
  }

  private async reopen(until: number): Promise<void> {
    await this.session.close();
    const left = Math.max(0, until - performance.now());
    this.session = await openWriting(this.spec.of, this.spec.options, left);
    this.replace(this.session);
  }
}
