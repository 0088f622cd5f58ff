// SPDX-License-Identifier: Apache-2.0
// The type of the rows that a writer is given: what their PCollection was declared to hold, or what the program says.

import { BeamBridgeError } from '../../base/index.ts';
import { type Coder, RowCoder, transcode } from '../../coders/index.ts';
import type { PCollection } from '../../pipeline/index.ts';
import { urns } from '../../proto/index.ts';
import { coderOf, type RowType, type SchemaType } from '../../schema/index.ts';
import { mapStep, withSchema } from '../../transforms/index.ts';
import type { Render } from '../text/write-parts.ts';
import { checkRowType } from './read-options.ts';

/** Rows whose type is known. */
export interface TypedRows<T> {
  readonly rows: PCollection<T>;
  readonly schema: RowType<T>;
}

/**
 * The rows with their type.
 *
 * @param schema - what the program says of them; each is then checked
 * @throws `INVALID_ARGUMENT` where nobody says what they are
 */
export function typedRows<T>(
  transform: string,
  rows: PCollection<T>,
  schema: RowType<T> | undefined,
): TypedRows<T> {
  if (schema !== undefined) {
    checkRowType(transform, schema);
    return { rows: rows.apply(withSchema(schema)), schema };
  }
  const { coder } = rows;
  if (coder instanceof RowCoder) return { rows, schema: coder.type as RowType<T> };
  throw new BeamBridgeError('INVALID_ARGUMENT', `${transform}: nothing says what the rows are`, {
    hint: `The elements are ${coder.name}: give { schema: row({ … }) }, or .apply(withSchema(row({ … }))) before.`,
  });
}

/**
 * What is rendered of a row that nothing was held to before: rows whose fields are those of the type, and which `render`
 * itself finds right, are not made anew by their coder first, which is much of what writing a short row costs.
 *
 * @param render - throws {@link Unwritable} for each field that is none of its type
 */
export function strictRender<T, R = string>(
  schema: RowType<T>,
  render: Render<T, R>,
): Render<T, R> {
  const coder: Coder<T> = coderOf(schema);
  const names = schema.fields.map(({ name }) => name);
  const isWhole = (element: object) => {
    if (Object.getPrototypeOf(element) !== Object.prototype) return false;
    // Those of a row are in their order most often.
    const keys = Object.keys(element);
    return (
      keys.length === names.length &&
      names.every((name, at) => keys[at] === name || Object.hasOwn(element, name))
    );
  };
  return (element) => {
    try {
      if (typeof element === 'object' && element !== null && isWhole(element))
        return render(element);
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
    }
    return render(transcode(coder, element));
  };
}

const MUTABLE = new Set(['row', 'array', 'iterable', 'map', 'tensor', 'bytes']);
const L = urns.LogicalTypes_Enum;

/**
 * Whether fields of a type hold nothing that a program may change after it gave the row, nor rows, whose fields
 * {@link strictRender} does not look at: rows may wait for a side input before they are written.
 */
export function holdsPlainValues({ fields }: { readonly fields: RowType['fields'] }): boolean {
  const isPlain = (type: SchemaType): boolean => {
    if (type.kind === 'nullable') return isPlain(type.value);
    // A Date can be set to another time.
    if (type.kind === 'logical') return type.urn !== L.MILLIS_INSTANT;
    return !MUTABLE.has(type.kind);
  };
  return fields.every(({ type }) => isPlain(type));
}

/** Rows, and what makes of each what is written. */
export interface RowsToWrite<T> extends TypedRows<T> {
  rendered<R>(render: Render<T, R>): Render<T, R>;
}

/**
 * As {@link typedRows}. Short rows that the program says the type of are looked at once, when they are rendered, where that
 * is enough: `render` throws {@link Unwritable} for each field that is none of its type.
 */
export function rowsToWrite<T>(
  transform: string,
  rows: PCollection<T>,
  schema: RowType<T> | undefined,
): RowsToWrite<T> {
  if (schema === undefined || !holdsPlainValues(schema)) {
    const typed = typedRows(transform, rows, schema);
    return { ...typed, rendered: (render) => checkedRender(typed.schema, render) };
  }
  checkRowType(transform, schema);
  const coder: Coder<T> = coderOf(schema);
  // Rows may wait, and the program may give one object again with other values: their fields hold nothing that can be changed.
  const asItIs = (row: T): T =>
    typeof row === 'object' && row !== null && Object.getPrototypeOf(row) === Object.prototype
      ? { ...row }
      : transcode(coder, row);
  return {
    rows: rows.apply(mapStep('rows', asItIs, coder)),
    schema,
    rendered: (render) => strictRender(schema, render),
  };
}

/** Internal: a value is none of its type; the row's coder says why, or makes it one. */
export class Unwritable {}

/** What is rendered of a row that its type was not held to before, as fused steps hand rows on. */
export function checkedRender<T, R = string>(
  schema: RowType<T>,
  render: Render<T, R>,
): Render<T, R> {
  const coder: Coder<T> = coderOf(schema);
  return (element) => {
    try {
      if (typeof element === 'object' && element !== null) return render(element);
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
    }
    return render(transcode(coder, element));
  };
}
