// SPDX-License-Identifier: Apache-2.0
// The rows of a range, by a cursor: about a mebibyte at once, and the next ones come while these are at work.

import { setField } from '../../coders/index.ts';
import { Misfit } from '../records/misfit.ts';
import { failure } from './failures.ts';
import type { FetchRows, RowOfTexts } from './fetch-rows.ts';
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

/** So many rows are asked for at once. */
const ROWS = 10_000;

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
  const begin = () => session.fetchRows(`FETCH FORWARD ${ROWS} FROM beambridge`);
  let row = 0;
  let fetch = begin();
  for (;;) {
    const before = row;
    // It is sent when the one before has come, and not only when its rows are done.
    const following = begin();
    for (;;) {
      const rows = await taken(session, what, fetch);
      if (rows.length === 0) break;
      yield rows.map((texts) => rowOf(texts, fields, ++row, range, spec));
    }
    if (row - before < ROWS) break;
    fetch = following;
  }
  await session.query(what, 'COMMIT');
}

async function taken(session: Session, what: string, fetch: FetchRows): Promise<RowOfTexts[]> {
  try {
    return await fetch.next();
  } catch (error) {
    throw failure(error, session.failing(what));
  }
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
