// SPDX-License-Identifier: Apache-2.0
// The types of columns, as the server's catalog has them: domains are what they are of, arrays have their elements'.

import { BeamBridgeError } from '../../base/index.ts';
import type { Session } from './session.ts';

/** What values of a type are like, whatever it is called. */
export type Family =
  | 'whole'
  | 'float'
  | 'numeric'
  | 'boolean'
  | 'bytes'
  | 'time'
  | 'json'
  | 'vector'
  | 'array'
  | 'text';

/** A type of columns. */
export interface PgType {
  readonly family: Family;
  /** As PostgreSQL calls it inside: `int4`, `timestamptz`. */
  readonly base: string;
  /** As messages and casts have it, without what is in parentheses: `integer`. */
  readonly name: string;
  /** What is in parentheses, as the catalog has it; -1 for nothing. */
  readonly modifier: number;
  /** Of an array. */
  readonly element?: PgType;
}

const FAMILIES: Readonly<Record<string, Family>> = {
  int2: 'whole',
  int4: 'whole',
  int8: 'whole',
  float4: 'float',
  float8: 'float',
  numeric: 'numeric',
  bool: 'boolean',
  bytea: 'bytes',
  timestamptz: 'time',
  timestamp: 'time',
  date: 'time',
  json: 'json',
  jsonb: 'json',
};
/** Types of the extension pgvector whose text is a list of numbers. */
const VECTORS = new Set(['vector', 'halfvec']);

interface CatalogType {
  readonly base: string;
  readonly kind: string;
  readonly category: string;
  readonly element: number;
  readonly domainOf: number;
  readonly domainModifier: number;
  readonly delimiter: string;
  readonly isBuiltIn: boolean;
  /** As a cast has it, for any length: `bpchar`, and not `character`, which is one of 1. */
  readonly name: string;
}

const LOOK = `
SELECT oid, typname, typtype, typcategory, typelem, typbasetype, typtypmod, typdelim,
  typnamespace = 'pg_catalog'::regnamespace, format_type(oid, -1)
FROM pg_catalog.pg_type WHERE oid = ANY ($1::oid[])`;

/** A type that a statement or the catalog has told. */
export interface TypeOfColumn {
  readonly oid: number;
  readonly modifier: number;
}

/** The types. */
export async function typesOf(
  session: Session,
  columns: readonly TypeOfColumn[],
): Promise<PgType[]> {
  const known = new Map<number, CatalogType>();
  let wanted = new Set(columns.map(({ oid }) => oid));
  while (wanted.size > 0) {
    const oids = `{${[...wanted].join(',')}}`;
    const { rows } = await session.query('types cannot be looked up', LOOK, [oids]);
    for (const row of rows) {
      const [oid, base, kind, category, element, domainOf, domainModifier, delimiter, own, name] =
        row as string[];
      known.set(Number(oid), {
        base: base!,
        kind: kind!,
        category: category!,
        element: Number(element),
        domainOf: Number(domainOf),
        domainModifier: Number(domainModifier),
        delimiter: delimiter!,
        isBuiltIn: own === 't',
        name: name!,
      });
    }
    const next = [...known.values()].flatMap(({ element, domainOf }) => [element, domainOf]);
    wanted = new Set(next.filter((oid) => oid !== 0 && !known.has(oid)));
  }
  return columns.map(({ oid, modifier }) => typeOf(known, oid, modifier));
}

function typeOf(known: ReadonlyMap<number, CatalogType>, oid: number, modifier: number): PgType {
  const type = known.get(oid);
  if (!type) throw new BeamBridgeError('INTERNAL', `PostgreSQL has no type ${oid}`);
  const { base, name } = type;
  if (type.kind === 'd') {
    const of = typeOf(known, type.domainOf, modifier === -1 ? type.domainModifier : modifier);
    return { ...of, name };
  }
  const element = known.get(type.element);
  if (type.category === 'A' && element?.delimiter === ',') {
    return {
      family: 'array',
      base,
      name,
      modifier,
      element: typeOf(known, type.element, modifier),
    };
  }
  const family = type.isBuiltIn ? FAMILIES[base] : VECTORS.has(base) ? 'vector' : undefined;
  return { family: family ?? 'text', base, name, modifier };
}

/** How many digits of a second a column has, or digits behind the point; undefined for any number. */
export function scaleOf({ family, modifier }: PgType): number | undefined {
  if (modifier < 0) return undefined;
  if (family === 'time') return modifier;
  // Behind a length of 4: precision in the upper half, scale in the lower 11 bits, with a sign since version 15.
  const bits = (modifier - 4) & 0x7ff;
  return family === 'numeric' ? (bits ^ 1024) - 1024 : undefined;
}

/** How many letters a column has; undefined for any number. */
export function lengthOf({ base, modifier }: PgType): number | undefined {
  return (base === 'varchar' || base === 'bpchar') && modifier >= 4 ? modifier - 4 : undefined;
}
