// SPDX-License-Identifier: Apache-2.0
// Values to texts of JSON that readFromJson, and others, read back as the same values: with all digits of whole
// numbers, and without the silence of `JSON.stringify`, which makes null of NaN and leaves out what it does not know.

import { isWellFormed } from '../../coders/index.ts';
import { urns } from '../../proto/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { type TextOf, textOf } from '../records/texts.ts';
import { Unwritable } from '../records/write-type.ts';
import { noValue } from './values.ts';

/**
 * How values of a type are written.
 *
 * @param path - where the type is in the record's
 * @throws `INVALID_SCHEMA` for a type that JSON has no values for
 */
export function jsonText(type: SchemaType, path: string): TextOf {
  switch (type.kind) {
    case 'nullable': {
      const text = jsonText(type.value, path);
      return (value) => (value === null || value === undefined ? 'null' : text(value));
    }
    case 'array':
    case 'iterable': {
      const text = jsonText(type.element, `${path}[]`);
      return (values) => {
        if (!isList(values)) throw new Unwritable();
        return `[${Array.from(values, text).join(',')}]`;
      };
    }
    case 'map': {
      if (type.key.kind !== 'string') throw noValue(type, path);
      const text = jsonText(type.value, `${path}{}`);
      return (values) => {
        if (!(values instanceof Map)) throw new Unwritable();
        const members = Array.from(values, ([key, value]) => `${stringText(key)}:${text(value)}`);
        return `{${members.join(',')}}`;
      };
    }
    case 'row':
      return rowText(type, path);
    case 'float32':
    case 'float64': {
      const text = textOf(type)!;
      return (value) => (Number.isFinite(value) ? text(value) : `"${text(value)}"`);
    }
    case 'bytes':
      return (value) => {
        if (!(value instanceof Uint8Array)) throw new Unwritable();
        const { buffer, byteOffset, byteLength } = value;
        return `"${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}"`;
      };
    case 'string':
      return stringText;
    case 'enumeration':
    case 'logical': {
      const text = textOf(type);
      if (!text || (type.kind === 'logical' && !TEXTS.has(type.urn))) throw noValue(type, path);
      return (value) => JSON.stringify(text(value));
    }
    default: {
      const text = textOf(type);
      if (!text) throw noValue(type, path);
      return text;
    }
  }
}

const L = urns.LogicalTypes_Enum;
/** A decimal is a string, too: most programs would take a number for a double. */
const TEXTS = new Set<string>([L.MILLIS_INSTANT, L.MICROS_INSTANT, L.DECIMAL]);

function rowText(type: SchemaType & { kind: 'row' }, path: string): TextOf {
  const fields = type.fields.map(({ name, type: field }, at) => ({
    name,
    before: `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`,
    text: jsonText(field, path === '' ? name : `${path}.${name}`),
  }));
  return (row) => {
    if (typeof row !== 'object' || row === null) throw new Unwritable();
    let all = '';
    for (const { name, before, text } of fields) {
      all += before + text((row as Record<string, unknown>)[name]);
    }
    return `${all || '{'}}`;
  };
}

function stringText(value: unknown): string {
  if (typeof value === 'string' && isWellFormed(value)) return JSON.stringify(value);
  throw new Unwritable();
}

/** What can be read twice: the coder makes an array of anything else. */
function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
