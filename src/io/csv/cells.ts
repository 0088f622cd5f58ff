// SPDX-License-Identifier: Apache-2.0
// What a cell's text is by the type that was declared for it. Nothing is guessed: a text that is none of the type
// is a misfit.

import { BeamBridgeError } from '../../base/index.ts';
import { urns } from '../../proto/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { dateOf, microsOf } from '../records/instants.ts';
import { Misfit, quoted } from '../records/misfit.ts';
import { bigintOf, decimalOf, floatOf, wholeOf } from '../records/numbers.ts';

const L = urns.LogicalTypes_Enum;

/**
 * The value of a cell.
 *
 * @param inQuotes - whether it was written in quotes: a text in quotes is there, whatever it says
 * @throws {@link Misfit}
 */
export type CellReader = (text: string, inQuotes: boolean) => unknown;

/**
 * How cells of a type are read.
 *
 * @param nulls - the texts that say that there is no value, for types that may be null
 * @throws `INVALID_SCHEMA` for a type that a cell cannot hold
 */
export function cellReader(
  type: SchemaType,
  field: string,
  nulls: ReadonlySet<string>,
): CellReader {
  if (type.kind !== 'nullable') return valueReader(type, field);
  const read = valueReader(type.value, field);
  // What is in quotes is a text, as '' is; a number cannot be the text '', so that there quotes say nothing.
  if (isText(type.value)) {
    return (text, inQuotes) => (nulls.has(text) && !inQuotes ? null : read(text, inQuotes));
  }
  return (text, inQuotes) =>
    nulls.has(text) || nulls.has(trimmed(text)) ? null : read(text, inQuotes);
}

/** Whether a type's values are texts, for which the same text in quotes may mean something else. */
export function isText(type: SchemaType): boolean {
  return type.kind === 'string' || type.kind === 'enumeration';
}

function valueReader(type: SchemaType, field: string): CellReader {
  switch (type.kind) {
    case 'string':
      return (text) => text;
    case 'enumeration': {
      const values = new Set(type.values);
      return (text) => {
        if (values.has(text)) return text;
        throw new Misfit(`${quoted(text)} is none of ${type.values.map(quoted).join(', ')}`);
      };
    }
    case 'boolean':
      return (text) => booleanOf(trimmed(text));
    case 'byte':
    case 'int16':
    case 'int32':
    case 'int64': {
      const { kind } = type;
      return (text) => wholeOf(trimmed(text), kind);
    }
    case 'bigint64':
      return (text) => bigintOf(trimmed(text));
    case 'float32':
    case 'float64': {
      const { kind } = type;
      return (text) => floatOf(trimmed(text), kind);
    }
    default:
      return logicalReader(type, field);
  }
}

function logicalReader(type: SchemaType, field: string): CellReader {
  if (type.kind === 'logical') {
    if (type.urn === L.MILLIS_INSTANT) return (text) => dateOf(trimmed(text));
    if (type.urn === L.MICROS_INSTANT) return (text) => microsOf(trimmed(text));
    if (type.urn === L.DECIMAL) return (text) => decimalOf(trimmed(text));
  }
  throw noCell(type, field);
}

/** The error of a type that no cell holds. */
export function noCell(type: SchemaType, field: string): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_SCHEMA',
    `field ${field} is declared ${typeName(type)}, which a cell of CSV cannot hold`,
    {
      hint: 'A cell holds a number, a boolean, a string, an enumeration, a decimal, millisInstant or microsInstant, or one of these as nullable; an array has a column for each element.',
    },
  );
}

const TRUTHS = new Map([
  ['true', true],
  ['false', false],
]);

function booleanOf(text: string): boolean {
  const value = TRUTHS.get(text) ?? TRUTHS.get(text.toLowerCase());
  if (value !== undefined) return value;
  throw new Misfit(
    `${quoted(text)} is no boolean`,
    'A boolean is true or false, in any case. Declare other forms a string or int64, and convert them in a map.',
  );
}

/** Without the spaces around it, which some programs put behind delimiters. */
function trimmed(text: string): string {
  return text.charCodeAt(0) <= 32 || text.charCodeAt(text.length - 1) <= 32 ? text.trim() : text;
}
