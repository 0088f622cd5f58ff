// SPDX-License-Identifier: Apache-2.0
// The ranges that a read is cut in. Each row is in exactly one, whatever the borders are: they only say how large
// ranges come out.

import { BeamBridgeError } from '../../base/index.ts';
import { quoteName, quoteTable, quoteText } from '../sql/names.ts';
import { fromOf, nameOf, type ReadSpec, valuesOf } from './read-spec.ts';
import type { Session } from './session.ts';
import type { PgType } from './types.ts';
import { typesOf } from './types.ts';

/** Ranges where nobody says how many. */
const RANGES = 16;
const MOST_RANGES = 64;
/** So much of a table is a range. */
const RANGE_BYTES = 16 * 1024 * 1024;
/** From this version on, rows of some pages are found without reading the others. */
const BY_PAGES_SINCE = 140_000;

/** Conditions, of which each row fulfils one. */
export async function rangesOf(session: Session, spec: ReadSpec): Promise<string[]> {
  if (spec.ranges === 1) return ['true'];
  if (spec.partitionBy !== undefined) return byColumn(session, spec, spec.partitionBy);
  // A row that is changed is on another page then: only in one snapshot none is met twice.
  if (!spec.table || !spec.isOneSnapshot) return ['true'];
  return byPages(session, spec, spec.table);
}

/** A table by itself is in no tree of partitions. */
const PAGES = `
WITH parts AS (
  SELECT l.oid, l.relkind FROM pg_catalog.pg_class AS l WHERE l.oid = $1::regclass
    OR l.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::regclass)))
SELECT c.relkind, pg_catalog.current_setting('server_version_num'),
  (SELECT max(pg_catalog.pg_relation_size(oid)) / pg_catalog.current_setting('block_size')::int
   FROM parts WHERE relkind = 'r'),
  (SELECT sum(pg_catalog.pg_table_size(oid)) FROM parts WHERE relkind = 'r'),
  EXISTS (SELECT FROM parts WHERE relkind = 'f')
  OR c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid)
FROM pg_catalog.pg_class AS c WHERE c.oid = $1::regclass`;

/** By the pages that rows lie on, which only tables have; of several partitions each has the same ones. */
async function byPages(
  session: Session,
  spec: ReadSpec,
  table: readonly string[],
): Promise<string[]> {
  const what = `the size of ${nameOf(spec)} cannot be asked for`;
  const { rows } = await session.query(what, PAGES, [quoteTable(table)]);
  const [kind, version, pages, bytes, isMixed] = rows[0] ?? [];
  const canSplit = (kind === 'r' || kind === 'p') && isMixed === 'f';
  if (!canSplit || Number(version) < BY_PAGES_SINCE) return ['true'];
  const wanted = spec.ranges ?? Math.min(Math.ceil(Number(bytes) / RANGE_BYTES), MOST_RANGES);
  const count = Math.min(wanted, Number(pages));
  const borders: string[] = [];
  for (let at = 1; at < count; at++)
    borders.push(`'(${Math.floor((Number(pages) * at) / count)},0)'::tid`);
  return between('ctid', borders);
}

/** Ranges of a column between borders that rise; the last has no end, so that nothing lies beyond it. */
function between(column: string, borders: readonly string[]): string[] {
  if (borders.length === 0) return ['true'];
  const conditions = [`${column} < ${borders[0]}`];
  for (const [at, border] of borders.entries()) {
    const next = borders[at + 1];
    const end = next === undefined ? '' : ` AND ${column} < ${next}`;
    conditions.push(`${column} >= ${border}${end}`);
  }
  return conditions;
}

/** How borders between the least value `a` and the greatest `b` are told, of which the i-th of n is meant. */
const BORDERS: Readonly<Record<string, { border: string; type: string; filter?: string }>> = {
  whole: {
    border: 'floor(a::numeric + (b::numeric - a::numeric) * i / n)::int8',
    type: 'int8',
  },
  float: {
    border: 'a::float8 * (1 - i::float8 / n) + b::float8 * (i::float8 / n)',
    type: 'float8',
    filter: "NOT IN ('NaN', 'Infinity', '-Infinity')",
  },
  numeric: { border: 'a + (b - a) * i / n', type: 'numeric', filter: "<> 'NaN'" },
  timestamptz: { border: 'a + (b - a) * (i::float8 / n)', type: 'timestamptz', filter: 'finite' },
  timestamp: { border: 'a + (b - a) * (i::float8 / n)', type: 'timestamp', filter: 'finite' },
  date: { border: 'a + ((b - a)::int8 * i / n)::int', type: 'date', filter: 'finite' },
};

async function byColumn(session: Session, spec: ReadSpec, column: string): Promise<string[]> {
  const name = quoteName(column);
  const from = fromOf(spec);
  const values = valuesOf(spec);
  const what = `ranges of column ${quoteName(column)} cannot be found`;
  const { fields } = await session.query(what, `SELECT ${name} FROM ${from} LIMIT 0`, values);
  const { dataTypeID: oid, dataTypeModifier: modifier } = fields[0]!;
  const [type] = await typesOf(session, [{ oid, modifier }]);
  const { border, type: cast, filter } = bordersOf(spec, column, type!);
  const where =
    filter === 'finite' ? `WHERE isfinite(${name})` : filter ? `WHERE ${name} ${filter}` : '';
  const count = spec.ranges ?? RANGES;
  const { rows } = await session.query(
    what,
    // In their order, each once: those of floats that are near one another are rounded, and fall now and then.
    `SELECT border::text FROM (
      SELECT DISTINCT (${border})::${cast} AS border FROM (SELECT min(${name}) AS a, max(${name}) AS b FROM ${from} ${where}) AS ends,
        (SELECT ${count} AS n) AS counted, generate_series(1, ${count - 1}) AS i WHERE a < b) AS borders
    ORDER BY borders.border`,
    values,
  );
  const borders = rows.map(([text]) => `${quoteText(text!)}::${cast}`);
  if (borders.length === 0) return ['true'];
  return [...between(name, borders), `${name} IS NULL`];
}

function bordersOf({ of }: ReadSpec, column: string, { family, base, name }: PgType) {
  const borders = BORDERS[family] ?? BORDERS[base];
  if (borders) return borders;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${of}: partitionBy is the column ${quoteName(column)}, which is ${name}`,
    { hint: 'Ranges are those of whole numbers, floats, numeric, timestamps or dates.' },
  );
}
