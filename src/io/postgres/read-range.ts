// SPDX-License-Identifier: Apache-2.0
// The rows of a range, by a cursor: as many at once as make about a mebibyte, and the next ones are asked for while
// these are at work.

import { setField } from '../../coders/index.ts';
import { Misfit } from '../records/misfit.ts';
import { failure } from './failures.ts';
import type { PgResult } from './package.ts';
import {
  columnTypes,
  type FieldReader,
  fieldReaders,
  nameOf,
  type ReadSpec,
  selectOf,
  valuesOf,
} from './read-spec.ts';
import type { Session } from './session.ts';
import { openReading } from './snapshot.ts';

/** So many rows are asked for first: nobody knows how long they are. */
const FIRST_ROWS = 50;
const MOST_ROWS = 10_000;
const BATCH_BYTES = 1024 * 1024;

/** A part of what is read. */
export type ReadRange = {
  /** Which of all, from 1. */
  number: number;
  /** What its rows fulfil. */
  condition: string;
  /** Null where each range is read as it is then. */
  snapshot: string | null;
};

/**
 * The rows of a range, in batches.
 *
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` for a value that does not fit, with its column and its row, and what
 *   connections throw
 */
export async function* readRange(range: ReadRange, spec: ReadSpec): AsyncGenerator<unknown[]> {
  await using session = await openReading(spec.of, spec.options, range.snapshot);
  const fields = fieldReaders(spec, await columnTypes(session, spec));
  const what = `${nameOf(spec)} cannot be read`;
  const select = selectOf(spec, range.condition);
  await session.query(what, `DECLARE beambridge NO SCROLL CURSOR FOR ${select}`, valuesOf(spec));
  let count = FIRST_ROWS;
  let row = 0;
  let next = fetch(session, what, count);
  for (;;) {
    const { rows } = await next;
    if (rows.length === 0) break;
    count = Math.min(countOf(rows), count * 8, MOST_ROWS);
    next = fetch(session, what, count);
    // Who stops in between waits for it no more.
    next.catch(() => {});
    yield rows.map((texts) => rowOf(texts, fields, ++row, range, spec));
  }
  await session.query(what, 'COMMIT');
}

async function fetch(session: Session, what: string, count: number): Promise<PgResult> {
  try {
    return await session.ask(`FETCH FORWARD ${count} FROM beambridge`);
  } catch (error) {
    throw failure(error, session.failing(what));
  }
}

/** How many rows as long as these make a batch. */
function countOf(rows: PgResult['rows']): number {
  let bytes = 1;
  for (const row of rows) for (const text of row) bytes += (text?.length ?? 0) + 8;
  return Math.max(1, Math.floor((rows.length * BATCH_BYTES) / bytes));
}

function rowOf(
  texts: readonly (string | null)[],
  fields: readonly FieldReader[],
  number: number,
  range: ReadRange,
  spec: ReadSpec,
): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  let at = 0;
  try {
    for (; at < fields.length; at++) setField(row, fields[at]!.field, fields[at]!.read(texts[at]!));
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const { column } = fields[at]!;
    const part = error.column?.name ?? '';
    const named = error.of(column, `column ${column}${part === '' ? '' : `, ${part}`}`);
    const where = range.condition === 'true' ? '' : ` WHERE ${range.condition}`;
    throw named.toError(`${spec.of}: ${nameOf(spec)}${where}`, number, 'row');
  }
  return row;
}
