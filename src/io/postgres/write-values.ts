// SPDX-License-Identifier: Apache-2.0
// Values as texts that a column of PostgreSQL holds exactly: the server itself would round decimals and times, and
// cut spaces off, without a word.

import { isWellFormed } from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { jsonText } from '../json/lines.ts';
import { Misfit } from '../records/misfit.ts';
import { textOf } from '../records/texts.ts';
import { Unwritable } from '../records/write-type.ts';
import { type ArrayTexts, arrayText, lengthsOf } from './array-text.ts';
import { isText } from './read-values.ts';
import { textCheck } from './text-forms.ts';
import { postgresOf } from './times.ts';
import { lengthOf, type PgType, scaleOf } from './types.ts';

const L = urns.LogicalTypes_Enum;

/**
 * The text of a value, null for NULL.
 *
 * @throws {@link Unwritable} for a value that is none of its type, {@link Misfit} for one that the column does not hold
 */
export type WriteText = (value: unknown) => string | null;
/** What lies in an array. */
type WritePart = (value: unknown) => string | null | ArrayTexts;

const WHOLE_KINDS = new Set(['byte', 'int16', 'int32', 'int64', 'bigint64']);
const LIMITS: Readonly<Record<string, bigint>> = { int2: 2n ** 15n, int4: 2n ** 31n };

/**
 * How values are written to a column.
 *
 * @returns nothing where the column holds no values of the declared type
 * @throws `INVALID_SCHEMA` for a type of JSON that it has no values for
 */
export function valueWriter(
  declared: SchemaType,
  column: PgType,
  path: string,
): WriteText | undefined {
  if (declared.kind === 'nullable') {
    const write = valueWriter(declared.value, column, path);
    return write && ((value) => (value === null || value === undefined ? null : write(value)));
  }
  if (column.family === 'json') return jsonWriter(declared, path);
  switch (declared.kind) {
    case 'array':
    case 'iterable':
      return listWriter(declared, column, path);
    case 'bytes':
      return column.family === 'bytes' ? bytesText : undefined;
    case 'logical':
      return logicalWriter(declared, column);
    case 'string':
    case 'enumeration':
      return isText(column) ? textWriter(declared, column) : undefined;
    case 'boolean':
      return column.family === 'boolean' ? textOf(declared) : undefined;
    default:
      return numberWriter(declared, column);
  }
}

/** A text is the text of JSON, as it is when it is read; rows, maps and lists are written as such. */
function jsonWriter(declared: SchemaType, path: string): WriteText | undefined {
  switch (declared.kind) {
    case 'row':
    case 'map':
    case 'array':
    case 'iterable':
      return withoutNul(jsonText(declared, path));
    case 'string':
    case 'enumeration':
      return withoutNul(textOf(declared)!);
    default:
      return undefined;
  }
}

function numberWriter(declared: SchemaType, column: PgType): WriteText | undefined {
  const { base, family } = column;
  const { kind } = declared;
  const text = textOf(declared);
  if (!text) return undefined;
  if (WHOLE_KINDS.has(kind)) {
    if (family === 'whole') return wholeWriter(text, column);
    if (family === 'numeric') return numericWriter(text, column);
    // What a double, or a single, holds exactly whatever it is.
    if (base === 'float8') return kind === 'bigint64' ? undefined : text;
    return base === 'float4' && (kind === 'byte' || kind === 'int16') ? text : undefined;
  }
  if (kind === 'float64') return base === 'float8' ? text : undefined;
  if (kind !== 'float32') return undefined;
  if (base === 'float4') return text;
  // As a double it has more digits than as a single.
  const wide = textOf({ kind: 'float64' })!;
  return base === 'float8' ? (value) => wide(Math.fround(Number(text(value)))) : undefined;
}

function wholeWriter(text: (value: unknown) => string, { base, name }: PgType): WriteText {
  const limit = LIMITS[base];
  if (limit === undefined) return text;
  return (value) => {
    const digits = text(value);
    const number = BigInt(digits);
    if (number >= -limit && number < limit) return digits;
    throw new Misfit(`${digits} is outside of ${name}`, 'A column of bigint holds it.');
  };
}

function numericWriter(text: (value: unknown) => string, column: PgType): WriteText {
  const scale = scaleOf(column);
  if (scale === undefined) return text;
  return (value) => {
    const digits = text(value);
    // Digits that are no more than zeros are none.
    const [whole = '', fraction = ''] = digits.split('.');
    const isFiner = fraction.replace(/0+$/, '').length > Math.max(scale, 0);
    const isCoarse = scale < 0 && /[1-9]/.test(whole.slice(scale));
    if (!isFiner && !isCoarse) return digits;
    throw new Misfit(
      `${digits} has more digits than the column, whose scale is ${scale}`,
      'PostgreSQL would round it: round it yourself, or give the column more digits.',
    );
  };
}

function logicalWriter(
  declared: SchemaType & { kind: 'logical' },
  column: PgType,
): WriteText | undefined {
  const text = textOf(declared);
  if (!text) return undefined;
  if (declared.urn === L.DECIMAL)
    return column.family === 'numeric' ? numericWriter(text, column) : undefined;
  const isTime = declared.urn === L.MILLIS_INSTANT || declared.urn === L.MICROS_INSTANT;
  if (!isTime || column.family !== 'time' || column.base === 'date') return undefined;
  const zone = column.base === 'timestamptz' ? '+00' : '';
  const digits = scaleOf(column) ?? 6;
  return (value) => {
    const iso = text(value);
    const fraction = /\.(\d+)Z$/.exec(iso)?.[1] ?? '';
    if (/[1-9]/.test(fraction.slice(digits))) {
      throw new Misfit(
        `${iso} is finer than the column, which has ${digits} digits of a second`,
        'PostgreSQL would round it: round it yourself.',
      );
    }
    return postgresOf(iso, zone);
  };
}

function textWriter(declared: SchemaType, column: PgType): WriteText {
  const text = withoutNul(textOf(declared)!);
  const check = textCheck(column);
  if (check) {
    return (value) => {
      const letters = text(value)!;
      check(letters);
      return letters;
    };
  }
  const most = lengthOf(column);
  if (most === undefined) return text;
  return (value) => {
    const letters = text(value)!;
    // A letter may be two of JavaScript's.
    if (letters.length <= most || [...letters].length <= most) return letters;
    throw new Misfit(`it has ${[...letters].length} letters, and the column ${most}`);
  };
}

function withoutNul(text: (value: unknown) => string): WriteText {
  return (value) => {
    const letters = text(value);
    if (!letters.includes('\0') && isWellFormed(letters)) return letters;
    throw new Misfit('it holds the letter NUL', 'PostgreSQL has no texts with it.');
  };
}

function bytesText(value: unknown): string {
  if (!(value instanceof Uint8Array)) throw new Unwritable();
  const { buffer, byteOffset, byteLength } = value;
  return `\\x${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}`;
}

function listWriter(
  declared: SchemaType & { kind: 'array' | 'iterable' },
  column: PgType,
  path: string,
): WriteText | undefined {
  if (column.family === 'vector') {
    if (declared.element.kind !== 'float32') return undefined;
    const text = textOf(declared.element)!;
    return (values) => `[${partsOf(values, text).join(',')}]`;
  }
  if (column.family !== 'array') return undefined;
  const part = partWriter(declared, column, path);
  if (!part) return undefined;
  return (values) => {
    const parts = part(values) as ArrayTexts;
    lengthsOf(parts);
    return arrayText(parts);
  };
}

function partWriter(declared: SchemaType, column: PgType, path: string): WritePart | undefined {
  if (declared.kind === 'nullable') {
    const write = partWriter(declared.value, column, path);
    return write && ((value) => (value === null || value === undefined ? null : write(value)));
  }
  const isList = declared.kind === 'array' || declared.kind === 'iterable';
  if (!isList || column.element?.family === 'json')
    return valueWriter(declared, column.element!, `${path}[]`);
  const inner = partWriter(declared.element, column, path);
  return inner && ((values) => partsOf(values, inner) as ArrayTexts);
}

/** What can be read twice: the coder makes an array of anything else. */
function partsOf(values: unknown, write: WritePart): ArrayTexts {
  const isView = ArrayBuffer.isView(values) && !(values instanceof DataView);
  if (!Array.isArray(values) && !isView) throw new Unwritable();
  return Array.from(values as ArrayLike<unknown>, (value, at) => {
    try {
      return write(value);
    } catch (error) {
      throw error instanceof Misfit ? error.within(`[${at}]`) : error;
    }
  });
}
