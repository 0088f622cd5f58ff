// SPDX-License-Identifier: Apache-2.0
// The table that is written to, as the catalog has it, and how rows become texts for its columns.

import { BeamBridgeError } from '../../base/index.ts';
import { Misfit } from '../records/misfit.ts';
import { type NamedColumn, quoteName, quoteTable } from '../sql/names.ts';
import type { TableTarget } from '../sql/write-table.ts';
import { misfit } from './mismatch.ts';
import type { ClientOptions } from './package.ts';
import type { Session } from './session.ts';
import { type PgType, typesOf } from './types.ts';
import { valueWriter, type WriteText } from './write-values.ts';

/** All that a program said of what it writes. */
export interface WriteSpec extends TableTarget {
  readonly options: ClientOptions;
}

/** A column that is written. */
export interface TargetColumn extends NamedColumn {
  readonly type: PgType;
  /** Whether the table numbers rows by itself, and wants to be told that it is not to. */
  readonly isIdentity: boolean;
  readonly write: WriteText;
}

/** The values of a row, in the order of columns. */
export type RowTexts = (string | null)[];

const LOOK = `
SELECT attname, atttypid, atttypmod, attidentity, attgenerated
FROM pg_catalog.pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;

/**
 * The columns of the rows' fields.
 *
 * @throws `TABLE_NOT_FOUND`, `HEADER_MISMATCH`
 */
export async function targetColumns(session: Session, spec: WriteSpec): Promise<TargetColumn[]> {
  const table = quoteTable(spec.table);
  const what = `${table} cannot be written`;
  const { rows } = await session.query(what, LOOK, [table]);
  const known = new Map(rows.map((row) => [row[0], row as string[]]));
  const found = spec.columns.map(({ column }) => {
    const row = known.get(column);
    if (row && row[4] === '') return row;
    const why = row ? 'is computed by the table' : 'is no column of it';
    throw new BeamBridgeError(
      'HEADER_MISMATCH',
      `${spec.of}: ${what}: ${quoteName(column)} ${why}`,
      {
        hint: `There are ${rows.map(([name]) => quoteName(name!)).join(', ')}.`,
      },
    );
  });
  const types = await typesOf(
    session,
    found.map((row) => ({ oid: Number(row[1]), modifier: Number(row[2]) })),
  );
  return spec.columns.map((named, at) => {
    const type = types[at]!;
    const declared = spec.schema.fields[at]!.type;
    const write = valueWriter(declared, type, named.field);
    if (!write) throw misfit(spec.of, table, named, declared, type);
    return { ...named, type, isIdentity: found[at]![3] !== '', write };
  });
}

/**
 * The texts of a row.
 *
 * @throws `Unwritable` for a row that is none of the type, `ROW_MISMATCH` for a value that a column does not hold
 */
export function rowTexts(spec: WriteSpec, columns: readonly TargetColumn[], row: object): RowTexts {
  const texts: RowTexts = new Array(columns.length);
  let at = 0;
  try {
    for (; at < columns.length; at++) {
      const { field, write } = columns[at]!;
      texts[at] = write((row as Record<string, unknown>)[field]);
    }
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const { column } = columns[at]!;
    const part = error.column?.name ?? '';
    const place = `column ${quoteName(column)} of ${quoteTable(spec.table)}${part && `, ${part}`}`;
    throw new BeamBridgeError(error.code, `${spec.of}: ${place}: ${error.message}`, {
      hint: error.hint,
    });
  }
  return texts;
}
