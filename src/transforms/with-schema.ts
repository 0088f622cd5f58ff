// SPDX-License-Identifier: Apache-2.0
// Declares the type of a PCollection by a schema, which every language of Beam understands.

import type { Coder } from '../coders/index.ts';
import type { PCollection, PTransformClass } from '../pipeline/index.ts';
import {
  coderOf,
  inferSchema,
  type RowType,
  requireRow,
  rowCoder,
  type SchemaType,
} from '../schema/index.ts';
import { transform } from './transform.ts';
import { declare } from './with-coder.ts';

/**
 * Declares the type of elements, as a transform of another language needs it. Each is checked at once,
 * on every runner: one that does not fit fails the pipeline, naming the field. One that does is what the
 * type says from here on: a nullable field that was missing is null.
 *
 * @throws `ROW_MISMATCH` or `CODER_MISMATCH` at run time for an element that does not fit
 *
 * @example
 * ```ts
 * people.apply(withSchema(row({ name: string, age: int64 })));
 * ```
 */
export function withSchema<T>(
  type: SchemaType<T>,
): PTransformClass<PCollection<T>, PCollection<T>> {
  const coder = coderOf(type);
  return transform('withSchema', (input) => input.apply(declare('recode', coder)));
}

/**
 * Declares elements to be rows of a type, or of the type of an example: in that, whole numbers are
 * int64 and fractions float64, so write `0.5` for a field that may hold fractions.
 *
 * @throws `INVALID_SCHEMA` when no row type follows from the example
 *
 * @example
 * ```ts
 * people.apply(withRowCoder({ name: '', age: 0, height: 0.5 }));
 * ```
 */
export function withRowCoder<T>(type: RowType<T>): PTransformClass<PCollection<T>, PCollection<T>>;
export function withRowCoder<T extends object>(
  example: T,
): PTransformClass<PCollection<T>, PCollection<T>>;
export function withRowCoder<T extends object>(
  exampleOrType: T | RowType<T>,
): PTransformClass<PCollection<T>, PCollection<T>> {
  const coder = isRowType(exampleOrType) ? rowCoder(exampleOrType) : coderLike(exampleOrType);
  return transform('withRowCoder', (input) => input.apply(declare('recode', coder)));
}

function coderLike<T extends object>(example: T): Coder<T> {
  const type = inferSchema(example);
  // An example may name a logical type of the program's own for whole elements.
  return type.kind === 'logical' ? coderOf(type) : rowCoder(requireRow(type));
}

/** An example may well have fields of these names, but is hardly frozen. */
function isRowType<T>(given: T | RowType<T>): given is RowType<T> {
  const { kind, fields } = given as { kind?: unknown; fields?: unknown };
  return kind === 'row' && Array.isArray(fields) && Object.isFrozen(fields);
}
