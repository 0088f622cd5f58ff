// SPDX-License-Identifier: Apache-2.0
// Row coders and types from examples, under the official SDK's names.

import { type FieldType, RowCoder, type RowFieldsType } from '../coders/index.ts';
import { inferSchema } from './infer.ts';
import { requireRow } from './types.ts';

/** The coder of rows, with the official SDK's ways to make one from an example. */
export class RowCoderByExample<T = Record<string, unknown>> extends RowCoder<T> {
  /** The type of an example: {@link inferSchema}, nullable unless told otherwise. */
  static inferTypeFromJSON(example: unknown, isNullable = true): FieldType {
    const type = inferSchema(example) as unknown as FieldType;
    return isNullable && type.kind !== 'nullable' ? { kind: 'nullable', value: type } : type;
  }

  /** The row type of an example object. */
  static inferSchemaOfJSON(example: object): RowFieldsType {
    return requireRow(inferSchema(example)) as unknown as RowFieldsType;
  }

  /** The coder of rows like an example object. */
  static fromJSON<T extends object>(example: T): RowCoderByExample<T> {
    return new RowCoderByExample<T>(RowCoderByExample.inferSchemaOfJSON(example));
  }
}
