// SPDX-License-Identifier: Apache-2.0
// What a text of PostgreSQL is by the type that was declared for it, where its column's type has such values.

import { isWellFormed, TYPED_ARRAY_KINDS, type TypedArrayKind } from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { parseExactly } from '../json/exact.ts';
import { jsonReader } from '../json/values.ts';
import { float32Of } from '../records/from-counts.ts';
import { dateOf, microsOf } from '../records/instants.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { bigintOf, decimalOf, floatOf, wholeOf } from '../records/numbers.ts';
import { type ArrayTexts, parseArray } from './array-text.ts';
import { isoOf } from './times.ts';
import type { PgType } from './types.ts';

const L = urns.LogicalTypes_Enum;

/** The value of a text, null for NULL. @throws {@link Misfit} */
export type ReadText = (text: string | null) => unknown;
/** The value of what lies in an array. */
type ReadPart = (part: string | null | ArrayTexts) => unknown;

/**
 * How values of a column are read.
 *
 * @returns nothing where the column's type is none that the declared one takes
 * @throws `INVALID_SCHEMA` for a type of JSON that it has no values for
 */
export function valueReader(
  declared: SchemaType,
  column: PgType,
  path: string,
): ReadText | undefined {
  if (declared.kind === 'nullable') {
    const read = valueReader(declared.value, column, path);
    return read && ((text) => (text === null ? null : read(text)));
  }
  const read = textReader(declared, column, path);
  return (
    read &&
    ((text) => {
      if (text !== null) return read(text);
      throw new Misfit('it is NULL', 'Declare it nullable.');
    })
  );
}

function textReader(
  declared: SchemaType,
  column: PgType,
  path: string,
): ((text: string) => unknown) | undefined {
  const { family, base } = column;
  switch (declared.kind) {
    case 'string':
      return isText(column) ? wellFormed : undefined;
    case 'enumeration': {
      if (!isText(column)) return undefined;
      const values = new Set<string>(declared.values);
      return (text) => {
        if (values.has(text)) return text;
        throw new Misfit(
          `${quoted(text)} is none of ${declared.values.map((one) => quoted(one)).join(', ')}`,
        );
      };
    }
    case 'boolean':
      return family === 'boolean' ? (text) => text === 't' : undefined;
    case 'bytes':
      return family === 'bytes' ? bytesOf : undefined;
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64': {
      const { kind } = declared;
      return isExact(column) ? (text) => wholeOf(text, kind) : undefined;
    }
    case 'bigint64':
      return isExact(column) ? bigintOf : undefined;
    case 'float64':
      // The digits of a float4 are the fewest that tell it from its neighbours.
      if (base === 'float4') return (text) => Math.fround(floatOf(text, 'float64'));
      return base === 'float8' || base === 'int4' || base === 'int2'
        ? (text) => floatOf(text, 'float64')
        : undefined;
    case 'float32':
      return base === 'float4' || base === 'int2' ? (text) => floatOf(text, 'float32') : undefined;
    case 'logical':
      return logicalReader(declared.urn, column);
    case 'array':
    case 'iterable':
      return listReader(declared, column, path);
    case 'row':
    case 'map':
      return family === 'json' ? ofJson(declared, path) : undefined;
    default:
      return undefined;
  }
}

/** Whether the text of a value is what a program means by it. */
export function isText({ family, base }: PgType): boolean {
  return family === 'text' || family === 'json' || base === 'date';
}

/** Whether values are numbers with all their digits. */
function isExact({ family }: PgType): boolean {
  return family === 'whole' || family === 'numeric';
}

function logicalReader(urn: string, column: PgType): ((text: string) => unknown) | undefined {
  if (urn === L.DECIMAL) return isExact(column) ? decimalOf : undefined;
  if (column.family !== 'time') return undefined;
  if (urn === L.MILLIS_INSTANT) return (text) => dateOf(isoOf(text));
  return urn === L.MICROS_INSTANT ? (text) => microsOf(isoOf(text)) : undefined;
}

function listReader(
  declared: SchemaType & { kind: 'array' | 'iterable' },
  column: PgType,
  path: string,
): ((text: string) => unknown) | undefined {
  if (column.family === 'json') return ofJson(declared, path);
  if (column.family === 'vector') {
    const { kind } = declared.element;
    if (kind !== 'float32' && kind !== 'float64') return undefined;
    const values = listOf(declared, (text) => float32Of(Number(text)));
    return (text) => values(text === '[]' ? [] : text.slice(1, -1).split(','));
  }
  const read = column.family === 'array' && partReader(declared, column, path);
  return read ? (text) => read(parseArray(text)) : undefined;
}

/** An array and what lies in it, which is an array again as far as one is declared: columns do not tell. */
function partReader(declared: SchemaType, column: PgType, path: string): ReadPart | undefined {
  if (declared.kind === 'nullable') {
    const read = partReader(declared.value, column, path);
    return read && ((part) => (part === null ? null : read(part)));
  }
  if (declared.kind === 'array' || declared.kind === 'iterable') {
    const { element } = declared;
    const inner =
      isList(element) && column.element?.family !== 'json'
        ? partReader(element, column, path)
        : valuePart(element, column.element!, path);
    if (!inner) return undefined;
    const values = listOf(declared, inner);
    return (part) => {
      if (Array.isArray(part)) return values(part);
      throw new Misfit(part === null ? 'it is NULL' : `${quoted(part)} is no array`);
    };
  }
  return undefined;
}

function isList(type: SchemaType): boolean {
  const { kind } = type.kind === 'nullable' ? type.value : type;
  return kind === 'array' || kind === 'iterable';
}

function valuePart(declared: SchemaType, column: PgType, path: string): ReadPart | undefined {
  const read = valueReader(declared, column, `${path}[]`);
  return (
    read &&
    ((part) => {
      if (!Array.isArray(part)) return read(part);
      throw new Misfit('it has more dimensions than are declared', 'Declare it array(array(…)).');
    })
  );
}

function listOf(
  declared: SchemaType & { kind: 'array' | 'iterable' },
  read: ReadPart,
): (parts: ArrayTexts) => unknown {
  const isTyped = declared.kind === 'array' && declared.typed === true;
  const Typed = isTyped ? TYPED_ARRAY_KINDS[declared.element.kind as TypedArrayKind] : undefined;
  return (parts) => {
    const { length } = parts;
    const values = (Typed ? new Typed(length) : new Array(length)) as unknown[];
    let at = 0;
    try {
      for (; at < length; at++) values[at] = read(parts[at]!);
    } catch (error) {
      throw error instanceof Misfit ? error.within(`[${at}]`) : error;
    }
    return values;
  };
}

function ofJson(declared: SchemaType, path: string): (text: string) => unknown {
  const read = jsonReader(declared, path, { ignoreUnknownFields: false });
  return (text) => read(parseExactly(text));
}

function wellFormed(text: string): string {
  if (isWellFormed(text)) return text;
  throw new Misfit(`${quoted(text)} holds half a surrogate pair`);
}

/** Of the form hex, which the session asks for. */
function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.slice(2), 'hex'));
}
